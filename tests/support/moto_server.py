"""A made-up AWS account on loopback: moto in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.paths import REPO
from tests.support.processes import free_port, listens, stop, wait_until

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ACCOUNT = "123456789012"
"""Number of moto's account."""
AWS_REGION = "us-west-2"


def make_worker_role(iam: Any) -> None:
    """Make the role `worker`, which may report to any queue."""
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument="{}")
    reporting = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [reporting]})
    iam.put_role_policy(RoleName="worker", PolicyName="reporting", PolicyDocument=policy)


class Moto:
    """A running moto; `serve` starts one."""

    def __init__(self, url: str, control_url: str = "") -> None:
        self.url = url
        self._control_url = control_url
        self._session = boto3.Session("testing", "testing", region_name=AWS_REGION)

    @property
    def environment(self) -> dict[str, str]:
        """What makes boto3, in this process or another, talk to this account."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": AWS_REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self) -> None:
        """Forget everything: the account is empty again, and nothing runs."""
        self._ask("/reset", {})
        self._post("reset")

    @contextmanager
    def enforcing(self) -> Iterator[None]:
        """While the context lasts, what is asked is refused unless the asker's policies allow it."""
        self._post("reset-auth", b"0")
        try:
            yield
        finally:
            self._post("reset-auth", b"inf")

    def _post(self, what: str, body: bytes = b"") -> None:
        request = urllib.request.Request(
            f"{self.url}/moto-api/{what}", data=body, headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(request, timeout=30).close()

    def s3(self, url: str = "") -> "S3Client":
        """A client such as the worker's, of this account or of what stands before it at `url`."""
        options = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6})
        return self._session.client("s3", endpoint_url=url or self.url, config=options)

    def create_function(self, name: str, **settings: Any) -> None:
        """Make a function of an image, and the role that it works as."""
        with suppress(ClientError):  # the role may be there
            make_worker_role(self._session.client("iam", endpoint_url=self.url))
        self._session.client("lambda", endpoint_url=self.url).create_function(
            FunctionName=name,
            Role=f"arn:aws:iam::{ACCOUNT}:role/worker",
            PackageType="Image",
            Code={"ImageUri": f"{ACCOUNT}.dkr.ecr.{AWS_REGION}.amazonaws.com/worker@sha256:{'0' * 64}"},
            **{"MemorySize": 1024, "Timeout": 60, **settings},
        )

    def wish(self, **wishes: object) -> None:
        """Say how Lambda shall behave until the next reset: see `lambda_service.Wishes`."""
        self._ask("/wishes", wishes)

    def kill_workers(self) -> int:
        """End the processes of all invocations that run; how many there were."""
        return int(self._ask("/kill", {}))

    def running(self) -> list[str]:
        """Request ids of invocations that run."""
        return list(self._ask("/")["running"])

    def invocations(self) -> list[dict[str, Any]]:
        """What ran so far, in the order of its end: see `lambda_service.Invocation`."""
        return list(self._ask("/")["done"])

    def accepted(self) -> list[dict[str, Any]]:
        """Asynchronous invocations that Lambda took: `qualifier` and `event` of each."""
        return list(self._ask("/")["accepted"])

    def settle(self, timeout_s: float = 120) -> list[dict[str, Any]]:
        """Wait until no asynchronous invocation runs or waits; what ran so far.

        Raises:
            TimeoutError: some still do.
        """
        end = time.monotonic() + timeout_s
        while (state := self._ask("/"))["running"] or state["waiting"]:
            if time.monotonic() > end:
                raise TimeoutError(f"{state['running']} run and {state['waiting']} wait")
            time.sleep(0.05)
        return list(state["done"])

    def _ask(self, path: str, content: object = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        with urllib.request.urlopen(urllib.request.Request(self._control_url + path, data=body), timeout=60) as answer:
            return json.loads(answer.read())


@contextmanager
def serve(folder: Path) -> Iterator[Moto]:
    """Run moto while the context lasts; `folder` takes its log."""
    folder.mkdir(parents=True, exist_ok=True)
    port, control_port, log = free_port(), free_port(), folder / "moto.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.moto_app", str(port), str(control_port)],
            cwd=REPO,
            # Without them moto knows no managed policy, such as AWSLambdaBasicExecutionRole.
            env={**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: listens(port), process, log)
        yield Moto(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{control_port}")
    finally:
        stop(process, signal.SIGTERM)
