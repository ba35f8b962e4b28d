"""Handlers for tests of the Lambda double itself: each does what its event says."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def obedient(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Say, write, hold, wait, raise or die, in this order; then tell about itself."""
    for line in event.get("say", []):
        print(line)
    Path(tempfile.gettempdir(), "file").write_bytes(bytes(int(event.get("write_mb", 0)) << 20))
    held = bytearray(int(event.get("hold_mb", 0)) << 20)
    for at in range(0, len(held), 4096):
        held[at] = 1
    sys.stdout.flush()
    time.sleep(event.get("wait_s", 0))
    if "fail" in event:
        raise ValueError(event["fail"])
    if event.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    return {
        "request_id": context.aws_request_id,
        "version": context.function_version,
        "left_ms": context.get_remaining_time_in_millis(),
        "environment": dict(os.environ),
        "user": os.getuid(),
        "writable": [place for place in ("/", "/var/task", "/etc", "/tmp") if os.access(place, os.W_OK)],
    }
