"""What is said of a Zip function before it is converted."""

from dataclasses import replace
from typing import Any

import pytest

from glacierctl.aws.carrying import _arguments
from glacierctl.aws.conversion_words import carried, lost
from glacierctl.aws.package import Package
from glacierctl.aws.surroundings import Surroundings

ROLE = "arn:aws:iam::123456789012:role/old"
PLAIN = {"Role": ROLE, "Handler": "app.handler", "CodeSha256": "x"}
NOTHING = Surroundings((), 0, {}, (), (), None, (), (), 30)
STATEMENT = {
    "Sid": "bucket",
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Resource": "arn:aws:lambda:us-west-2:123456789012:function:x",
    "Condition": {
        "StringEquals": {"AWS:SourceAccount": "123456789012"},
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::incoming"},
    },
}


def lost_of(configuration: dict[str, Any] | None = None, around: Surroundings = NOTHING, role: str = ROLE) -> list[str]:
    return list(lost(Package({**PLAIN, **(configuration or {})}, {}), around, role))


def test_of_a_plain_function_only_code_and_waiting_events_are_lost() -> None:
    assert lost_of() == [
        "its code and its handler app.handler, which stay in the backup",
        "asynchronous invocations that wait at that moment",
    ]
    assert list(carried(Package(PLAIN, {}), NOTHING)) == ["logs, kept 30 days as now"]


@pytest.mark.parametrize(
    ("configuration", "name"),
    [
        ({"VpcConfig": {"SubnetIds": ["s"], "SecurityGroupIds": ["g"]}}, "VpcConfig"),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:x"}}, "DeadLetterConfig"),
        ({"TracingConfig": {"Mode": "Active"}}, "TracingConfig"),
        ({"KMSKeyArn": "arn:aws:kms:x"}, "KMSKeyArn"),
        ({"FileSystemConfigs": [{"Arn": "a", "LocalMountPath": "/mnt/x"}]}, "FileSystemConfigs"),
    ],
)
def test_what_the_new_role_may_not_is_lost_unless_the_old_one_stays(configuration: dict[str, Any], name: str) -> None:
    told = f"{name}, for which the new role has no permissions; say --role {ROLE} to keep it"
    assert told in lost_of(configuration, role="arn:aws:iam::123456789012:role/new")
    assert lost_of(configuration) == lost_of()


@pytest.mark.parametrize(
    "configuration",
    [
        {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""}},
        {"TracingConfig": {"Mode": "PassThrough"}},
        {"FileSystemConfigs": []},
    ],
)
def test_what_is_empty_is_not_lost(configuration: dict[str, Any]) -> None:
    new = "arn:aws:iam::123456789012:role/new"
    assert lost_of(configuration, role=new) == lost_of(role=new)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"versions": 3}, "3 published versions"),
        ({"urls": ("https://x.lambda-url.us-west-2.on.aws/",)}, "its address https://x.lambda-url"),
        ({"provisioned": ("prod",)}, "provisioned concurrency of prod"),
        ({"retention_days": None}, "logs that were kept for ever"),
        (
            {"aliases": ({"Name": "a", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},)},
            "shares of invocations",
        ),
        ({"permissions": {"": ({**STATEMENT, "Effect": "Deny"},)}}, "permission bucket"),
    ],
)
def test_what_cannot_be_made_again_is_named(changed: dict[str, Any], word: str) -> None:
    more = lost_of(around=replace(NOTHING, **changed))
    assert len(more) == 3
    assert word in more[-1]


def test_a_permission_is_said_as_addpermission_takes_it() -> None:
    assert _arguments(STATEMENT) == {
        "StatementId": "bucket",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
        "SourceAccount": "123456789012",
        "SourceArn": "arn:aws:s3:::incoming",
    }


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", "*"),
        ({"AWS": "arn:aws:iam::123456789012:root"}, "123456789012"),
        ({"AWS": "arn:aws:iam::123456789012:role/x"}, "arn:aws:iam::123456789012:role/x"),
    ],
)
def test_a_principal_is_said_as_addpermission_takes_it(principal: Any, expected: str) -> None:
    said = _arguments({**STATEMENT, "Principal": principal})
    assert said is not None
    assert said["Principal"] == expected


@pytest.mark.parametrize(
    "spoiled",
    [
        {"Action": "lambda:*"},
        {"Principal": {"AWS": ["a", "b"]}},
        {"Principal": None},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Condition": {"StringEquals": {"AWS:SourceAccount": ["1", "2"]}}},
    ],
)
def test_a_permission_that_would_come_out_wider_is_not_said(spoiled: dict[str, Any]) -> None:
    assert _arguments({**STATEMENT, **spoiled}) is None
