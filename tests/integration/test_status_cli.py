"""`glacierctl status` and `glacierctl runs`, as a user runs them: on a folder, and on a bucket from another machine."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.command import Ran, run_inside
from tests.support.ledgers import begin, plan, report
from tests.support.moto_server import Moto
from tests.support.schemas import check_document

from glacierctl.storage import FolderStore, Store
from glacierctl.storage.s3 import S3Store

Glacierctl = Callable[..., Ran]
COUNTS = ("skipped_by_reason",)


def ledger_in(store: Store) -> str:
    """A run of four regions with an acquisition in every state but LOST."""
    ledger, tasks = begin(store, plan(regions=4, days=2))
    for task in tasks[:3]:
        ledger.hand(task.task_id, 1)
    report(ledger, tasks[0], "product", "product")
    report(ledger, tasks[1], "product", "failed")
    report(ledger, tasks[2], "cloud", "coverage")
    return ledger.run_id


def document(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.stderr
    content: dict[str, Any] = json.loads(ran.stdout)
    return content


@pytest.fixture
def glacierctl(tmp_path: Path) -> Glacierctl:
    return functools.partial(run_inside, cwd=tmp_path)


@pytest.fixture
def folder_run(tmp_path: Path) -> str:
    """The run, in the folder `results`, where commands look by themselves."""
    return ledger_in(FolderStore(tmp_path / "results"))


def test_status_is_a_line_a_table_and_reasons(glacierctl: Glacierctl, folder_run: str) -> None:
    ran = glacierctl("status", folder_run)
    assert ran.code == 0, ran.stderr
    line, header, *rows = ran.stdout.splitlines()
    assert line == "SUCCEEDED 3 · FAILED 1 · SKIPPED 2 · PENDING 2"
    assert header.split() == ["region", "succeeded", "failed", "skipped", "pending"]
    assert [row.split() for row in rows[:4]] == [
        ["r000", "2", "0", "0", "0"],
        ["r001", "1", "1", "0", "0"],
        ["r002", "0", "0", "2", "0"],
        ["r003", "0", "0", "0", "2"],
    ]
    assert rows[4].startswith("FAILED r001 S2A_MSIL2A_20240702T")
    assert rows[4].endswith(": it cannot be read: S3 says no")
    assert rows[5] == "Skipped: 1 cloud, 1 coverage."
    assert rows[6] == f"Interrupted: 1 of 4 tasks are left. Go on with: glacierctl resume {folder_run}"


def test_what_there_was_never_time_for_is_said_with_what_to_do(glacierctl: Glacierctl, tmp_path: Path) -> None:
    ledger, tasks = begin(FolderStore(tmp_path / "results"), plan(regions=1, days=2))
    ledger.hand(tasks[0].task_id, 1)
    for _ in range(3):
        report(ledger, tasks[0], "product", "deadline")
    line, *_, failed, again, more = glacierctl("status", ledger.run_id).stdout.splitlines()
    assert line == "SUCCEEDED 1 · FAILED 1"
    assert failed.endswith(": no time: because of deadline")
    assert again == f"Try these again with: glacierctl retry {ledger.run_id}"
    assert "glacierctl retry RUN --memory MB" in more
    assert "glacierctl deploy --timeout S" in more
    check_document("status", document(glacierctl("status", ledger.run_id, "--json")), counts=COUNTS)


def test_status_is_one_document_too(glacierctl: Glacierctl, folder_run: str) -> None:
    made = document(glacierctl("status", folder_run[:10], "--json"))
    check_document("status", made, counts=COUNTS)
    assert made["run_id"] == folder_run
    assert made["state"] == "interrupted"
    assert made["total"] == {"succeeded": 3, "running": 0, "failed": 1, "skipped": 2, "pending": 2, "lost": 0}
    assert [one["product"][:19] for one in made["failed"]] == ["S2A_MSIL2A_20240702"]
    assert made["function"]["version"] == "7"


def test_runs_are_listed_and_shown(glacierctl: Glacierctl, folder_run: str) -> None:
    listed = document(glacierctl("runs", "list", "--json", "--output", "results"))
    check_document("runs-list", listed)
    (one,) = listed["runs"]
    assert (one["run_id"], one["acquisitions"], one["tasks"]) == (folder_run, 8, 4)
    shown = document(glacierctl("runs", "show", folder_run, "--json"))
    check_document("runs-show", shown)
    assert shown["region_names"] == ["r000", "r001", "r002", "r003"]
    plain = glacierctl("runs", "list", "--output", "results").stdout
    assert folder_run in plain
    facts = glacierctl("runs", "show", folder_run).stdout
    assert "worker, version 7, 2048 MB" in facts
    assert "8 in 4 tasks" in facts


def test_a_ledger_that_is_not_understood_hides_no_other(
    glacierctl: Glacierctl, folder_run: str, tmp_path: Path
) -> None:
    page = tmp_path / "results" / "runs" / folder_run / "submission.json"
    other = tmp_path / "results" / "runs" / "20240601-20240630-landsat-0123456789ab" / "submission.json"
    other.parent.mkdir()
    other.write_text(json.dumps({**json.loads(page.read_text()), "of_next_year": 1}))
    ran = glacierctl("runs", "list", "--json", "--output", "results")
    assert [one["run_id"] for one in document(ran)["runs"]] == [folder_run]
    assert "20240601-20240630-landsat-0123456789ab is left out" in ran.stderr
    assert "of_next_year" in ran.stderr


def test_no_runs_yet_is_no_failure(glacierctl: Glacierctl) -> None:
    ran = glacierctl("runs", "list", "--output", "nowhere")
    assert (ran.code, ran.stdout) == (0, "There are no runs yet.\n")


def test_a_run_in_the_bucket_is_found_from_anywhere(glacierctl: Glacierctl, moto: Moto) -> None:
    del moto
    client = boto3.client("s3")
    client.create_bucket(Bucket="greenland-glacier-data", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    run = ledger_in(S3Store("s3://greenland-glacier-data/results", client))
    assert document(glacierctl("status", run, "--json"))["total"]["succeeded"] == 3
    there = ("--output", "s3://greenland-glacier-data/results")
    assert document(glacierctl("runs", "list", "--json", *there))["runs"][0]["run_id"] == run
    assert document(glacierctl("runs", "list", "--json"))["runs"][0]["run_id"] == run


@pytest.mark.parametrize(
    ("run", "words"),
    [("nobody", "there is no run nobody"), ("2024", "2024 means 2 runs"), ("half", "has not begun")],
)
def test_a_run_that_cannot_be_told_is_wrong_usage(
    glacierctl: Glacierctl, folder_run: str, tmp_path: Path, run: str, words: str
) -> None:
    FolderStore(tmp_path / "results").put(f"runs/{folder_run}f/plan.json", b"{}")
    FolderStore(tmp_path / "results").put("runs/half/plan.json", b"{}")
    ran = glacierctl("status", run, "--output", "results")
    assert ran.code == 2
    assert words in ran.stderr
    assert "fix:" in ran.stderr


def test_a_bucket_that_is_not_there_is_said_in_words(glacierctl: Glacierctl, moto: Moto) -> None:
    del moto
    ran = glacierctl("status", "nobody")
    assert ran.code == 1
    assert "NoSuchBucket" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_credentials_are_said_in_words(glacierctl: Glacierctl, folder_run: str, moto: Moto) -> None:
    for_nobody = {"AWS_ENDPOINT_URL": moto.url, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    ran = glacierctl("runs", "list", env=for_nobody)
    assert folder_run in ran.stdout
    assert "Runs on AWS are not shown" in ran.stderr


def test_a_login_that_is_no_longer_valid_is_said_in_words(
    glacierctl: Glacierctl, moto: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile of single sign-on, whose token is looked for by the first request."""
    del moto
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(
        "[profile glaciers]\nregion = us-west-2\nsso_session = nobody\nsso_account_id = 123456789012\n"
        "sso_role_name = reader\n[sso-session nobody]\nsso_region = us-west-2\n"
        "sso_start_url = https://nobody.awsapps.com/start\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "glaciers")
    ran = glacierctl("status", "nobody")
    assert ran.code == 1
    assert "the AWS credentials have expired" in ran.stderr
    assert "aws sso login" in ran.stderr
