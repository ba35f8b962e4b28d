"""Whether a version works: it is asked, before any alias names it."""

import json
from typing import Any

from glacierctl.aws.errors import NotReady, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws

EVENT = {"smoke": True}
"""The question."""


def ask(aws: Aws, names: Names, version: int, *, expected: str) -> str:
    """Invoke a version and look at what it answers.

    Args:
        aws: the account.
        names: what the deployment's parts are called.
        version: number of the version.
        expected: the version of glacierctl that it must answer with.

    Returns:
        the version of glacierctl that answered.

    Raises:
        NotReady: it fails, or answers something else.
    """
    with talking_about(f"version {version} of {names.function}"):
        answer = aws.invoker.invoke(
            FunctionName=names.function, Qualifier=str(version), Payload=json.dumps(EVENT).encode()
        )
        said = answer["Payload"].read().decode(errors="replace")
    told = _json(said)
    if answer.get("FunctionError"):
        raise _does_not_work(names, version, _failure(told, said))
    if not isinstance(told, dict) or told.get("ready") is not True:
        raise _does_not_work(names, version, f"it answered {_short(said)}")
    if told.get("version") != expected:
        raise _does_not_work(names, version, f"it is glacierctl {told.get('version')}, not {expected}")
    return expected


def _does_not_work(names: Names, version: int, why: str) -> NotReady:
    return NotReady(
        f"version {version} of {names.function} does not work",
        why=f"{why}. The alias {names.alias} is where it was",
        hint=f"Look at the logs in {names.log_group}, mend the image, then run `glacierctl deploy` again.",
    )


def _failure(told: Any, said: str) -> str:
    if not isinstance(told, dict) or "errorMessage" not in told:
        return f"it failed with {_short(said)}"
    kind = told.get("errorType", "an error")
    return f"it failed with {kind}: {_short(str(told['errorMessage']))}"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 300 else f"{words[:300]}..."  # noqa: PLR2004 (as much as a person reads)
