"""`glacierctl cost` as a user runs it: against logs as Lambda writes them and products that lie in S3."""

import datetime as dt
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.support import ledgers
from tests.support.command import Ran
from tests.support.lambda_logs import Clock, Environment, failed, product, put
from tests.support.moto_server import Moto
from tests.support.schemas import check_document

from glacierctl.aws.session import Aws, Patience, connect
from glacierctl.model import Usage
from glacierctl.runs.ledger import Ledger
from glacierctl.storage.s3 import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Glacierctl = Callable[..., Ran]

GB_SECOND, REQUEST, PUT, GET = 0.0000166667, 0.0000002, 0.000005, 0.0000004


@dataclass
class Account:
    """Where a run left its traces."""

    aws: Aws
    s3: "S3Client"
    bucket: str
    function: str
    ledger: Ledger

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--output", f"s3://{self.bucket}/results")


@pytest.fixture
def account(_moto_server: Moto, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A run of two regions whose ledger lies in S3. Bucket and function are its own: the account need not be empty."""
    for name, value in _moto_server.environment.items():
        monkeypatch.setenv(name, value)
    aws, name = connect("us-west-2", Patience()), f"worker-{uuid.uuid4().hex}"
    s3 = _moto_server.s3()
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    aws.logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
    store = S3Store(f"s3://{name}/results", s3)
    binding = ledgers.BINDING.model_copy(update={"function": name})
    ledger, tasks = ledgers.begin(store, ledgers.plan(regions=2, days=1), binding=binding)
    for task in tasks:
        ledgers.report(ledger, task, "product")
    image = product("r000").key
    for suffix, size in (("tif", 3_000_000), ("json", 4000), ("png", 50_000)):
        store.put(image.replace("tif", suffix), b"x" * size)
    store.put(image.replace("S2A", "S2B"), b"of another run")
    return Account(aws, s3, name, name, ledger)


@pytest.fixture
def ran(account: Account) -> list[Environment]:
    """One invocation that made a product, one that was killed, and a deployment's check, all a minute ago."""
    ago = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    good, bad, check = (Environment(Clock(ago), version="7") for _ in range(3))
    run, (first, second) = account.ledger.run_id, _task_ids(account)
    paying = Usage(bytes_read=3_600_000, requests=12, seconds=1.5, paid_requests=11)
    made = product("r000").model_copy(update={"usage": paying})
    good.invoke("r000", [made], run=run, task=first, duration_ms=10_000)
    bad.invoke("r001", [failed("r001")], run=run, task=second, duration_ms=2500, status="Status: timeout")
    request = str(uuid.uuid4())
    check.start(request)
    check.end(request, duration_ms=100)
    put(account.aws.logs, good, bad, check, group=f"/aws/lambda/{account.function}")
    return [good, bad, check]


def _task_ids(account: Account) -> list[str]:
    prefix = f"results/runs/{account.ledger.run_id}/tasks/"
    found = account.s3.list_objects_v2(Bucket=account.bucket, Prefix=prefix)["Contents"]
    return [one["Key"].removeprefix(prefix).removesuffix(".json") for one in found]


def log_dollars(environments: list[Environment]) -> float:
    return sum(len(text.encode()) + 26 for one in environments for _, text in one.written) * 0.5e-9


def test_a_run_is_charged_by_region_and_by_scene(
    glacierctl: Glacierctl, account: Account, ran: list[Environment]
) -> None:
    document = json.loads(glacierctl("cost", account.ledger.run_id, *account.flags, "--json").stdout)
    check_document("cost", document)
    assert (document["running"], document["tasks_without_log"]) == (0, 0)
    good, bad = document["regions"]
    assert [(one["region"], one["scenes"], one["gb_seconds"]) for one in (good, bad)] == [
        ("r000", 1, 20),
        ("r001", 1, 5),
    ]
    assert (good["stored_bytes"], bad["stored_bytes"]) == (3_054_000, 0)
    total = document["total"]["dollars"]
    assert total["compute"] == pytest.approx(25 * GB_SECOND, abs=1e-9)
    assert total["requests"] == pytest.approx(2 * REQUEST, abs=1e-9)
    assert total["puts"] == pytest.approx((4 + 12) * PUT, abs=1e-9)
    assert document["total"]["paid_requests"] == 11
    assert total["reads"] == pytest.approx(11 * GET, abs=1e-9)
    assert total["logs"] == pytest.approx(log_dollars(ran[:2]), abs=1e-9)
    assert total["total"] == pytest.approx(
        sum(total[one] for one in ("compute", "requests", "puts", "reads", "logs")), abs=1e-8
    )
    assert total["storage_a_month"] == pytest.approx(3_054_000 * 0.023e-9, abs=1e-9)
    assert [(one["region"], one["outcome"]) for one in document["scenes"]] == [("r000", "product"), ("r001", "failed")]


def test_tables_show_regions_or_scenes_the_estimate_and_what_is_not_included(
    glacierctl: Glacierctl, account: Account, ran: list[Environment]
) -> None:
    shown = glacierctl("cost", account.ledger.run_id[-12:], *account.flags)
    assert shown.code == 0, shown.stderr
    header, good, bad, total, expected, *notes = shown.stdout.splitlines()
    assert header.split()[:4] == ["region", "scenes", "invocations", "GB-s"]
    assert [line.split()[:4] for line in (good, bad, total)] == [
        ["r000", "1", "1", "20.0"],
        ["r001", "1", "1", "5.0"],
        ["total", "2", "2", "25.0"],
    ]
    assert expected.split() == ["expected", "2", "2", "0.0", "$0", "$0", "$0", "$0", "$0"]
    dollars = 25 * GB_SECOND + 2 * REQUEST + 16 * PUT + 11 * GET + log_dollars(ran[:2])
    assert notes[0] == f"It was expected to cost $0; it cost ${dollars:.6f}."
    assert "free tiers" in notes[-1]
    assert "data that leaves the AWS region" in notes[-1]
    scenes = glacierctl("cost", account.ledger.run_id, "--scenes", *account.flags).stdout.splitlines()
    assert scenes[1].split()[:3] == ["r000", product("").product, "product"]
    assert scenes[2].split()[:3] == ["r001", failed("").product, "failed"]


@pytest.mark.usefixtures("ran")
def test_all_runs_are_charged_and_what_is_of_none(glacierctl: Glacierctl, account: Account) -> None:
    asked = ("cost", "--since", "1d", "--function", account.function, *account.flags)
    document = json.loads(glacierctl(*asked, "--json").stdout)
    check_document("cost-since", document)
    assert [(one["run_id"], one["gb_seconds"]) for one in document["runs"]] == [
        (account.ledger.run_id, 25),
        (None, pytest.approx(0.2)),
    ]
    parts = [one["dollars"]["total"] for one in document["runs"]]
    assert document["total_dollars"] == pytest.approx(sum(parts))
    lines = glacierctl(*asked).stdout.splitlines()
    assert lines[1].startswith(account.ledger.run_id)
    assert lines[2].startswith("of no known run")


@pytest.mark.usefixtures("ran")
def test_runs_that_were_handed_to_other_functions_are_charged_too(glacierctl: Glacierctl, account: Account) -> None:
    """The settings name a function that was deployed later; the run's own is known from its ledger."""
    later = f"later-{account.function}"
    account.aws.logs.create_log_group(logGroupName=f"/aws/lambda/{later}")
    named = {"GLACIERCTL_FUNCTION_NAME": later}
    asked = ("cost", "--since", "1d", *account.flags, "--json")
    document = json.loads(glacierctl(*asked, env=named).stdout)
    check_document("cost-since", document)
    assert (document["functions"], document["functions_without_log"]) == ([later, account.function], [])
    assert [(one["run_id"], one["gb_seconds"]) for one in document["runs"]] == [
        (account.ledger.run_id, 25),
        (None, pytest.approx(0.2)),
    ]
    alone = json.loads(glacierctl(*asked, "--function", later).stdout)
    assert (alone["functions"], alone["runs"]) == ([later], [])
    account.aws.logs.delete_log_group(logGroupName=f"/aws/lambda/{later}")
    gone = json.loads(glacierctl(*asked, env=named).stdout)
    assert (gone["functions_without_log"], gone["runs"]) == ([later], document["runs"])
    account.aws.logs.delete_log_group(logGroupName=f"/aws/lambda/{account.function}")
    assert glacierctl(*asked, env=named).code == 1


def test_logs_that_are_gone_are_said(glacierctl: Glacierctl, account: Account) -> None:
    shown = glacierctl("cost", account.ledger.run_id, *account.flags)
    assert shown.code == 0, shown.stderr
    assert "The logs of 2 tasks are gone" in shown.stdout


@pytest.mark.parametrize("flags", [(), ("4f1d", "--since", "1d"), ("--since", "1d", "--scenes")])
def test_a_run_or_since_must_be_said_and_not_both(flags: tuple[str, ...], glacierctl: Glacierctl) -> None:
    shown = glacierctl("cost", *flags)
    assert shown.code == 2
    assert "glacierctl cost --since 30d" in shown.stderr
