"""How it stands with the function itself, and with the version that runs use."""

from glacierctl.aws import function
from glacierctl.aws.finding import Finding, Verdict
from glacierctl.aws.function import Function
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws
from glacierctl.aws.versions import LATEST, Version

_DEPLOY = "glacierctl deploy"


def check_function(aws: Aws, names: Names, *, own_version: str) -> Finding:
    """Whether the function is there and can be invoked by its alias.

    Args:
        aws: the account.
        names: what the deployment's parts are called.
        own_version: of the glacierctl that asks.
    """
    found = function.read(aws, names)
    if found is None:
        return Finding("function", Verdict.LOOK, f"there is no function {names.function} yet", _DEPLOY)
    if found.package != "Image":
        words = f"{names.function} is a Zip package: Lambda cannot turn it into an image, so it is made anew"
        return Finding("function", Verdict.LOOK, words, f"{_DEPLOY} --dry-run tells what would be carried over.")
    return _unready(names, found) or _judge_alias(names, found, own_version)


def unfinished(names: Names) -> Finding:
    """Of a function whose conversion was interrupted: what triggers it may be stopped until that is completed."""
    words = f"the conversion of {names.function} from a Zip package was interrupted"
    return Finding("function", Verdict.BROKEN, words, f"{_DEPLOY} completes it.")


def _unready(names: Names, found: Function) -> Finding | None:
    if found.state == "Failed":
        words = f"{names.function} has failed: {found.state_reason or 'Lambda does not say why'}"
        return Finding("function", Verdict.BROKEN, words, _DEPLOY)
    if found.last_update == "Failed":
        words = f"the last update of {names.function} failed: {found.last_update_reason or 'Lambda does not say why'}"
        return Finding("function", Verdict.BROKEN, words, _DEPLOY)
    if found.state == "Pending" or found.last_update == "InProgress":
        words = f"{names.function} is being changed: its state is {found.state}, its update {found.last_update}"
        return Finding("function", Verdict.LOOK, words, "Wait a minute, then run `glacierctl doctor` again.")
    return None


def _judge_alias(names: Names, found: Function, own_version: str) -> Finding:
    alias = found.aliases.get(names.alias)
    if alias is None:
        words = f"{names.function} has no alias {names.alias}: nothing was deployed that works"
        return Finding("function", Verdict.BROKEN, words, _DEPLOY)
    version = found.version(alias.version)
    if version is None:
        words = f"the alias {names.alias} names {'nothing that is published' if alias.version == LATEST else 'nothing'}"
        return Finding("function", Verdict.LOOK, words, _DEPLOY)
    if version.state == "Failed":
        reason = version.configuration.get("StateReason") or "Lambda does not say why"
        words = f"version {version.number}, which {names.alias} names, has failed: {reason}"
        return Finding("function", Verdict.BROKEN, words, f"glacierctl deploy rollback, or {_DEPLOY}")
    return _judge_version(names, version, own_version)


def _judge_version(names: Names, version: Version, own_version: str) -> Finding:
    words = f"{names.function}:{names.alias} is version {version.number}, {version.state}"
    if version.worker_version and version.worker_version != own_version:
        words += f"; it is glacierctl {version.worker_version}, this is {own_version}"
        return Finding("function", Verdict.LOOK, words, _DEPLOY)
    if version.state == "Inactive":
        return Finding("function", Verdict.OK, f"{words} (long unused: its first invocation takes longer)")
    return Finding("function", Verdict.OK, words)
