"""What Lambda writes into moto's CloudWatch: a stream for each execution environment."""

import datetime as dt
import math
import os
import threading
import time
from contextlib import suppress
from typing import Any

from moto.logs.models import logs_backends
from tests.support.lambda_environment import Answer


class Stream:
    """One log stream: of one environment."""

    def __init__(self, function: Any, lock: threading.Lock) -> None:
        self.lines: list[str] = []
        self._lock = lock
        self._backend = logs_backends[function.account_id][function.region]
        self._group = f"/aws/lambda/{function.function_name}"
        self._name = f"{dt.datetime.now(dt.UTC):%Y/%m/%d}/[{function.version}]{os.urandom(16).hex()}"
        with lock:
            if self._group not in self._backend.groups:
                self._backend.create_log_group(self._group, {})
            self._backend.create_log_stream(self._group, self._name)

    def write(self, line: str) -> None:
        """Each line is one event, at the time it was written."""
        with self._lock, suppress(Exception):  # the group may be deleted while the function runs
            event = {"timestamp": int(time.time() * 1000), "message": line + "\n"}
            self._backend.put_log_events(self._group, self._name, [event])
            self.lines.append(line)

    def end(self, request_id: str, result: Answer, memory_mb: int) -> None:
        """What Lambda writes at the end, in its words."""
        if result.error == "Sandbox.Timedout":
            self.write(f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.000Z} {request_id} Task timed out")
        elif result.error and result.error.startswith("Runtime."):
            self.write(f"RequestId: {request_id} Error: Runtime exited with error: signal: killed\n{result.error}")
        self.write(f"END RequestId: {request_id}")
        init = f"Init Duration: {result.init_ms:.2f} ms\t" if result.init_ms is not None else ""
        status = {"Sandbox.Timedout": "Status: timeout"}.get(result.error or "", "")
        if (result.error or "").startswith("Runtime."):
            status = f"Status: error\tError Type: {result.error}"
        self.write(
            f"REPORT RequestId: {request_id}\tDuration: {result.duration_ms:.2f} ms\t"
            f"Billed Duration: {math.ceil(result.duration_ms + (result.init_ms or 0))} ms\t"
            f"Memory Size: {memory_mb} MB\tMax Memory Used: {min(result.memory_mb, memory_mb)} MB\t{init}{status}"
        )
