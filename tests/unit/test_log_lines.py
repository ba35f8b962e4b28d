"""Lines of Lambda's logs, in the words that Lambda has for them."""

import json

import pytest
from tests.support.lambda_logs import Environment, failed

from glacierctl.aws.log_lines import Kind, read_line
from glacierctl.choices import Level

REQUEST = "40f6c622-67a3-4159-97f2-ce364a0cb7a8"
REPORT = (
    f"REPORT RequestId: {REQUEST}\tDuration: 1233.96 ms\tBilled Duration: 1698 ms\tMemory Size: 2048 MB\t"
    "Max Memory Used: 123 MB\tInit Duration: 463.51 ms\t\n"
)
METRICS = {
    "durationMs": 1233.96,
    "billedDurationMs": 1698,
    "memorySizeMB": 2048,
    "maxMemoryUsedMB": 123,
    "initDurationMs": 463.51,
}


def telemetry(event: str, **record: object) -> str:
    return json.dumps({"time": "2026-07-01T12:00:00.000Z", "type": f"platform.{event}", "record": record})


@pytest.mark.parametrize("message", [REPORT, telemetry("report", requestId=REQUEST, metrics=METRICS, status="success")])
def test_a_report_says_what_is_billed(message: str) -> None:
    line = read_line(message)
    assert (line.kind, line.level, line.request_id) == (Kind.REPORT, Level.INFO, REQUEST)
    report = line.report
    assert report is not None
    assert (report.duration_ms, report.billed_ms, report.init_ms) == (1233.96, 1698, 463.51)
    assert (report.memory_mb, report.max_memory_mb, report.status) == (2048, 123, "success")
    assert report.billed_gb_seconds == pytest.approx(3.396)


@pytest.mark.parametrize(
    ("message", "status", "error_type"),
    [
        (REPORT.rstrip() + "\tStatus: timeout", "timeout", None),
        (REPORT.rstrip() + "\tStatus: error\tError Type: Runtime.OutOfMemory\n", "error", "Runtime.OutOfMemory"),
        (telemetry("report", requestId=REQUEST, metrics=METRICS, status="timeout"), "timeout", None),
        (
            telemetry("report", requestId=REQUEST, metrics=METRICS, status="error", errorType="Runtime.ExitError"),
            "error",
            "Runtime.ExitError",
        ),
    ],
)
def test_a_report_of_what_went_wrong_is_an_error(message: str, status: str, error_type: str | None) -> None:
    line = read_line(message)
    assert line.report is not None
    assert (line.level, line.report.status, line.report.error_type) == (Level.ERROR, status, error_type)
    assert line.report.billed_ms == 1698


def test_a_warm_start_has_no_init_time() -> None:
    line = read_line(REPORT.partition("Init")[0])
    assert line.report is not None
    assert line.report.init_ms is None


def test_restoring_a_snapshot_is_billed_too() -> None:
    restored = REPORT.replace(
        "Init Duration: 463.51 ms", "Restore Duration: 812.00 ms\tBilled Restore Duration: 320 ms"
    )
    line = read_line(restored)
    assert line.report is not None
    assert (line.report.init_ms, line.report.billed_ms) == (812, 2018)


def test_a_report_followed_by_a_trace_id_is_still_one() -> None:
    line = read_line(REPORT + "XRAY TraceId: 1-6ac7d556-032906e3\tSegmentId: 904\tSampled: true\n")
    assert line.report is not None
    assert line.report.init_ms == 463.51


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (f"START RequestId: {REQUEST} Version: 3\n", Kind.START),
        (f"END RequestId: {REQUEST}\n", Kind.END),
        (telemetry("start", requestId=REQUEST, version="3"), Kind.START),
        (telemetry("runtimeDone", requestId=REQUEST, status="success"), Kind.END),
    ],
)
def test_starts_and_ends(message: str, kind: Kind) -> None:
    line = read_line(message)
    assert (line.kind, line.request_id) == (kind, REQUEST)
    assert line.version == ("3" if kind is Kind.START else None)


@pytest.mark.parametrize(
    ("message", "level", "request_id"),
    [
        (f"2026-07-01T12:00:00.123Z {REQUEST} Task timed out after 900.10 seconds\n\n", Level.ERROR, REQUEST),
        (f"RequestId: {REQUEST} Error: Runtime exited with error: signal: killed\n", Level.ERROR, REQUEST),
        (f"[WARNING]\t2026-07-01T12:00:00.123Z\t{REQUEST}\tslow\n", Level.WARNING, REQUEST),
        ("[ERROR] Runtime.ImportModuleError: no module 'x'\nTraceback (most recent call last):", Level.ERROR, None),
        ("INIT_REPORT Init Duration: 1.03 ms\tPhase: init\tStatus: error\tError Type: X", Level.ERROR, None),
        ("INIT_START Runtime Version: python:3.13.v1\n", Level.INFO, None),
        (json.dumps({"level": "WARN", "message": "slow", "requestId": REQUEST}), Level.WARNING, REQUEST),
        ('{"broken', Level.INFO, None),
        ("", Level.INFO, None),
        ('{"type": "platform.report", "record": 3}', Level.INFO, None),
    ],
)  # fmt: skip
def test_other_text(message: str, level: Level, request_id: str | None) -> None:
    line = read_line(message)
    assert (line.kind, line.level, line.request_id) == (Kind.TEXT, level, request_id)


def test_what_the_worker_says_is_understood() -> None:
    environment = Environment()
    environment.log(REQUEST).about(run_id="run-1", task_id="163_Bowdoin-0123456789ab").failure(
        "outcome", **failed("163_Bowdoin").model_dump(mode="json")
    )
    line = read_line(environment.written[0][1])
    assert (line.kind, line.level, line.request_id) == (Kind.STEP, Level.ERROR, REQUEST)
    assert (line.run_id, line.task_id, line.region) == ("run-1", "163_Bowdoin-0123456789ab", "163_Bowdoin")


def test_the_region_is_told_from_the_task_where_the_line_does_not_say() -> None:
    environment = Environment()
    environment.log(REQUEST).info("step", task_id="12_a-b-0123456789ab")
    assert read_line(environment.written[0][1]).region == "12_a-b"


@pytest.mark.parametrize("spoiled", [None, "x", [], {"durationMs": "x"}, {"durationMs": True}])
def test_a_report_without_its_figures_is_still_a_report(spoiled: object) -> None:
    line = read_line(telemetry("report", requestId=REQUEST, metrics=spoiled))
    assert line.report is not None
    assert (line.report.billed_ms, line.report.memory_mb) == (0, 0)
