"""What a conversion keeps of a Zip function and what it cannot, in words."""

from collections.abc import Iterator

from glacierctl.aws.carrying import untold_conditions
from glacierctl.aws.package import Package, extras
from glacierctl.aws.surroundings import Surroundings


def carried(old: Package, found: Surroundings) -> Iterator[str]:
    """What is kept."""
    if old.environment:
        yield f"environment: {', '.join(sorted(old.environment))}"
    if old.tags:
        yield f"tags: {', '.join(sorted(old.tags))}"
    for alias in found.aliases:
        yield f"alias {alias['Name']}, naming the new version"
    for qualifier, statements in found.permissions.items():
        on = f" on {qualifier}" if qualifier else ""
        yield f"permissions{on}: {', '.join(str(one.get('Sid', 'without a name')) for one in statements)}"
    for one in found.mappings:
        yield f"event source {one.get('EventSourceArn', one['UUID'])}{'' if one['Enabled'] else ' (stopped)'}"
    for one in found.invocations:
        yield f"settings and destinations of asynchronous invocations of {one['Qualifier'] or 'the function'}"
    if found.concurrency is not None:
        yield f"reserved concurrency of {found.concurrency}"
    if found.retention_days is not None:
        yield f"logs, kept {found.retention_days} days as now"


def lost(old: Package, found: Surroundings, role_arn: str) -> Iterator[str]:
    """What is not, and why; `role_arn` is what the new function will work as."""
    told = old.configuration
    yield f"its code and its handler {told.get('Handler', '')}, which stay in the backup"
    yield "asynchronous invocations that wait at that moment"
    if told.get("Layers"):
        yield "layers: an image holds everything itself"
    if old.role_arn != role_arn:
        yield f"its role {old.role_arn}; the new one is {role_arn}"
        for name in extras(old):
            yield f"{name}, for which the new role has no permissions; say --role {old.role_arn} to keep it"
    yield from _lost_around(found)


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
