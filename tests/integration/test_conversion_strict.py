"""A conversion on an account whose functions take their time, as Lambda's do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import ministack
from tests.support.deployments import Trial
from tests.support.zips import Old, look, package_of

from glacierctl.aws import conversion
from glacierctl.aws.clock import Clock
from glacierctl.aws.errors import AwsError
from glacierctl.aws.wanted import Wanted
from glacierctl.cli.deploy_conversion import download


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with ministack.serve(tmp_path_factory.mktemp("ministack")) as found:
        yield found


@pytest.fixture
def old(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Old:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Old(Trial(delay_s=0.05))


def deploy(old: Old, folder: Path) -> None:
    def convert(wanted: Wanted, beat: Callable[[], None]) -> tuple[str, ...]:
        return conversion.convert(
            old.aws, wanted, folder, beat=beat, download=download, clock=Clock(), say=old.trial.steps.append
        )

    old.trial.deploy(old.trial.wanted(role_arn=old.role_arn), convert=convert, clock=Clock())


def test_all_that_hung_on_it_hangs_on_the_new_one(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    deploy(old, tmp_path)
    assert package_of(old.trial) == "Image"
    assert look(old.trial) == before


def test_an_image_that_does_not_answer_brings_the_old_one_back(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    old.trial.answer({"ready": False})
    with pytest.raises(AwsError, match="is the Zip package that it was"):
        deploy(old, tmp_path)
    assert package_of(old.trial) == "Zip"
    assert look(old.trial) == before
