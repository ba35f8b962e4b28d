"""The difference between what is there and what is wanted, in words. A pure function: nothing here talks to AWS."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from glacierctl.aws import function
from glacierctl.aws.current import Current
from glacierctl.aws.function import Function
from glacierctl.aws.setting_words import Field, as_text, differing_fields
from glacierctl.aws.versions import LATEST, Alias, Version, kept
from glacierctl.aws.wanted import FunctionSettings, LogGroupSettings, Wanted, WantedImage, keep_tag

_NEW = "the new one"
"""Stands for the number of a version that is not published yet."""


class Kind(StrEnum):
    """What happens to something."""

    CREATE = "create"
    UPDATE = "update"
    CONVERT = "convert"
    PUSH = "push"
    PUBLISH = "publish"
    MOVE = "move"
    REMOVE = "remove"


class Resource(StrEnum):
    """What a deployment consists of, in the order in which it is made."""

    REPOSITORY = "repository"
    IMAGE = "image"
    ROLE = "role"
    LOG_GROUP = "log group"
    QUEUE = "failure queue"
    FUNCTION = "function"
    VERSION = "version"
    INVOCATIONS = "invocation settings"
    ALIAS = "alias"
    CONCURRENCY = "concurrency"
    PULLING = "leave to pull"
    BUCKET = "data bucket"


@dataclass(frozen=True)
class Change:
    """One thing that will change."""

    kind: Kind
    """What happens to it."""
    resource: Resource
    """What it is."""
    name: str
    """What it is called."""
    fields: tuple[Field, ...] = ()
    """Its settings that will change; empty if it is all new."""


@dataclass(frozen=True)
class Plan:
    """What a deployment will change."""

    wanted: Wanted
    """What it shall be."""
    current: Current
    """What is there."""
    changes: tuple[Change, ...]
    """In the order in which they will happen."""

    @property
    def is_empty(self) -> bool:
        """Whether all is as it shall be."""
        return not self.changes

    @property
    def converts(self) -> bool:
        """Whether a function is there as a Zip package, which Lambda cannot turn into an image."""
        return any(change.kind is Kind.CONVERT for change in self.changes)

    @property
    def needs_image(self) -> bool:
        """Whether the image has to be pushed, and before that built unless it is."""
        return self.current.digest is None

    def has(self, resource: Resource) -> bool:
        """Whether anything changes about it."""
        return any(change.resource is resource for change in self.changes)

    def as_json(self) -> dict[str, Any]:
        """For programs: what is deployed, and the changes as objects."""
        return {
            "function": self.wanted.names.function,
            "aws_region": self.wanted.names.aws_region,
            "account": self.wanted.names.account,
            "image": _wanted_image(self.wanted, self.current).reference,
            "changes": [_change_as_json(change) for change in self.changes],
        }


def differences(current: Current, wanted: Wanted) -> Plan:
    """What has to change so that what is there becomes what is wanted."""
    wanted = replace(wanted, image=_wanted_image(wanted, current))
    marks = _marks(wanted, unmarked(current), stay=True)
    changes = (*marks, *_surroundings(current, wanted), *_of_function(current, wanted), *_tidying(current, wanted))
    return Plan(wanted, current, changes)


def matching_version(found: Function | None, wanted: Wanted) -> Version | None:
    """The newest published version, if it is what is wanted: then none is published.

    One that only a retry uses is passed over, unless it is just what is wanted: Lambda would publish no other.
    """
    if found is None or wanted.image.digest is None:
        return None
    for version in reversed(found.versions):
        if _is_wanted(version, wanted):
            return version
        if not version.is_resized:
            return None
    return None


def unmarked(current: Current) -> tuple[str, ...]:
    """Digests of images that the function or its kept versions run and that are not marked to be kept, sorted."""
    if current.repository is None or current.function is None:
        return ()
    return tuple(sorted(_running(current.function) & current.repository.images.keys() - current.repository.kept()))


def outdated(current: Current) -> tuple[str, ...]:
    """Digests of images that are marked although no kept version runs them, sorted.

    One without another tag is left out: it would go with its mark. So are all if other functions share the repository:
    the marks may be theirs.
    """
    if current.repository is None or current.function is None or current.repository.shared_with:
        return ()
    images = current.repository.images
    marked = current.repository.kept() - _running(current.function)
    return tuple(sorted(digest for digest in marked if images[digest] - {keep_tag(digest)}))


def _running(now: Function) -> frozenset[str]:
    # What is not published counts too: an alias may name it, and so does whoever names no version.
    latest = now.settings.image.partition("@")[2]
    return frozenset({latest, *(version.digest for version in kept(now.versions, now.aliases))})


def _is_wanted(version: Version, wanted: Wanted) -> bool:
    settings = function.settings_of(version.configuration, image=version.digest, managed=True)
    # Its description is its own: Lambda publishes nothing for the sake of another one.
    then = replace(wanted.function(), image=wanted.image.digest or "", description=settings.description)
    return not _function_fields(settings, then)


def _wanted_image(wanted: Wanted, current: Current) -> WantedImage:
    return replace(wanted.image, digest=current.digest)


def _surroundings(current: Current, wanted: Wanted) -> list[Change]:
    names = wanted.names
    changes: list[Change | None] = []
    if wanted.in_ecr:
        there = current.repository
        then = wanted.repository(there.settings if there else None)
        changes.append(_compared(Resource.REPOSITORY, names.repository, there, then))
    if current.digest is None:
        changes.append(Change(Kind.PUSH, Resource.IMAGE, f"{wanted.image.repository_uri}:{wanted.image.tag}"))
    if wanted.role_arn is None:
        changes.append(_compared(Resource.ROLE, names.role, current.role, wanted.role()))
    changes.append(_log_group(current, wanted))
    changes.append(_compared(Resource.QUEUE, names.queue, current.queue, wanted.queue()))
    return [change for change in changes if change is not None]


def wanted_log_group(current: Current, wanted: Wanted) -> LogGroupSettings:
    """Settings of the log group; logs of a function that was, or will be, converted are kept as long as before."""
    then, now = wanted.log_group(), current.log_group
    if now is not None and now.kept_retention_days is not None:
        then = replace(then, retention_days=now.kept_retention_days)
    elif now is not None and now.settings.retention_days is not None and _is_zip(current.function):
        then = replace(then, retention_days=now.settings.retention_days)  # carried over with the function
    return then


def _log_group(current: Current, wanted: Wanted) -> Change | None:
    name, now = wanted.names.log_group, current.log_group
    return _compared(Resource.LOG_GROUP, name, now, wanted_log_group(current, wanted))


def _is_zip(now: Function | None) -> bool:
    return now is not None and now.package != "Image"


def _compared(resource: Resource, name: str, now: Any, then: Any) -> Change | None:
    """What happens to a part that is all settings."""
    if now is None:
        return Change(Kind.CREATE, resource, name)
    differing = differing_fields(now.settings, then)
    return Change(Kind.UPDATE, resource, name, differing) if differing else None


def _of_function(current: Current, wanted: Wanted) -> list[Change]:
    names, now = wanted.names, current.function
    changes = []
    version = matching_version(now, wanted)
    if now is None:
        changes.append(Change(Kind.CREATE, Resource.FUNCTION, names.function))
    elif _is_zip(now):
        changes.append(Change(Kind.CONVERT, Resource.FUNCTION, names.function, (("package", now.package, "Image"),)))
    elif now.never_was:
        changes.append(Change(Kind.REMOVE, Resource.FUNCTION, names.function, _failures(now)))
        changes.append(Change(Kind.CREATE, Resource.FUNCTION, names.function))
    elif differing := (*_failures(now), *_function_fields(now.settings, wanted.function())):
        changes.append(Change(Kind.UPDATE, Resource.FUNCTION, names.function, differing))
    if version is None:
        changes.append(Change(Kind.PUBLISH, Resource.VERSION, wanted.version_description))
    invocations = _of_invocations(now, wanted, version)
    return [*changes, *invocations, *_of_alias(now, wanted, version), *_concurrency(now, wanted)]


def _of_invocations(now: Function | None, wanted: Wanted, version: Version | None) -> list[Change]:
    changes = []
    for qualifier in (*((str(version.number),) if version else ()), wanted.names.alias):
        settings = now.invocations.get(qualifier) if now else None
        then = wanted.invocations(settings)
        name = f"{wanted.names.function}:{qualifier}"
        if settings is None:
            changes.append(Change(Kind.CREATE, Resource.INVOCATIONS, name))
        elif differing := differing_fields(settings, then):
            changes.append(Change(Kind.UPDATE, Resource.INVOCATIONS, name, differing))
    return changes


def _of_alias(now: Function | None, wanted: Wanted, version: Version | None) -> list[Change]:
    alias = now.aliases.get(wanted.names.alias) if now else None
    target = str(version.number) if version else _NEW
    if alias is None:
        return [Change(Kind.CREATE, Resource.ALIAS, wanted.names.alias, (("version", "none", target),))]
    if alias.version != target or alias.others:
        return [Change(Kind.MOVE, Resource.ALIAS, wanted.names.alias, (("version", alias.version, target),))]
    return []


def _concurrency(now: Function | None, wanted: Wanted) -> list[Change]:
    then = wanted.reserved_concurrency
    there = now.concurrency if now else None
    if then is None or then == there:
        return []
    differing = (("reserved_concurrency", as_text(there), as_text(then)),)
    return [Change(Kind.UPDATE, Resource.CONCURRENCY, wanted.names.function, differing)]


def _tidying(current: Current, wanted: Wanted) -> list[Change]:
    """Old versions that go at the very end, and marks that an interrupted deployment left there."""
    now, names = current.function, wanted.names
    if now is None or _is_zip(now):
        return []
    version = matching_version(now, wanted)
    there = now.aliases.get(names.alias, Alias(names.alias, LATEST, frozenset(), ""))
    live = there.moved_to(str(version.number) if version else _NEW)
    staying = kept(now.versions, {**now.aliases, names.alias: live}, coming=0 if version else 1)
    marks = _marks(wanted, outdated(current) if version else (), stay=False)
    old = (one for one in now.versions if one not in staying)
    return [*marks, *(Change(Kind.REMOVE, Resource.VERSION, f"{names.function}:{one.number}") for one in old)]


def _marks(wanted: Wanted, digests: tuple[str, ...], *, stay: bool) -> list[Change]:
    field = ("kept", as_text(not stay), as_text(stay))
    return [Change(Kind.UPDATE, Resource.IMAGE, f"{wanted.names.repository}@{one}", (field,)) for one in digests]


def _failures(now: Function) -> tuple[Field, ...]:
    """What Lambda could not do: it is asked to do it again."""
    told = (
        ("state", now.state, now.state_reason, "Active"),
        ("last_update", now.last_update, now.last_update_reason, "Successful"),
    )
    return tuple(
        (name, f"Failed ({reason or 'Lambda does not say why'})", then)
        for name, there, reason, then in told
        if there == "Failed"
    )


def _function_fields(now: FunctionSettings, then: FunctionSettings) -> tuple[Field, ...]:
    """Of the environment only what is wanted counts: other variables are the user's own."""
    environment = {name: value for name, value in now.environment.items() if name in then.environment}
    return differing_fields(replace(now, environment=environment), then)


def _change_as_json(change: Change) -> dict[str, Any]:
    return {
        "kind": str(change.kind),
        "resource": str(change.resource),
        "name": change.name,
        "fields": [{"setting": setting, "now": now, "then": then} for setting, now, then in change.fields],
    }
