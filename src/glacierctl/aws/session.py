"""Sessions: where credentials, endpoints and AWS regions come from, as boto3 finds them."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict

import boto3
import botocore
from botocore.config import Config

from glacierctl.aws.errors import talking_about

if TYPE_CHECKING:
    from types_boto3_ecr import ECRClient
    from types_boto3_iam import IAMClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_service_quotas import ServiceQuotasClient
    from types_boto3_sqs import SQSClient
    from types_boto3_sts import STSClient


class _Options(TypedDict):
    region_name: str
    config: Config


@dataclass(frozen=True)
class Patience:
    """How long a change of AWS is waited for."""

    delay_s: float = 2.0
    """Between two questions, seconds."""
    attempts: int = 150
    """How often it is asked; with the default delay, five minutes. A large image takes one or two to become ready."""

    def waiter_config(self) -> dict[str, float]:
        """As botocore's waiters want it."""
        return {"Delay": self.delay_s, "MaxAttempts": self.attempts}


@dataclass(frozen=True)
class Aws:
    """AWS's control plane in one AWS region: one client for each service, made when it is first needed."""

    aws_region: str
    """Such as us-west-2."""
    patience: Patience
    """How long changes are waited for."""
    session: boto3.Session = field(repr=False)
    """Where credentials and endpoints come from."""
    retries: int = 6
    """How often a request that is throttled or gets no answer is made before it counts as failed."""

    @cached_property
    def ecr(self) -> "ECRClient":
        """The registry of images."""
        client: ECRClient = self.session.client("ecr", **self._options())
        return client

    @cached_property
    def iam(self) -> "IAMClient":
        """Roles and policies."""
        client: IAMClient = self.session.client("iam", **self._options())
        return client

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda."""
        # A smoke invocation waits for the function's start, which for a large image takes longer than other answers.
        client: LambdaClient = self.session.client("lambda", **self._options(read_timeout_s=120))
        return client

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        client: CloudWatchLogsClient = self.session.client("logs", **self._options())
        return client

    @cached_property
    def quotas(self) -> "ServiceQuotasClient":
        """Service quotas."""
        client: ServiceQuotasClient = self.session.client("service-quotas", **self._options())
        return client

    @cached_property
    def s3(self) -> "S3Client":
        """Buckets, not what is in them."""
        client: S3Client = self.session.client("s3", **self._options())
        return client

    @cached_property
    def sqs(self) -> "SQSClient":
        """Queues."""
        client: SQSClient = self.session.client("sqs", **self._options())
        return client

    @cached_property
    def sts(self) -> "STSClient":
        """Whose credentials these are."""
        client: STSClient = self.session.client("sts", **self._options())
        return client

    def _options(self, *, read_timeout_s: float = 30) -> _Options:
        config = Config(
            connect_timeout=10,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": self.retries},
            user_agent_extra="glacierctl",
        )
        return {"region_name": self.aws_region, "config": config}


def connect(aws_region: str, patience: Patience) -> Aws:
    """Say which AWS region is talked to; nothing is asked yet.

    Raises:
        NoCredentials: the profile that AWS_PROFILE names does not exist.
    """
    with talking_about("the account"):
        return Aws(aws_region, patience, boto3.Session())


def s3_client(
    aws_region: str, *, connect_timeout_s: float, read_timeout_s: float, connections: int = 16, attempts: int = 1
) -> "S3Client":
    """Client for scenes and stores: signed if there are credentials, unsigned otherwise.

    With one attempt it does not repeat failed requests: whoever reads scenes does, and counts them. A store lets it.
    Profiles and `AWS_ENDPOINT_URL` hold.
    """
    session = boto3.Session()
    client: S3Client = session.client(
        "s3",
        region_name=aws_region,
        config=Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            max_pool_connections=connections,
            retries={"mode": "standard", "total_max_attempts": attempts},
            signature_version=None if session.get_credentials() else botocore.UNSIGNED,
        ),
    )
    return client
