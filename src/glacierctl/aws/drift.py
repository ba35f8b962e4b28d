"""Whether what is deployed is still what the settings say, leaving aside which image it runs."""

from collections.abc import Callable

from glacierctl.aws import function
from glacierctl.aws.changes import Change, Kind, Resource, differences
from glacierctl.aws.current import read_current
from glacierctl.aws.finding import Finding, Verdict
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import Wanted, WantedImage

_DEPLOY = "glacierctl deploy"


def check_drift(aws: Aws, names: Names, wanted_of: Callable[[WantedImage], Wanted]) -> Finding:
    """Compare every part of the deployment with the settings.

    Args:
        aws: the account.
        names: what the deployment's parts are called.
        wanted_of: what the settings say, for an image.
    """
    now = function.read(aws, names)
    if now is None or now.package != "Image":
        return Finding("settings", Verdict.LOOK, "nothing is deployed to compare them with", _DEPLOY)
    repository_uri, _, digest = now.settings.image.partition("@")
    wanted = wanted_of(WantedImage(repository_uri, "", digest or None))
    changes = differences(read_current(aws, wanted), wanted).changes
    if any(change.resource is Resource.IMAGE and change.kind is Kind.PUSH for change in changes):
        words = f"the image that the function runs, {now.settings.image}, is gone from the registry"
        return Finding("settings", Verdict.BROKEN, words, _DEPLOY)
    if changes:
        words = f"what is deployed differs: {'; '.join(map(_words, changes))}"
        return Finding("settings", Verdict.LOOK, words, f"{_DEPLOY} --dry-run, then {_DEPLOY}")
    return Finding("settings", Verdict.OK, "what is deployed is what the settings say")


def _words(change: Change) -> str:
    if change.kind is Kind.CREATE:
        return f"no {change.resource} {change.name}"
    told = ", ".join(f"{setting} is {now}, wanted {then}" for setting, now, then in change.fields)
    return f"{change.resource} {told}" if told else f"{change.kind} {change.resource} {change.name}"
