"""A deployment to an account whose functions take their time, as Lambda's do."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support import ministack
from tests.support.deployments import Trial, before_calls

from glacierctl.aws.clock import Clock
from glacierctl.aws.destroy import destroy, plan_destruction
from glacierctl.aws.errors import NotReady
from glacierctl.aws.history import read_history
from glacierctl.aws.rollback import roll_back
from glacierctl.aws.wanted import KEPT_VERSIONS, Wanted

_NEEDS_A_SETTLED_FUNCTION = {"UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion", "Invoke"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with ministack.serve(tmp_path_factory.mktemp("ministack")) as found:
        yield found


@pytest.fixture
def trial(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Trial:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Trial(delay_s=0.05)


def deploy(trial: Trial, then: Wanted) -> Any:
    return trial.deploy(then, clock=Clock(sleep=time.sleep))


def states_at_changes(trial: Trial) -> list[tuple[str, str, str]]:
    """Call, state of the function and of its last update, for each call that Lambda refuses meanwhile."""
    seen: list[tuple[str, str, str]] = []
    other = trial.reach().functions

    def look(model: Any, **_: Any) -> None:
        if model.name in _NEEDS_A_SETTLED_FUNCTION:
            told = other.get_function_configuration(FunctionName=trial.names.function)
            seen.append((model.name, told["State"], told["LastUpdateStatus"]))

    before_calls(trial.aws, look)
    return seen


def test_every_change_waits_for_the_one_before(trial: Trial) -> None:
    seen = states_at_changes(trial)
    deploy(trial, trial.wanted("lean-x86_64-aaaa"))
    deploy(trial, trial.wanted("lean-x86_64-bbbb", memory_mb=3000))
    first, later = ["PublishVersion", "Invoke"], ["UpdateFunctionCode", "UpdateFunctionConfiguration"]
    assert [call for call, _, _ in seen] == [*first, *later, *first]
    assert {(state, update) for _, state, update in seen} == {("Active", "Successful")}
    assert trial.alias_version() == "2"


def test_a_function_that_is_still_pending_from_a_deploy_that_died_is_waited_for(trial: Trial) -> None:
    deploy(trial, trial.wanted())
    trial.aws.functions.update_function_configuration(FunctionName=trial.names.function, MemorySize=512)
    seen = states_at_changes(trial)
    deploy(trial, trial.wanted())
    assert {state for _, state, _ in seen} == {"Active"}
    assert trial.plan(trial.wanted()).is_empty


def test_a_function_that_is_not_ready_in_time_leaves_the_alias(trial: Trial) -> None:
    deploy(trial, trial.wanted("lean-x86_64-aaaa"))
    trial.patience = {"delay_s": 0.0, "attempts": 1}
    trial.revive()
    with pytest.raises(NotReady, match="did not become ready") as caught:
        deploy(trial, trial.wanted("lean-x86_64-bbbb"))
    assert "its state is Pending: The function is being updated." in caught.value.why
    assert trial.alias_version() == "1"


def test_every_setting_arrives(trial: Trial) -> None:
    then = trial.wanted(ephemeral_storage_mb=1024, timeout_s=60, memory_mb=3000, architecture="arm64")
    deploy(trial, replace(then, ephemeral_storage_mb=512, memory_mb=1024, architecture="x86_64"))
    deploy(trial, then)
    told: dict[str, Any] = dict(
        trial.aws.functions.get_function_configuration(FunctionName=trial.names.function, Qualifier="live")
    )
    assert told["EphemeralStorage"] == {"Size": 1024}
    assert (told["Timeout"], told["MemorySize"]) == (60, 3000)
    assert told["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": trial.names.log_group}
    assert told["Role"] == trial.names.role_arn


@pytest.mark.slow
def test_versions_come_and_go_and_come_back(trial: Trial) -> None:
    for number in range(KEPT_VERSIONS + 1):
        deploy(trial, trial.wanted(f"lean-x86_64-{number:04}"))
    assert [release.version for release in read_history(trial.aws, trial.names)] == list(range(11, 1, -1))
    assert roll_back(trial.aws, trial.names).version == KEPT_VERSIONS
    assert trial.alias_version() == str(KEPT_VERSIONS)
    assert deploy(trial, trial.wanted("lean-x86_64-0010")).version == KEPT_VERSIONS + 1


def test_nothing_but_the_bucket_is_left(trial: Trial) -> None:
    deploy(trial, trial.wanted(reserved_concurrency=2))
    destroy(trial.aws, plan_destruction(trial.aws, trial.names), on_step=trial.steps.append)
    found = plan_destruction(trial.aws, trial.names)
    assert (found.goes, [piece.name for piece in found.stays]) == ((), ["glacier-data"])
