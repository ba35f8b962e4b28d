"""A Zip function with everything on it that a conversion carries over, and its code, which moto gives to nobody."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.deployments import Trial

from glacierctl.aws import function
from glacierctl.aws.session import Aws

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
QUEUES = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}],
}
"""What the old role may."""
VARIABLES = {"MINE": "kept", "GLACIERCTL_PREFIX": "old/"}
RETENTION_DAYS = 7


def make_code(text: str = "def handler(event, context): return 1") -> bytes:
    """A package, the same bytes for the same text."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), text)
    return packed.getvalue()


CODE = make_code()


@dataclass
class Old:
    """The function of a `trial` as a Zip package, with all that hangs on it."""

    trial: Trial
    aws: Aws = field(init=False)
    role_arn: str = field(init=False)
    queue_arn: str = field(init=False)

    def __post_init__(self) -> None:
        self.aws, names = self.trial.aws, self.trial.names
        role = self.aws.iam.create_role(RoleName=f"{names.function}-old", AssumeRolePolicyDocument=json.dumps(TRUST))
        self.role_arn = role["Role"]["Arn"]
        self.aws.iam.put_role_policy(
            RoleName=f"{names.function}-old", PolicyName="queues", PolicyDocument=json.dumps(QUEUES)
        )
        self._make_function()
        self._hang_things_on_it()

    def _make_function(self) -> None:
        self.aws.functions.create_function(
            FunctionName=self.trial.names.function,
            Runtime="python3.12",
            Handler="app.handler",
            Role=self.role_arn,
            Code={"ZipFile": CODE},
            Environment={"Variables": VARIABLES},
            MemorySize=512,
            Timeout=60,
            Description="the old one",
            Tags={"team": "ice"},
        )

    def _hang_things_on_it(self) -> None:
        lambda_, names = self.aws.functions, self.trial.names
        name = names.function
        version = lambda_.publish_version(FunctionName=name)["Version"]
        lambda_.create_alias(FunctionName=name, Name="prod", FunctionVersion=version, Description="the users'")
        lambda_.add_permission(
            FunctionName=name, StatementId="bucket", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
            SourceArn="arn:aws:s3:::incoming", SourceAccount=names.account,
        )  # fmt: skip
        lambda_.add_permission(
            FunctionName=name, StatementId="topic", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com",
            SourceArn=f"arn:aws:sns:us-west-2:{names.account}:news",
        )  # fmt: skip
        url = self.aws.sqs.create_queue(QueueName=f"{name}-incoming")["QueueUrl"]
        self.queue_arn = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=self.queue_arn, BatchSize=3)
        lambda_.put_function_event_invoke_config(
            FunctionName=name, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=600,
            DestinationConfig={"OnSuccess": {"Destination": self.queue_arn}},
        )  # fmt: skip
        lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
        self.aws.logs.create_log_group(logGroupName=names.log_group)
        self.aws.logs.put_retention_policy(logGroupName=names.log_group, retentionInDays=RETENTION_DAYS)

    def sources(self) -> list[Any]:
        """Event source mappings of the function."""
        found = self.aws.functions.list_event_source_mappings(FunctionName=self.trial.names.function)
        return list(found["EventSourceMappings"])


def look(trial: Trial) -> dict[str, Any]:
    """All that a conversion shall carry over, as the account tells it."""
    lambda_, names = trial.aws.functions, trial.names
    name = names.function
    told = lambda_.get_function(FunctionName=name)
    policy = json.loads(lambda_.get_policy(FunctionName=name)["Policy"])["Statement"]
    mappings = lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    invocations = lambda_.get_function_event_invoke_config(FunctionName=name)
    group = trial.aws.logs.describe_log_groups(logGroupNamePrefix=names.log_group)["logGroups"][0]
    return {
        "mine": told["Configuration"]["Environment"]["Variables"]["MINE"],
        "team": told["Tags"]["team"],
        "aliases": sorted(
            one["Name"] for one in lambda_.list_aliases(FunctionName=name)["Aliases"] if one["Name"] != "live"
        ),
        "permissions": {one["Sid"]: _of_statement(one) for one in policy},
        "sources": [(one["EventSourceArn"], one["BatchSize"], one["State"]) for one in mappings],
        "attempts": invocations["MaximumRetryAttempts"],
        "on_success": invocations["DestinationConfig"]["OnSuccess"]["Destination"],
        "concurrency": lambda_.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"],
        "retention": group["retentionInDays"],
    }


def _of_statement(statement: Mapping[str, Any]) -> tuple[Any, ...]:
    return statement["Principal"], statement["Action"], json.dumps(statement.get("Condition"), sort_keys=True)


def package_of(trial: Trial) -> str:
    """Zip or Image; empty if there is no function."""
    found = function.read(trial.aws, trial.names)
    return found.package if found else ""


def hash_of(code: bytes) -> str:
    """As Lambda writes it."""
    return base64.b64encode(hashlib.sha256(code).digest()).decode()
