"""What is said of a Zip function before it is converted, and after."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_changes import WANTED, plan

from glacierctl.aws.apply import Deployed
from glacierctl.aws.carrying import _arguments
from glacierctl.aws.conversion import Conversion
from glacierctl.aws.conversion_words import carried, lost
from glacierctl.aws.package import Package
from glacierctl.aws.surroundings import Surroundings
from glacierctl.cli.deploy import _show_deployed

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


def lost_of(
    configuration: dict[str, Any] | None = None, around: Surroundings = NOTHING, role: str | None = ROLE
) -> list[str]:
    return list(lost(Package({**PLAIN, **(configuration or {})}, {}), around, replace(WANTED, role_arn=role)))


def carried_of(around: Surroundings, role: str | None = ROLE) -> list[str]:
    return list(carried(Package(PLAIN, {}), around, replace(WANTED, role_arn=role)))


def test_of_a_plain_function_only_code_and_waiting_events_are_lost() -> None:
    assert lost_of() == [
        "its code and its handler app.handler, which stay in the backup",
        "asynchronous invocations that wait at that moment",
    ]
    assert carried_of(NOTHING) == ["logs, kept 30 days as now"]


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


@pytest.mark.parametrize(
    ("mapping", "stays"),
    [
        ({"EventSourceArn": "arn:aws:kinesis:us-west-2:123456789012:stream/x"}, False),
        ({"SelfManagedEventSource": {}, "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "x"}]}, False),
        ({"SelfManagedEventSource": {}, "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sns:x"}}}, False),
        ({"SelfManagedEventSource": {}, "DestinationConfig": {"OnFailure": {}}}, True),
    ],
)
def test_an_event_source_that_takes_a_permission_is_lost_with_the_role(mapping: dict[str, Any], stays: bool) -> None:
    around = replace(NOTHING, mappings=({**mapping, "UUID": "1", "Enabled": True},))
    lines = [
        any("event source" in one for one in told) for told in (carried_of(around, None), lost_of(None, around, None))
    ]
    assert lines == [stays, not stays]
    assert any("event source" in one for one in carried_of(around))


@pytest.mark.parametrize(
    ("qualifier", "when", "arn", "kept"),
    [
        ("prod", "OnSuccess", "arn:aws:sns:x", False),
        ("prod", "OnFailure", "arn:aws:sns:x", False),
        ("prod", "OnFailure", WANTED.names.queue_arn, True),
        ("live", "OnSuccess", WANTED.names.queue_arn, True),
        ("3", "OnSuccess", WANTED.names.queue_arn, False),
    ],
)
def test_a_destination_is_carried_over_or_lost_never_both(qualifier: str, when: str, arn: str, kept: bool) -> None:
    settings = {"Qualifier": qualifier, "DestinationConfig": {when: {"Destination": arn}, "OnOther": {}}}
    around = replace(NOTHING, invocations=(settings,))
    told = carried_of(around, None), lost_of(None, around, None)
    assert [any("destination" in one for one in lines) for lines in told] == [kept, not kept]


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


def test_what_could_not_be_carried_over_is_the_last_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    done = Deployed(2, "image", changed=True, worker_version="1", not_carried=("the event source x: AWS says no",))
    _show_deployed(plan(), done, Conversion((), (), interrupted=False, folder=Path("kept")))
    assert capsys.readouterr().out.splitlines() == [
        "Deployed: live is version 2 of glaciers, and it answers.",
        "See all versions with `glacierctl deploy history`; go back with `glacierctl deploy rollback`.",
        "Not carried over: the event source x: AWS says no",
        "Mend what AWS says and set it up by hand: how it was is written in kept.",
    ]
