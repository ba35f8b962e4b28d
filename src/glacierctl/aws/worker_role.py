"""The role that the function works as: exactly the worker's policy, nothing more."""

import json
from dataclasses import dataclass
from typing import Any

from glacierctl.aws import roles
from glacierctl.aws.errors import Conflict, NotFound, talking_about
from glacierctl.aws.names import MANAGED, Names
from glacierctl.aws.roles import Document
from glacierctl.aws.session import Aws
from glacierctl.aws.wanted import RoleSettings


@dataclass(frozen=True)
class Role:
    """A role that is there."""

    settings: RoleSettings
    """What can be compared."""
    arn: str
    """Its address."""
    made_by_us: bool
    """Whether a deployment made it, rather than found it."""

    def other_region(self, names: Names) -> str:
        """The AWS region whose deployment of the same name works as it, for roles know no regions; empty if none."""
        there = roles.region_of(self.settings.policies.get(roles.WORKER_POLICY, {}))
        return "" if there == names.aws_region else there


def read(aws: Aws, names: Names) -> Role | None:
    """What the worker's role is like; None if there is none."""
    with talking_about(f"the role {names.role}"):
        try:
            with talking_about(f"the role {names.role}"):
                role = aws.iam.get_role(RoleName=names.role)["Role"]
        except NotFound:
            return None
        tags = {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])}
        settings = RoleSettings(
            trust=_document(role["AssumeRolePolicyDocument"]),
            policies={name: _inline(aws, names, name) for name in _inline_names(aws, names)},
            attached=tuple(sorted(_attached(aws, names))),
            managed=MANAGED in tags,
        )
        return Role(settings, role["Arn"], tags.get(MANAGED) == "true")


def require_own(role: Role | None, names: Names) -> None:
    """Make sure that the role is not that of another deployment.

    Raises:
        Conflict: it is.
    """
    if role is not None and (there := role.other_region(names)):
        raise Conflict(
            f"{names.function} cannot be deployed in {names.aws_region}",
            why=f"it is deployed in {there} too, and both would work as the role {names.role}, which knows no regions",
            hint=f"Choose another name with --function, bring a role with --role, or say --aws-region {there}.",
        )


def require(aws: Aws, role_arn: str) -> None:
    """Make sure that a role of the user's own exists and that Lambda may work as it.

    Raises:
        NotFound: there is no such role.
        AwsError: Lambda may not work as it.
    """
    name = role_arn.rpartition("/")[2]
    with talking_about(f"the role {role_arn}"):
        trust = _document(aws.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"])
    if "lambda.amazonaws.com" not in json.dumps(trust):
        raise NotFound(
            f"the role {role_arn} cannot be used",
            why="its trust policy does not name lambda.amazonaws.com, so Lambda may not work as it",
            hint="Add that service to the role's trust policy, or leave out --role.",
        )


def create(aws: Aws, names: Names, then: RoleSettings) -> None:
    """Make the role; one that appeared in the meantime is taken as it is."""
    try:
        with talking_about(f"the role {names.role}"):
            aws.iam.create_role(
                RoleName=names.role,
                AssumeRolePolicyDocument=json.dumps(then.trust),
                Description="What the Lambda function of glacierctl works as",
                Tags=[{"Key": MANAGED, "Value": "true"}],
            )
    except Conflict:
        pass
    update(aws, names, then)


def update(aws: Aws, names: Names, then: RoleSettings) -> None:
    """Give the role the policies that are wanted, and take all others from it."""
    now = read(aws, names)
    with talking_about(f"the role {names.role}"):
        if now is None or now.settings.trust != then.trust:
            aws.iam.update_assume_role_policy(RoleName=names.role, PolicyDocument=json.dumps(then.trust))
        for name, document in then.policies.items():
            if now is None or now.settings.policies.get(name) != document:
                aws.iam.put_role_policy(RoleName=names.role, PolicyName=name, PolicyDocument=json.dumps(document))
        if now is not None:
            _strip(aws, names, now.settings, then)
            if not now.settings.managed:
                aws.iam.tag_role(RoleName=names.role, Tags=[{"Key": MANAGED, "Value": "adopted"}])


def delete(aws: Aws, names: Names) -> None:
    """Remove the role with its policies; if there is none, nothing happens."""
    now = read(aws, names)
    if now is None:
        return
    nothing = RoleSettings(trust={}, policies={}, attached=(), managed=True)
    with talking_about(f"the role {names.role}"):
        _strip(aws, names, now.settings, nothing)
        aws.iam.delete_role(RoleName=names.role)


def _strip(aws: Aws, names: Names, now: RoleSettings, then: RoleSettings) -> None:
    for name in now.policies.keys() - then.policies.keys():
        aws.iam.delete_role_policy(RoleName=names.role, PolicyName=name)
    for arn in set(now.attached) - set(then.attached):
        aws.iam.detach_role_policy(RoleName=names.role, PolicyArn=arn)


def _inline_names(aws: Aws, names: Names) -> list[str]:
    pages = aws.iam.get_paginator("list_role_policies").paginate(RoleName=names.role)
    return [name for page in pages for name in page["PolicyNames"]]


def _inline(aws: Aws, names: Names, policy: str) -> Document:
    return _document(aws.iam.get_role_policy(RoleName=names.role, PolicyName=policy)["PolicyDocument"])


def _attached(aws: Aws, names: Names) -> list[str]:
    pages = aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=names.role)
    return [policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]]


def _document(told: Any) -> Document:
    """Botocore decodes policies, except where the answer was not encoded."""
    document: Document = json.loads(told) if isinstance(told, str) else told
    return document
