"""Who needs which permissions, and why: the policies of `roles`, statement by statement, beside the worker's role."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glacierctl.aws import roles, worker_role
from glacierctl.aws.errors import NotFound, talking_about
from glacierctl.aws.names import Names
from glacierctl.aws.roles import Document
from glacierctl.aws.session import Aws
from glacierctl.aws.simulation import simulate_source

PARTIES: Mapping[str, str] = {
    "deployer": "whoever runs deploy, doctor, history, rollback and destroy",
    "submitter": "whoever starts runs, follows them and reads their results",
    "worker": "the Lambda function itself, by its role",
}
"""Who needs permissions, each with what they do."""

REASONS: Mapping[str, str] = {
    "LogInToTheRegistry": "a login to the registry comes before every push",
    "ManageTheRepository": "the repository is made with scans, immutable tags and a lifecycle, and removed by destroy",
    "PushAndFindImages": "the image is pushed layer by layer and found again by its digest; old marks are taken off",
    "ManageTheFunction": "the function is made, changed, published, tried and rolled back; a Zip package is converted",
    "ReadAccountLimits": "doctor compares memory and concurrency with what the account may have",
    "FindEventSources": "what triggers a Zip function is found before it is converted",
    "CarryOverEventSources": "what triggers a Zip function triggers the converted one again, and no other function",
    "PauseEventSources": "they are stopped while a Zip function is converted, so that nothing is handed to nobody",
    "ManageTheWorkersRole": "the worker's role gets exactly the worker's policy, and is removed by destroy",
    "LookAtYourOwnRole": "a role that you made is used as it is; it has to be there, and to trust Lambda",
    "HandTheRoleToLambda": "the function works as the worker's role; the role can be handed to nothing but Lambda",
    "ManageTheLogGroup": "logs are kept for as long as the settings say, instead of for ever",
    "FindTheLogGroup": "a log group is found by how its name begins, which for IAM is a question about all of them",
    "ManageTheFailureQueue": "the queue is made that reports invocations which failed for good",
    "CheckTheBucket": "doctor looks whether the bucket exists, where, and whether it is closed to the public",
    "Invoke": "tasks are handed to the function, on the version that the alias names when a run begins",
    "WriteRunsReadResults": "a run's plan, tasks and cancellation are written, reports and products are read",
    "ListBelowThePrefix": "what exists already is found by listing; nothing outside the prefix can be listed",
    "FollowLogs": "the function's logs are shown, and no other logs",
    "LookAtFailures": "what failed for good is read from the queue, and taken off it or shown to others again",
    "WriteLogs": "the function's own log, into its own log group only",
    "WorkBelowThePrefix": "products and reports are written; an item is removed before its product is made anew",
    "ReadLandsatAndPay": "Landsat's scenes lie in a bucket whose readers pay; Sentinel-2's are public and need nothing",
    "ReportFailures": "Lambda reports what failed for good as the function's role",
}
"""Why each statement is there, by its Sid."""

OPTIONAL: Mapping[str, str] = {
    "iam:SimulatePrincipalPolicy": "`iam diff` asks AWS what the present credentials may do; without it, it says so",
}
"""Actions that are asked for and may be refused: nothing depends on them, and no policy has them."""


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource, as a policy allows or denies it."""

    action: str
    """Such as s3:GetObject."""
    resource: str
    """ARN, with wildcards; empty in a trust policy."""
    effect: str = "Allow"
    """Allow or Deny."""
    condition: str = ""
    """JSON of the condition, empty if there is none."""
    principal: str = ""
    """JSON of who may, in a trust policy; else empty."""

    @property
    def words(self) -> str:
        """As a person reads it."""
        on = f" on {self.resource}" if self.resource else ""
        by = f" by {self.principal}" if self.principal else ""
        condition = f" if {self.condition}" if self.condition else ""
        return f"{'' if self.effect == 'Allow' else 'never '}{self.action}{on}{by}{condition}"


@dataclass(frozen=True)
class RoleDifference:
    """The worker's role beside what it should be."""

    role_arn: str
    """Of the role."""
    exists: bool
    """Whether there is such a role at all."""
    lacks: tuple[Grant, ...] = ()
    """What the worker needs and the role's inline policies do not say."""
    has_besides: tuple[Grant, ...] = ()
    """What they say and the worker does not need."""
    trust_lacks: tuple[Grant, ...] = ()
    """Who should be able to work as the role and is not."""
    trust_has_besides: tuple[Grant, ...] = ()
    """Who is able to and should not be."""
    attached: tuple[str, ...] = ()
    """ARNs of managed policies; the worker needs none."""
    not_judged: str = ""
    """Why AWS could not be asked what a role of the user's own may do; empty if it was, or need not be."""

    @property
    def agrees(self) -> bool:
        """Whether the role is there and may exactly what it should."""
        besides = (*self.has_besides, *self.trust_has_besides, *self.attached)
        return self.exists and not (*self.lacks, *self.trust_lacks, *besides)


def compare_role(aws: Aws, names: Names) -> RoleDifference:
    """Read the worker's role and compare it with what is wanted.

    Raises:
        AwsError: AWS does not let us look.
    """
    there = worker_role.read(aws, names)
    if there is None:
        return RoleDifference(names.role_arn, exists=False, lacks=_sorted(grants(roles.worker(names))))
    wanted = set(grants(roles.worker(names)))
    now = {grant for document in there.settings.policies.values() for grant in grants(document)}
    trusted, trusts = set(grants(roles.trust())), set(grants(there.settings.trust))
    return RoleDifference(
        there.arn,
        exists=True,
        lacks=_sorted(wanted - now),
        has_besides=_sorted(now - wanted),
        trust_lacks=_sorted(trusted - trusts),
        trust_has_besides=_sorted(trusts - trusted),
        attached=there.settings.attached,
    )


def judge_own_role(aws: Aws, names: Names, role_arn: str) -> RoleDifference:
    """Ask whether a role of the user's own may do what the worker needs. What it may besides is the user's business.

    Raises:
        AwsError: AWS does not let us look.
    """
    trusted = set(grants(roles.trust()))
    try:
        with talking_about(f"the role {role_arn}"):
            told: Any = aws.iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    except NotFound:
        return RoleDifference(role_arn, exists=False, lacks=_sorted(grants(roles.worker(names))))
    trusts = "lambda.amazonaws.com" in json.dumps(told)
    judged = simulate_source(aws, role_arn, roles.worker(names))
    return RoleDifference(
        role_arn,
        exists=True,
        lacks=_sorted({Grant(one.action, one.resource) for one in judged.denied}),
        trust_lacks=() if trusts else _sorted(trusted),
        not_judged=judged.not_asked,
    )


def grants(document: Document) -> Iterator[Grant]:
    """Take a policy apart, so that two that say the same are equal however they are written."""
    for statement in _list(document.get("Statement", [])):
        condition, principal = (_json(statement.get(key)) for key in ("Condition", "Principal"))
        for action in _named(statement, "Action"):
            for resource in _named(statement, "Resource") or [""]:
                yield Grant(action, resource, statement["Effect"], condition, principal)


def size(document: Document) -> int:
    """Characters of a policy as IAM counts them: without spaces. A managed policy may have 6144."""
    return len(json.dumps(document, separators=(",", ":")))


def _named(statement: Document, element: str) -> list[str]:
    """Actions or resources; those that are named by what they are not begin with `not`."""
    return [*_list(statement.get(element, [])), *(f"not {one}" for one in _list(statement.get(f"Not{element}", [])))]


def _list(told: Any) -> list[Any]:
    return told if isinstance(told, list) else [told]


def _json(told: Any) -> str:
    return json.dumps(told, sort_keys=True) if told else ""


def _sorted(found: Iterable[Grant]) -> tuple[Grant, ...]:
    return tuple(sorted(found))
