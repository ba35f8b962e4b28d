"""`glacierctl doctor`: each check says how it stands, and none hides another."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support import command
from tests.support.deployments import VERSION, Trial
from tests.support.items import sentinel2_item, write_static_catalog
from tests.support.moto_server import ACCOUNT, AWS_REGION, Moto
from tests.support.pgstac import StacServer
from tests.support.schemas import check_document

from glacierctl.aws import backup
from glacierctl.aws.backup import Backup, Phase
from glacierctl.aws.finding import Finding, Verdict
from glacierctl.aws.package import Package
from glacierctl.aws.surroundings import Surroundings
from glacierctl.cli import doctor as program
from glacierctl.cli import main
from glacierctl.cli.findings import judge

Run = Callable[..., command.Ran]
CHECKS = ["python", "gdal", "docker", "sentinel2 catalogue", "landsat catalogue", "credentials", "bucket", "repository",
          "function", "settings", "quotas"]  # fmt: skip
CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
NOWHERE = "http://127.0.0.1:9"
# Not a path: Docker's SDK leaves the socket of a path open where no engine is, and whichever test runs when the memory
# is cleared is blamed for it.
NO_ENGINE = "tcp://127.0.0.1:9"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The program in this process, with a catalogue on disk: `run(code=0)` gives its checks by name."""
    write_static_catalog(tmp_path / "catalogue", [sentinel2_item()])
    for satellite in ("SENTINEL2", "LANDSAT"):
        monkeypatch.setenv(f"GLACIERCTL_{satellite}_CATALOG", str(tmp_path / "catalogue"))
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    monkeypatch.setattr("glacierctl.__version__", VERSION)

    def checks(*flags: str, code: int) -> dict[str, dict[str, Any]]:
        capsys.readouterr()
        ended = main(["doctor", "--json", *flags])
        document = json.loads(capsys.readouterr().out)
        check_document("doctor", document)
        assert ended == code, document
        assert [one["name"] for one in document["checks"]] == CHECKS
        return {one["name"]: one for one in document["checks"]}

    return checks


@pytest.fixture
def trial(moto: Moto) -> Trial:
    """A deployment that works, in a bucket that is closed."""
    del moto
    made = Trial()
    made.deploy(made.wanted())
    make_bucket(made.names.bucket)
    return made


def make_bucket(name: str, *, region: str = AWS_REGION) -> None:
    s3 = boto3.client("s3", region_name=region)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=CLOSED)


def flags(trial: Trial) -> tuple[str, ...]:
    names = trial.names
    return ("--function", names.function, "--repository", names.repository, "--bucket", names.bucket)


def verdicts(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: one["verdict"] for name, one in checks.items()}


def test_a_deployment_that_works_is_ok(trial: Trial, run: Run) -> None:
    found = run(*flags(trial), code=0)
    assert verdicts(found) == {name: "look" if name == "docker" else "ok" for name in CHECKS}
    assert found["credentials"]["words"].endswith(f"in account {ACCOUNT}")
    assert found["function"]["words"] == f"{trial.names.function}:live is version 1, Active"
    assert found["bucket"]["words"].startswith("glacier-data in us-west-2, closed to the public")
    assert all(not one["next"] for one in found.values() if one["verdict"] == "ok")


def test_in_an_empty_account_the_bucket_is_missing_and_the_rest_is_still_to_come(moto: Moto, run: Run) -> None:
    del moto
    found = run(code=1)
    assert verdicts(found)["bucket"] == "broken"
    assert found["bucket"]["next"] == "aws s3 mb s3://greenland-glacier-data --region us-west-2"
    for name in ("repository", "function", "settings"):
        assert (found[name]["verdict"], found[name]["next"]) == ("look", "glacierctl deploy")


def test_more_concurrency_than_there_is_is_broken(trial: Trial, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERCTL_RESERVED_CONCURRENCY", "950")
    found = run(*flags(trial), code=1)["quotas"]
    assert found["verdict"] == "broken"
    assert found["words"].startswith("950 invocations cannot be reserved")


def test_what_may_not_be_looked_at_is_said_and_is_not_broken(
    trial: Trial, moto: Moto, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = boto3.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    with moto.enforcing():
        found = run(*flags(trial), code=1)
    assert found["credentials"]["verdict"] == "ok"
    assert found["repository"]["verdict"] == "look"
    assert "these credentials do not allow ecr:DescribeRepositories" in found["repository"]["words"]


def test_a_conversion_that_was_interrupted_is_broken(
    trial: Trial, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLACIERCTL_DATA_DIR", str(tmp_path / "data"))
    names, package = trial.names, Package({"Role": "r", "CodeSha256": "x"}, {})
    around = Surroundings((), 0, {}, (), (), None, (), (), None)
    backup.save(tmp_path / "data/replaced-functions", names, Backup(Phase.CONVERTING, package, around))
    found = run(*flags(trial), code=1)["function"]
    assert (found["verdict"], found["next"]) == ("broken", "glacierctl deploy completes it.")


def test_without_credentials_only_what_needs_them_is_left_out(run: Run) -> None:
    found = run(code=1)
    assert verdicts(found) | {"docker": "look"} == {
        **dict.fromkeys(CHECKS, "look"),
        **dict.fromkeys(("python", "gdal", "sentinel2 catalogue", "landsat catalogue"), "ok"),
        "credentials": "broken",
    }


def test_a_catalogue_that_does_not_answer_is_broken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERCTL_LANDSAT_CATALOG", NOWHERE)
    found = run(code=1)
    assert found["landsat catalogue"]["verdict"] == "broken"
    assert found["sentinel2 catalogue"]["verdict"] == "ok"


def test_a_catalogue_must_have_the_collection(
    run: Run, stac_server: StacServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stac_server.load([sentinel2_item()])
    monkeypatch.setenv("GLACIERCTL_SENTINEL2_CATALOG", stac_server.url)
    assert run(code=1)["sentinel2 catalogue"]["words"].endswith("answers and has sentinel-2-l2a")
    monkeypatch.setenv("GLACIERCTL_SENTINEL2_COLLECTION", "sentinel-3")
    found = run(code=1)["sentinel2 catalogue"]
    assert found["verdict"] == "broken"
    assert "sentinel-3" in found["words"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def test_what_never_answers_is_left_behind(
    run: Run, silent_port: int, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    del moto
    monkeypatch.setattr(program, "_TIMEOUT_S", 3.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent_port}")
    found = run(code=1)
    for name in CHECKS[5:]:
        assert (found[name]["verdict"], found[name]["words"]) == ("broken", "no answer within 3 s")
    assert found["gdal"]["verdict"] == "ok"


def test_a_check_that_stops_on_a_mistake_hides_no_other() -> None:
    def spoiled() -> Finding:
        raise ZeroDivisionError("oh")

    def hanging() -> Finding:
        released.wait(60)
        return good

    released, good = threading.Event(), Finding("x", Verdict.OK, "fine")
    found = judge({"bad": spoiled, "slow": hanging, "good": lambda: good}, 1.0)
    released.set()
    assert [(one.name, one.verdict) for one in found] == [
        ("bad", Verdict.BROKEN),
        ("slow", Verdict.BROKEN),
        ("good", Verdict.OK),
    ]
    assert "ZeroDivisionError: oh" in found[0].words


def test_people_get_a_line_for_each_check_and_what_to_do_next(glacierctl: Run) -> None:
    ran = glacierctl("doctor", env={"GLACIERCTL_SENTINEL2_CATALOG": NOWHERE, "GLACIERCTL_LANDSAT_CATALOG": NOWHERE})
    assert ran.code == 1
    lines = ran.stdout.splitlines()
    assert [line[8:].split("  ")[0] for line in lines if not line.startswith(" ")] == CHECKS
    assert any(line.strip().startswith("next: Set them up with `aws configure`") for line in lines)
