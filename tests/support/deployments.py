"""Deployments on a made-up account: what is wanted, images that are pushed without an engine, a worker that answers."""

import functools
import hashlib
import io
import itertools
import json
import os
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from botocore.session import Session, get_session
from tests.support.moto_server import ACCOUNT, AWS_REGION

from glacierctl.aws.apply import Deployed, apply
from glacierctl.aws.changes import Plan, differences
from glacierctl.aws.clock import Clock
from glacierctl.aws.current import Current, read_current
from glacierctl.aws.names import Names
from glacierctl.aws.repository import Login
from glacierctl.aws.session import Aws, Patience
from glacierctl.aws.wanted import Wanted, WantedImage

VERSION = "1.2.3"
"""Of the glacierctl that is deployed."""
READY = {"version": VERSION, "ready": True}
"""What a worker that works answers."""
MEDIA_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
SERVICES = ("ecr", "iam", "functions", "invoker", "logs", "sqs")
"""What a deployment talks to."""
_READS = ("Batch", "Describe", "Get", "List")
_numbers = itertools.count(1)


def new_names(account: str = ACCOUNT) -> Names:
    """Names that no other test uses."""
    name = f"glaciers{next(_numbers)}"
    return Names(
        account=account,
        aws_region=AWS_REGION,
        function=name,
        repository=f"{name}-image",
        alias="live",
        bucket="glacier-data",
        prefix="results/",
    )


class ManualClock:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> Clock:
        return Clock(seconds=lambda: self.now, sleep=self.sleep)


class Trial:
    """A deployment of a name of its own, so that many share one account."""

    def __init__(self, names: Names | None = None, **patience: Any) -> None:
        self.names = names or new_names()
        self.time = ManualClock()
        self.steps: list[str] = []
        self.patience = patience
        self.revive()

    def revive(self) -> None:
        """Go on in a new process: nothing is known of what was before."""
        self.aws = self.reach()
        self.answer()

    def reach(self) -> Aws:
        """The account, with clients of one's own; nothing is waited for in earnest."""
        patience = Patience(**{"attempts": 200, **self.patience})
        return Aws(AWS_REGION, patience, _session(os.environ["AWS_ENDPOINT_URL"]))

    def wanted(self, tag: str = "lean-x86_64-aaaa", **changed: Any) -> Wanted:
        """A good deployment, of which a test changes one thing."""
        good = Wanted(
            names=self.names,
            image=WantedImage(repository_uri=self.names.repository_uri, tag=tag),
            version=VERSION,
            role_arn=None,
            memory_mb=2048,
            timeout_s=900,
            ephemeral_storage_mb=512,
            architecture="x86_64",
            log_retention_days=30,
        )
        return replace(good, **changed)

    def push(self, login: Login | None, reference: str) -> str:
        """Push an image of the tag's own content."""
        assert login is not None
        tag = reference.rpartition(":")[2]
        found = self.aws.ecr.put_image(
            repositoryName=self.names.repository,
            imageManifest=manifest(tag),
            imageManifestMediaType=MEDIA_TYPE,
            imageTag=tag,
        )
        return found["image"]["imageId"]["imageDigest"]

    def answer(self, *answers: object, error: str | None = None) -> None:
        """Let the next invocations answer this, the last of these for ever; at first a worker that works."""
        self._answers = deque(answers or (READY,))
        self._error = error
        answer_invocations(self.aws, self.next_answer)

    def current(self, then: Wanted) -> Current:
        """What is there."""
        return read_current(self.aws, then)

    def plan(self, then: Wanted) -> Plan:
        """The differences."""
        return differences(read_current(self.aws, then), then)

    def deploy(self, then: Wanted, **means: Any) -> Deployed:
        """Plan and apply."""
        defaults = {"deliver": self.push, "on_step": self.steps.append, "clock": self.time.clock()}
        return apply(self.aws, self.plan(then), **{**defaults, **means})

    def alias_version(self) -> str:
        """What the alias names."""
        return self.aws.functions.get_alias(FunctionName=self.names.function, Name=self.names.alias)["FunctionVersion"]

    def versions(self) -> list[str]:
        """Numbers of what is published."""
        found = self.aws.functions.list_versions_by_function(FunctionName=self.names.function)["Versions"]
        return [one["Version"] for one in found if one["Version"] != "$LATEST"]

    def calls(self) -> list[str]:
        """Names of the calls that are made from now on, to be looked at later."""
        made: list[str] = []
        before_calls(self.aws, lambda model, **_: made.append(model.name))
        return made

    def next_answer(self) -> dict[str, Any]:
        """What Lambda gives back for the next invocation."""
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        failed = {"FunctionError": self._error} if self._error else {}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


@functools.cache
def _session(_endpoint: str) -> Session:
    """One for all: reading botocore's descriptions of services takes longer than a deployment."""
    return get_session()


def answer_invocations(aws: Aws, answer: Callable[[], dict[str, Any]]) -> None:
    """Let invocations be answered here instead of by the account."""
    events = aws.invoker.meta.events
    events.unregister("before-call.lambda.Invoke", unique_id="answer")
    events.register(
        "before-call.lambda.Invoke", lambda **_: (SimpleNamespace(status_code=200), answer()), unique_id="answer"
    )


def before_calls(aws: Aws, act: Callable[..., object]) -> None:
    """Call `act(model=..., params=...)` before each call of any service."""
    for service in SERVICES:
        client: Any = getattr(aws, service)
        client.meta.events.register("before-parameter-build", lambda **told: act(**told) and None)


def changing(calls: list[str]) -> list[str]:
    """Those calls that change something."""
    return [name for name in calls if not name.startswith(_READS)]


def manifest(content: str) -> str:
    """A manifest that only its content decides."""
    digest = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 7, "digest": digest}
    return json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": config, "layers": []})
