"""`glacierctl logs` as a user runs it, against an account whose log group holds what Lambda writes."""

import datetime as dt
import json
import os
import re
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import command, ledgers
from tests.support.command import Ran, run_on_terminal
from tests.support.lambda_logs import OTHER_RUN, Clock, Environment, failed, product, put, put_events, skipped
from tests.support.moto_server import Moto
from tests.support.schemas import check_document
from tests.support.throttle import throttled

from glacierctl.aws.session import Aws, Patience, connect
from glacierctl.model import Task
from glacierctl.runs.ledger import Ledger
from glacierctl.storage import FolderStore

Glacierctl = Callable[..., Ran]

PRODUCT = "S2A_MSIL2A_20260604T150901_N0511_R025"


@dataclass
class Begun:
    """A run of two regions that was handed over, and the log group it writes to."""

    url: str
    aws: Aws
    function: str
    ledger: Ledger
    tasks: tuple[Task, ...]

    @property
    def id(self) -> str:
        return self.ledger.run_id

    @property
    def group(self) -> str:
        return f"/aws/lambda/{self.function}"

    def end(self) -> None:
        for task in self.tasks:
            ledgers.report(self.ledger, task, "product")


@pytest.fixture
def run(_moto_server: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begun:
    """Its ledger lies where the command looks first. The function is its own, so that the account need not be empty."""
    for name, value in _moto_server.environment.items():
        monkeypatch.setenv(name, value)
    binding = ledgers.BINDING.model_copy(update={"function": f"worker-{uuid.uuid4().hex}"})
    ledger, tasks = ledgers.begin(FolderStore(tmp_path / "results"), ledgers.plan(regions=2, days=1), binding=binding)
    for task in tasks:
        ledger.hand(task.task_id, 1)
    begun = Begun(_moto_server.url, connect("us-west-2", Patience()), binding.function, ledger, tasks)
    begun.aws.logs.create_log_group(logGroupName=begun.group)
    return begun


@pytest.fixture
def written(run: Begun) -> list[Environment]:
    """Three environments that worked for two runs, ten minutes ago, all at once."""
    ago = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10)
    good, bad, other = (Environment(Clock(ago + dt.timedelta(milliseconds=at)), version="7") for at in (0, 3, 5))
    good.invoke("r000", [product("r000"), skipped("r000")], run=run.id, says=["raw \x1b[31mred\n"], init_ms=812.4)
    bad.invoke("r001", [failed("r001")], run=run.id, duration_ms=900_000, status="Status: timeout")
    other.invoke("r001", [product("r001")], run=OTHER_RUN)
    put(run.aws.logs, good, bad, other, group=run.group)
    return [good, bad, other]


def lines(ran: Ran) -> list[str]:
    assert ran.code == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_region_that_the_run_has_not_is_refused_by_name(glacierctl: Glacierctl, run: Begun) -> None:
    ran = glacierctl("logs", run.id, "--region", "r00")
    assert ran.code == 2
    assert "its regions are r000, r001" in ran.stderr


@pytest.mark.usefixtures("written")
def test_the_lines_of_a_run_stand_in_order_of_time_in_words(glacierctl: Glacierctl, run: Begun) -> None:
    shown = lines(glacierctl("logs", run.id))
    times = [line[:23] for line in shown]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", time) for time in times)
    said = [re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", line[25:]) for line in shown]
    assert [line for line in said if line.startswith("r000")] == [
        "r000              start of ID, version 7",
        "r000              begin: 2 acquisitions",
        "r000              raw  [31mred",
        f"r000              product {PRODUCT}: coverage 98.3%, cloud 12%, 3.6 MB read, 1.5 s",
        "r000              skipped S2B_MSIL2A_20260609T150901_N0511_R025: coverage: 31.0% of the region, below 50%",
        "r000              end: 1 product, 1 skipped, 0 failed, 1.0 kB read in 2 requests",
        "r000              end of ID",
        "r000              took 1.2 s, started in 0.8 s, billed 4.1 GB-s, 311 of 2048 MB",
    ]
    why = "B08.tif is not an image: it begins with '<html>'"
    assert [line for line in said if "ERROR" in line] == [
        f"r001              ERROR  failed S2A_MSIL2A_20260614T150901_N0511_R025: {why}",
        "r001              ERROR  took 15 min 00 s, billed 1800.0 GB-s, 311 of 2048 MB, ended by timeout",
    ]
    assert len(said) == 8 + 6


@pytest.mark.usefixtures("written")
def test_on_a_terminal_each_region_has_its_colour_and_text_cannot_move_the_cursor(run: Begun, tmp_path: Path) -> None:
    shown = run_on_terminal("logs", run.id, cwd=tmp_path).splitlines()
    assert len(shown) == 8 + 6
    codes = {re.search(r"\x1b\[(\d+)mr00(\d)", line).groups() for line in shown}  # type: ignore[union-attr]
    assert len(codes) == 2, "one colour for each of two regions"
    assert len({colour for colour, _ in codes}) == 2
    assert all("\x1b[31mred" not in line for line in shown)
    assert any("\x1b[1;31mERROR" in line for line in shown)


@pytest.mark.usefixtures("written")
def test_flags_choose_lines(glacierctl: Glacierctl, run: Begun) -> None:
    chosen = glacierctl("logs", run.id[-12:-4], "--region", "*1", "--level", "error", "--grep", "TIMEOUT")
    assert len(lines(chosen)) == 1
    late = glacierctl("logs", run.id, "--since", "5m")
    assert (lines(late), "No such lines" in late.stderr) == ([], True)
    assert len(lines(glacierctl("logs", "--function", run.function))) == 20, "without a run, those of every run"


@pytest.mark.usefixtures("written")
def test_json_holds_every_line_as_it_was_written(
    glacierctl: Glacierctl, run: Begun, written: list[Environment]
) -> None:
    document = json.loads(glacierctl("logs", run.id, "--json").stdout)
    check_document("logs", document)
    assert document["run_id"] == run.id
    messages = [message.rstrip("\n") for environment in written[:2] for _, message in environment.written]
    assert sorted(line["message"] for line in document["lines"]) == sorted(messages)
    assert {(line["region"], line["version"]) for line in document["lines"]} == {("r000", "7"), ("r001", "7")}


@pytest.mark.usefixtures("written")
def test_a_report_shows_what_each_invocation_took(glacierctl: Glacierctl, run: Begun) -> None:
    header, good, bad, summary = lines(glacierctl("logs", run.id, "--report"))
    assert header.split() == ["began", "region", "request", "time", "start", "billed", "GB-s", "memory", "of", "ended"]
    assert good.split()[2] == "r000"
    assert good.split()[4:] == ["1.2", "s", "0.8", "s", "2.0", "s", "4.1", "311", "MB", "2048", "MB", "success"]
    assert bad.split()[4:] == [
        "15",
        "min",
        "00",
        "s",
        "15",
        "min",
        "00",
        "s",
        "1800.0",
        "311",
        "MB",
        "2048",
        "MB",
        "timeout",
    ]
    assert summary == "2 invocations, 1804.1 GB-s billed, at most 311 MB, 1 failed."
    document = json.loads(glacierctl("logs", run.id, "--report", "--json").stdout)
    check_document("logs-report", document)
    assert [one["billed_gb_seconds"] for one in document["invocations"]] == [4.094, 1800]
    assert document["total"]["invocations"] == 2


def test_what_cannot_be_shown_is_said_with_what_to_do(glacierctl: Glacierctl, run: Begun, tmp_path: Path) -> None:
    ran = glacierctl("logs", run.id, "--report", "--follow")
    assert (ran.code, "contradict each other" in ran.stderr) == (2, True)
    local, _ = ledgers.begin(FolderStore(tmp_path / "results"), ledgers.plan(regions=1), binding=None)
    ran = glacierctl("logs", local.run_id)
    assert (ran.code, "has no log on AWS" in ran.stderr) == (2, True)
    ran = glacierctl("logs", "--function", "nothing")
    assert ran.code == 1
    assert "/aws/lambda/nothing" in ran.stderr
    assert "glacierctl deploy" in ran.stderr


def following(*flags: str, cwd: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [command.PROGRAM, "logs", *flags, "--follow"],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_following_shows_every_line_once_under_throttling_and_ends_with_the_run(run: Begun, tmp_path: Path) -> None:
    def new_environment(number: int) -> Environment:
        environment = Environment(Clock(dt.datetime.now(dt.UTC)), version="7")
        environment.invoke(f"r00{number % 2}", run=run.id, says=[f"{number} {line}\n" for line in range(100)])
        return environment

    first = new_environment(0)
    put(run.aws.logs, first, group=run.group)
    with (
        throttled(run.url, every=2) as throttle,
        following(run.id, "--json", cwd=tmp_path, env={"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": throttle.url}) as process,
    ):
        assert process.stdout
        shown = [process.stdout.readline()]  # while nothing else has been written
        rest = threading.Thread(target=lambda: shown.extend(process.stdout or ()))
        rest.start()
        later = [new_environment(number) for number in range(1, 13)]
        for environment in later:
            run.aws.logs.create_log_stream(logGroupName=run.group, logStreamName=environment.stream)
            put_events(run.aws.logs, environment.stream, environment.written[:50], group=run.group)
        for environment in later[:-1]:
            put_events(run.aws.logs, environment.stream, environment.written[50:], group=run.group)
        run.end()
        put_events(run.aws.logs, later[-1].stream, later[-1].written[50:], group=run.group)
        assert process.wait(120) == 0
        rest.join()
        assert process.stderr
        assert process.stderr.read() == "The run has ended: SUCCEEDED 2 · FAILED 0\n"
    check_document("log-line", json.loads(shown[0]))
    found = Counter(json.loads(line)["message"] for line in shown)
    assert set(found.values()) == {1}
    assert found.keys() == {text.rstrip("\n") for one in (first, *later) for _, text in one.written}
    assert throttle.refused > 5


def test_following_a_run_that_nobody_is_at_ends_and_says_what_to_do(
    glacierctl: Glacierctl, run: Begun, tmp_path: Path
) -> None:
    for path in (tmp_path / "results" / "runs" / run.id / "handed").rglob("*.json"):
        path.unlink()
    ran = glacierctl("logs", run.id, "--follow")
    assert ran.code == 0
    assert ran.stderr.splitlines() == [
        "It goes no further: SUCCEEDED 0 · FAILED 0 · PENDING 2",
        f"Interrupted: 2 of 2 tasks are left. Go on with: glacierctl resume {run.id}",
    ]


def test_following_all_that_a_function_does_ends_with_ctrl_c(run: Begun, tmp_path: Path) -> None:
    environment = Environment(Clock(dt.datetime.now(dt.UTC)))
    environment.invoke("r000")
    put(run.aws.logs, environment, group=run.group)
    with following("--function", run.function, cwd=tmp_path, env={}) as process:
        assert process.stdout
        shown = [process.stdout.readline() for _ in range(5)]
        process.send_signal(2)
        assert process.wait(60) == 130
    assert all("r000" in line for line in shown)
