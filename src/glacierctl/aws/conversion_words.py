"""What a conversion keeps of a Zip function and what it cannot, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from glacierctl.aws.carrying import untold_conditions
from glacierctl.aws.keeping import ON_SUCCESS, SETTINGS, destinations, kept, may_read
from glacierctl.aws.package import Package, extras
from glacierctl.aws.surroundings import Surroundings
from glacierctl.aws.wanted import Wanted


def carried(old: Package, around: Surroundings, wanted: Wanted) -> Iterator[str]:
    """What is kept."""
    found = kept(around, wanted)
    if old.environment:
        yield f"environment: {', '.join(sorted(old.environment))}"
    if old.tags:
        yield f"tags: {', '.join(sorted(old.tags))}"
    for alias in found.aliases:
        yield f"alias {alias['Name']}, naming the new version"
    for qualifier, statements in found.permissions.items():
        on = f" on {qualifier}" if qualifier else ""
        yield f"permissions{on}: {', '.join(str(one.get('Sid', 'without a name')) for one in statements)}"
    unsure = "" if wanted.role_arn in {None, old.role_arn} else ", if the new role has permissions for it"
    for one in found.mappings:
        yield f"{_source(one)}{'' if one['Enabled'] else ' (stopped)'}{unsure}"
    for one in found.invocations:
        if any(key in one for key in SETTINGS):
            yield f"settings of {_invocations(one)}"
        for when, arn in destinations(one):
            yield f"{_destination(one, when, arn)}{unsure}"
    if found.concurrency is not None:
        yield f"reserved concurrency of {found.concurrency}"
    if found.retention_days is not None:
        yield f"logs, kept {found.retention_days} days as now"


def lost(old: Package, found: Surroundings, wanted: Wanted) -> Iterator[str]:
    """What is not, and why."""
    told, new_role = old.configuration, wanted.function().role_arn
    yield f"its code and its handler {told.get('Handler', '')}, which stay in the backup"
    yield "asynchronous invocations that wait at that moment"
    if told.get("Layers"):
        yield "layers: an image holds everything itself"
    if old.role_arn != new_role:
        first = "; before it is kept with --role, it needs what `glacierctl iam show worker` prints"
        yield f"its role {old.role_arn}; the new one is {new_role}{'' if wanted.role_arn else first}"
    beyond = f"for which the new role has no permissions; say --role {old.role_arn} to keep it"
    if old.role_arn != wanted.role_arn:
        for name in extras(old):
            yield f"{name}, {beyond}"
    for one in found.mappings:
        if not may_read(wanted, one):
            yield f"{_source(one)}, {beyond}. It is left, but stopped"
    for one in found.invocations:
        yield from _lost_of_invocations(one, wanted, beyond)
    yield from _lost_around(found)


def _lost_of_invocations(settings: Mapping[str, Any], wanted: Wanted, beyond: str) -> Iterator[str]:
    qualifier, names = settings["Qualifier"], wanted.names
    if qualifier.isdigit():
        yield f"settings and destinations of {_invocations(settings)}, a version that goes with the function"
        return
    if qualifier == names.alias:
        yield f"settings of {_invocations(settings)}, which get those of every deployment"
    for when, arn in destinations(settings):
        if qualifier == names.alias and when != ON_SUCCESS:
            if arn != names.queue_arn:
                yield f"{_destination(settings, when, arn)}; they are reported to {names.queue_arn}"
        elif not wanted.may_report_to(arn):
            yield f"{_destination(settings, when, arn)}, {beyond}"


def _source(mapping: Mapping[str, Any]) -> str:
    return f"event source {mapping.get('EventSourceArn', mapping['UUID'])}"


def _destination(settings: Mapping[str, Any], when: str, arn: str) -> str:
    return f"destination {arn} of {_invocations(settings)} that {'succeed' if when == ON_SUCCESS else 'fail'}"


def _invocations(settings: Mapping[str, Any]) -> str:
    return f"asynchronous invocations of {settings['Qualifier'] or 'the function'}"


def _lost_around(found: Surroundings) -> Iterator[str]:
    if found.versions:
        versions, them = ("version", "it") if found.versions == 1 else ("versions", "them")
        yield f"{found.versions} published {versions}; numbers go on after {them}"
    if any((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") for alias in found.aliases):
        yield "shares of invocations that aliases give to further versions"
    if found.urls:
        yield f"its address {', '.join(found.urls)}: a new function never gets the same"
    if found.provisioned:
        yield f"provisioned concurrency of {', '.join(found.provisioned)}: set it anew if it is needed"
    for statements in found.permissions.values():
        for one in statements:
            if untold_conditions(one):
                yield f"permission {one.get('Sid', '')}, which holds what Lambda takes from nobody"
    if found.retention_days is None:
        yield "logs that were kept for ever; now they are kept as long as the settings say"
