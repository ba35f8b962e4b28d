"""A stricter made-up AWS account on loopback: ministack, whose functions are pending before they are active."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.moto_server import ACCOUNT, AWS_REGION
from tests.support.paths import REPO, missing
from tests.support.processes import free_port, listens, stop, wait_until

PROGRAM = REPO / ".venv-ministack" / "bin" / "ministack"
"""In an environment of its own; `make test` makes it."""
PENDING_S = 0.3
"""How long a function is pending after each change."""


@contextmanager
def serve(folder: Path) -> Iterator[dict[str, str]]:
    """Run ministack while the context lasts: the environment that makes boto3 talk to it.

    Skips where it is not installed. `folder` takes its log and whatever it writes.
    """
    if not PROGRAM.exists():
        missing("ministack is not installed: `make .venv-ministack/.ready` installs it")
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "ministack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PROGRAM],
            cwd=folder,
            env={
                **os.environ,
                "HOME": str(folder),
                "TMPDIR": str(folder),
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "SERVICES": "ecr,iam,lambda,logs,sqs,sts",
                "MINISTACK_ACCOUNT_ID": ACCOUNT,
                "MINISTACK_REGION": AWS_REGION,
                "LAMBDA_STATE_TRANSITION_SECONDS": str(PENDING_S),
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: listens(port), process, log)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": AWS_REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        stop(process, signal.SIGTERM)
