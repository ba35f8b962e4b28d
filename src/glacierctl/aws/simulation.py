"""Whether credentials may do what a policy allows, as AWS itself judges it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glacierctl.aws.errors import Denied, NotFound, talking_about
from glacierctl.aws.identity import Identity
from glacierctl.aws.roles import Document
from glacierctl.aws.session import Aws

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import ContextEntryTypeDef

_ALLOWED = "allowed"


@dataclass(frozen=True)
class Verdict:
    """What AWS says of one action on one resource."""

    sid: str
    """The statement that asks for it."""
    action: str
    """Such as ecr:PutImage."""
    resource: str
    """ARN, or "*"."""
    decision: str
    """allowed, implicitDeny (nothing allows it) or explicitDeny (something forbids it)."""

    @property
    def allowed(self) -> bool:
        """Whether the credentials may."""
        return self.decision == _ALLOWED


@dataclass(frozen=True)
class Simulation:
    """What credentials may do."""

    source_arn: str
    """The user or role that was asked about; empty if there is none that could be."""
    verdicts: tuple[Verdict, ...] = ()
    """For each action on each resource."""
    not_asked: str = ""
    """Why AWS could not be asked; empty if it was."""

    @property
    def denied(self) -> tuple[Verdict, ...]:
        """What the credentials may not do."""
        return tuple(one for one in self.verdicts if not one.allowed)


def simulate(aws: Aws, identity: Identity, document: Document) -> Simulation:
    """Ask AWS, action by action, whether these credentials may do what `document` allows. Nothing is done.

    Policies of resources (a bucket's own) and of sessions do not enter into it.

    Raises:
        AwsError: AWS does not answer.
    """
    kind = identity.arn.split(":", 5)[5].partition("/")[0]
    if kind == "root":
        return Simulation("", not_asked="they are the account's root, which may do everything; better not to use it")
    if kind not in {"user", "assumed-role", "role"}:
        return Simulation("", not_asked=f"AWS simulates users and roles only, and these are {identity.arn}")
    return simulate_source(aws, _policy_source(aws, identity, kind), document)


def simulate_source(aws: Aws, source: str, document: Document) -> Simulation:
    """The same about a user or role by its ARN."""
    try:
        return Simulation(source, tuple(_verdicts(aws, source, document)))
    except Denied as error:
        return Simulation(source, not_asked=f"they do not allow {error.action}")
    except NotFound as error:
        return Simulation(source, not_asked=f"AWS does not find {source}: {error.why.rstrip('.')}")


def _policy_source(aws: Aws, identity: Identity, kind: str) -> str:
    """The role behind a session; its path is in no session's ARN, so it is looked up where that is allowed."""
    if kind != "assumed-role":
        return identity.arn
    role = identity.arn.split("/")[1]
    try:
        with talking_about(f"the role {role}"):
            return aws.iam.get_role(RoleName=role)["Role"]["Arn"]
    except (Denied, NotFound):
        return f"arn:{identity.partition}:iam::{identity.account}:role/{role}"


def _verdicts(aws: Aws, source: str, document: Document) -> Iterator[Verdict]:
    """One question for each resource of a statement: answers to several at once come in more than one form."""
    for statement in document["Statement"]:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            with talking_about("what these credentials may do"):
                pages = aws.iam.get_paginator("simulate_principal_policy").paginate(
                    PolicySourceArn=source,
                    ActionNames=statement["Action"],
                    ResourceArns=[resource],
                    ContextEntries=_context(statement.get("Condition", {})),
                )
                for page in pages:
                    for result in page["EvaluationResults"]:
                        yield Verdict(statement["Sid"], result["EvalActionName"], resource, result["EvalDecision"])


def _context(conditions: Mapping[str, Mapping[str, Any]]) -> "list[ContextEntryTypeDef]":
    """A request that fulfils the conditions."""
    return [
        {
            "ContextKeyName": key,
            "ContextKeyType": "string",
            "ContextKeyValues": [wanted if isinstance(wanted, str) else wanted[0]],
        }
        for keys in conditions.values()
        for key, wanted in keys.items()
    ]
