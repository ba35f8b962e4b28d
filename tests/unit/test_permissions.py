"""The three policies: nothing wild, nothing missing, and a reason for each statement."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.paths import REPO
from tests.support.policies import ALLOWED, decide

from glacierctl.aws import roles
from glacierctl.aws.names import Names
from glacierctl.aws.permissions import OPTIONAL, PARTIES, REASONS, grants, size
from glacierctl.aws.roles import Document
from glacierctl.aws.session import Aws
from glacierctl.cli.iam import Party

ACCOUNT = "123456789012"
NAMES = Names(ACCOUNT, "us-west-2", "glaciers", "glaciers-image", "live", "ice", "results/")
LONGEST = Names(ACCOUNT, "ap-southeast-2", "f" * 50, "r" * 100, "live", "b" * 63, "a-long-prefix/of-a-folder/")
RESULT = "arn:aws:s3:::ice/results/sentinel2/clipped/x/y.tif"
LANDSAT = "arn:aws:s3:::usgs-landsat/collection02/level-1/x_B8.TIF"
OWN_ROLE = "arn:aws:iam::123456789012:role/staff/for-glaciers"
FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:glaciers"

SERVICES = {"functions": "lambda", "invoker": "lambda", "quotas": "service-quotas"}
"""Clients of `Aws` that are not called as boto3 calls the service."""
CLIENTS = {"ecr", "iam", "functions", "invoker", "logs", "quotas", "s3", "sqs", "sts"}
OTHER_ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "lambda:Invoke": "lambda:InvokeFunction",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sts:GetCallerIdentity": "",
}
"""Operations whose action has another name, by AWS's Service Authorization Reference; "" needs no permission."""
PUSHED_WITH = {"GetAuthorizationToken", "BatchCheckLayerAvailability", "InitiateLayerUpload", "UploadLayerPart",
               "CompleteLayerUpload", "PutImage", "BatchGetImage", "GetDownloadUrlForLayer"}  # fmt: skip
"""By Docker, not by us: ECR's user guide, "IAM permissions for pushing an image"."""
IMPLIED = {
    "iam:PassRole": "CreateFunction and UpdateFunctionConfiguration hand the role over",
    "lambda:ListTags": "GetFunction tells tags to those who may list them",
}
"""Actions that no call is named after."""


def statements(names: Names = NAMES) -> Iterator[Document]:
    for own_role in (None, OWN_ROLE):
        for document in roles.documents(names, own_role).values():
            yield from document["Statement"]


def actions(*parties: str) -> set[str]:
    return {one.action for party in parties for one in grants(roles.documents(NAMES)[party])}


def test_no_action_is_a_wildcard() -> None:
    everything = actions(*PARTIES)
    assert len(everything) > 60
    assert [action for action in everything if "*" in action or "?" in action] == []


def test_only_actions_that_know_no_resource_are_allowed_on_every_resource() -> None:
    everywhere = {a for one in statements() if "*" in _list(one["Resource"]) for a in one["Action"]}
    assert everywhere == set(roles.WITHOUT_RESOURCE)


def test_every_other_resource_is_one_of_the_deployment_s_own() -> None:
    resources = {resource for one in statements() for resource in _list(one["Resource"])} - {"*"}
    foreign = {one for one in resources if "glaciers" not in one and ":::ice" not in one}
    assert foreign == {
        "arn:aws:s3:::usgs-landsat/*",
        "arn:aws:logs:us-west-2:123456789012:log-group:*",
        "arn:aws:lambda:us-west-2:123456789012:event-source-mapping:*",
    }


def test_every_statement_has_a_reason_and_every_reason_a_statement() -> None:
    assert {one["Sid"] for one in statements()} == set(REASONS)
    assert set(roles.documents(NAMES)) == set(PARTIES) == {str(party) for party in Party}


@pytest.mark.parametrize("party", PARTIES)
def test_a_policy_fits_a_managed_policy_however_long_the_names(party: str) -> None:
    document = roles.documents(LONGEST)[party]
    assert size(document) == len(json.dumps(document).replace(" ", ""))
    assert size(document) <= 6144


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutObject", RESULT),
        ("s3:GetObject", RESULT),
        ("s3:DeleteObject", RESULT),
        ("s3:GetObject", LANDSAT),
        ("logs:PutLogEvents", "arn:aws:logs:us-west-2:123456789012:log-group:/aws/lambda/glaciers:log-stream:x"),
        ("sqs:SendMessage", "arn:aws:sqs:us-west-2:123456789012:glaciers-failures"),
    ],
)
def test_the_worker_may(action: str, resource: str) -> None:
    assert decide([roles.worker(NAMES)], action, resource) == ALLOWED


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutObject", "arn:aws:s3:::ice/elsewhere/y.tif"),
        ("s3:PutObject", "arn:aws:s3:::ice/results"),
        ("s3:PutObject", "arn:aws:s3:::another/results/y.tif"),
        ("s3:PutObject", LANDSAT),
        ("s3:DeleteObject", LANDSAT),
        ("s3:GetObject", "arn:aws:s3:::ice/private.txt"),
        ("s3:DeleteBucket", "arn:aws:s3:::ice"),
        ("lambda:InvokeFunction", FUNCTION),
        ("logs:PutLogEvents", "arn:aws:logs:us-west-2:123456789012:log-group:/aws/lambda/glaciers-2:log-stream:x"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/glaciers-worker"),
        ("sqs:ReceiveMessage", "arn:aws:sqs:us-west-2:123456789012:glaciers-failures"),
    ],
)
def test_the_worker_may_not(action: str, resource: str) -> None:
    assert decide([roles.worker(NAMES)], action, resource) != ALLOWED


@pytest.mark.parametrize("party", ["worker", "submitter"])
def test_only_what_lies_below_the_prefix_can_be_listed(party: str) -> None:
    policies = [roles.documents(NAMES)[party]]
    for prefix, decision in (("results/", ALLOWED), ("results/runs/", ALLOWED), ("", ""), ("other/", "")):
        decided = decide(policies, "s3:ListBucket", "arn:aws:s3:::ice", {"s3:prefix": prefix})
        assert (decided == ALLOWED) == (decision == ALLOWED), prefix
    assert decide(policies, "s3:ListBucket", "arn:aws:s3:::ice") != ALLOWED


def test_the_deployer_hands_the_role_to_lambda_only() -> None:
    role = "arn:aws:iam::123456789012:role/glaciers-worker"
    for service, allowed in (("lambda.amazonaws.com", True), ("ec2.amazonaws.com", False)):
        decided = decide([roles.deployer(NAMES)], "iam:PassRole", role, {"iam:PassedToService": service})
        assert (decided == ALLOWED) == allowed


def test_with_a_role_of_ones_own_the_deployer_can_use_that_one_and_make_none() -> None:
    policies = [roles.deployer(NAMES, OWN_ROLE)]
    service = {"iam:PassedToService": "lambda.amazonaws.com"}
    allowed = {(one.action, one.resource) for one in grants(policies[0]) if one.action.startswith("iam:")}
    assert allowed == {("iam:GetRole", OWN_ROLE), ("iam:PassRole", OWN_ROLE)}
    assert decide(policies, "iam:PassRole", OWN_ROLE, service) == ALLOWED
    assert decide(policies, "iam:PassRole", OWN_ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}) != ALLOWED
    assert decide(policies, "iam:PassRole", NAMES.role_arn, service) != ALLOWED


def test_the_deployer_adds_event_sources_to_its_function_only() -> None:
    for function, allowed in ((FUNCTION, True), (f"{FUNCTION}:live", True), (f"{FUNCTION}-other", False)):
        decided = decide(
            [roles.deployer(NAMES)], "lambda:CreateEventSourceMapping", "*", {"lambda:FunctionArn": function}
        )
        assert (decided == ALLOWED) == allowed


def test_nobody_may_touch_what_lies_in_the_bucket_but_worker_and_submitter() -> None:
    assert decide([roles.deployer(NAMES)], "s3:PutObject", RESULT) != ALLOWED
    assert decide([roles.deployer(NAMES)], "s3:GetObject", RESULT) != ALLOWED
    assert decide([roles.submitter(NAMES)], "s3:DeleteObject", RESULT) != ALLOWED


def test_whatever_aws_is_asked_to_do_is_allowed_to_the_deployer_or_the_submitter() -> None:
    asked = {action for file in _files("aws") for action in asked_in(file)}
    assert len(asked) > 40
    allowed = actions("deployer", "submitter") | set(OPTIONAL) | {""}
    assert sorted(asked - allowed) == []


def test_nothing_is_allowed_to_the_deployer_that_is_never_asked_for() -> None:
    asked = {action for file in _files("aws") for action in asked_in(file)}
    pushed = {f"ecr:{action}" for action in PUSHED_WITH}
    assert sorted(actions("deployer") - asked - pushed - set(IMPLIED)) == []


def test_whatever_a_store_is_asked_to_do_is_allowed_to_the_worker_and_the_submitter() -> None:
    asked = set(store_actions_in(REPO / "src/glacierctl/storage/s3.py"))
    assert {"s3:GetObject", "s3:PutObject", "s3:ListBucket"} <= asked
    assert asked <= actions("worker")
    assert asked - {"s3:DeleteObject"} <= actions("submitter")


@pytest.mark.parametrize("file", ["failures", "hand_over", "log_events"])
def test_whatever_a_run_asks_of_aws_is_allowed_to_the_submitter(file: str) -> None:
    asked = set(asked_in(REPO / f"src/glacierctl/aws/{file}.py"))
    assert asked
    assert asked <= actions("submitter")


def test_the_scan_knows_every_client() -> None:
    made = {name for name, one in vars(Aws).items() if isinstance(one, cached_property)}
    assert made == CLIENTS


def test_docker_can_push_with_the_deployer_s_policy() -> None:
    assert {f"ecr:{action}" for action in PUSHED_WITH} <= actions("deployer")


def test_an_action_that_is_asked_for_nowhere_is_found_by_the_scan(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text(
        "aws.iam.create_user()\naws.logs.get_paginator('describe_log_groups').paginate()\n"
        "self._aws.functions.get_waiter('function_active_v2').wait()\nf(target.aws.s3.head_bucket)\n"
    )
    assert set(asked_in(source)) == {
        "iam:CreateUser",
        "logs:DescribeLogGroups",
        "lambda:GetFunction",
        "s3:ListBucket",
    }


def _files(room: str) -> list[Path]:
    return sorted((REPO / "src/glacierctl" / room).glob("*.py"))


def asked_in(file: Path) -> Iterator[str]:
    """IAM actions of all that a file asks of the clients of an `aws`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLIENTS and re.search(r"\b_?aws$", ast.unparse(node.value)):
            method = parents[node]
            assert isinstance(method, ast.Attribute), f"{file}:{node.lineno}: a client must be called where it is named"
            yield action_of(SERVICES.get(node.attr, node.attr), *_operation(method, parents[method], file))


def store_actions_in(file: Path) -> Iterator[str]:
    client = boto3.client("s3", region_name="us-west-2")
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if name == "get_paginator":
                yield action_of("s3", *_operation(node.func, node, file))
            elif name in client.meta.method_to_api_mapping:
                yield action_of("s3", "method", name)


def _operation(method: ast.Attribute, call: ast.AST, file: Path) -> tuple[str, str]:
    if method.attr in {"get_paginator", "get_waiter"}:
        assert isinstance(call, ast.Call)
        assert isinstance(call.args[0], ast.Constant), f"{file}:{method.lineno}: the name must be written out"
        return method.attr, str(call.args[0].value)
    return "method", method.attr


def action_of(service: str, kind: str, name: str) -> str:
    client: Any = boto3.client(service, region_name="us-west-2")
    if kind == "get_waiter":
        operation = client.get_waiter(name).config.operation
    else:
        operation = client.meta.method_to_api_mapping[name]
    prefix = "servicequotas" if service == "service-quotas" else service
    action = f"{prefix}:{operation}"
    return OTHER_ACTIONS.get(action, action)


def _list(told: Any) -> list[Any]:
    return told if isinstance(told, list) else [told]
