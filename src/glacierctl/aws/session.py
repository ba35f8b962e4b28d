"""Sessions: where credentials, endpoints and AWS regions come from, as all of AWS's own tools find them.

Botocore's own, for boto3 has nothing on top that is needed here, and rasterio loads it wherever it is installed: that
takes longer than a small region does (docs/decisions/0008).
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import botocore
from botocore.config import Config
from botocore.session import Session, get_session

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


@dataclass(frozen=True)
class Patience:
    """How long a change of AWS is waited for."""

    delay_s: float = 2.0
    """Between two questions, seconds."""
    attempts: int = 150
    """How often it is asked; with the default delay, five minutes. A large image takes one or two to become ready."""
    lease_s: float = 180.0
    """After so many seconds without a sign of life a deploy counts as dead; longer than any single answer of AWS."""


@dataclass(frozen=True)
class Aws:
    """AWS's control plane in one AWS region: one client for each service, made when it is first needed."""

    aws_region: str
    """Such as us-west-2."""
    patience: Patience
    """How long changes are waited for."""
    session: Session = field(repr=False)
    """Where credentials and endpoints come from."""
    retries: int = 6
    """How often a request that is throttled or gets no answer is made before it counts as failed."""

    @cached_property
    def ecr(self) -> "ECRClient":
        """The registry of images."""
        client: ECRClient = self._client("ecr")
        return client

    @cached_property
    def iam(self) -> "IAMClient":
        """Roles and policies."""
        client: IAMClient = self._client("iam")
        return client

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda."""
        client: LambdaClient = self._client("lambda")
        return client

    @cached_property
    def invoker(self) -> "LambdaClient":
        """Lambda, for an invocation that is waited for: not repeated, as it may be running still."""
        # A large image takes longer to start than anything else takes to answer.
        client: LambdaClient = self._client("lambda", read_timeout_s=120, attempts=1)
        return client

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        client: CloudWatchLogsClient = self._client("logs")
        return client

    @cached_property
    def quotas(self) -> "ServiceQuotasClient":
        """Service quotas."""
        client: ServiceQuotasClient = self._client("service-quotas")
        return client

    @cached_property
    def s3(self) -> "S3Client":
        """Buckets, not what is in them."""
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def sqs(self) -> "SQSClient":
        """Queues."""
        client: SQSClient = self._client("sqs")
        return client

    @cached_property
    def sts(self) -> "STSClient":
        """Whose credentials these are."""
        client: STSClient = self._client("sts")
        return client

    def _client(self, service: str, *, read_timeout_s: float = 30, attempts: int | None = None) -> Any:
        config = Config(
            connect_timeout=10,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts or self.retries},
            user_agent_extra="glacierctl",
        )
        return self.session.create_client(service, region_name=self.aws_region, config=config)


def connect(aws_region: str, patience: Patience) -> Aws:
    """Say which AWS region is talked to; nothing is asked yet.

    Raises:
        NoCredentials: the profile that AWS_PROFILE names does not exist.
    """
    with talking_about("the account"):
        session = get_session()
        session.get_scoped_config()  # read now, so that a profile that does not exist is said here
        return Aws(aws_region, patience, session)


def s3_client(
    aws_region: str, *, connect_timeout_s: float, read_timeout_s: float, connections: int = 16, attempts: int = 1
) -> "S3Client":
    """Client for scenes and stores: signed if there are credentials, unsigned otherwise.

    With one attempt it does not repeat failed requests: whoever reads scenes does, and counts them. A store lets it.
    Profiles and `AWS_ENDPOINT_URL` hold.

    Raises:
        NoCredentials: the profile that AWS_PROFILE names does not exist.
    """
    with talking_about("the account"):
        session = get_session()
        client = session.create_client(
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
    return cast("S3Client", client)


def credentials_environment(aws_region: str) -> dict[str, str]:
    """Credentials and S3's address that hold here, as variables for a process elsewhere; without any it signs nothing.

    Raises:
        NoCredentials, ExpiredCredentials: the profile does not exist, or its credentials cannot be had.
    """
    with talking_about("the account"):
        session = get_session()
        credentials = session.get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
        endpoint = session.create_client("s3", region_name=aws_region).meta.endpoint_url
    variables = {
        "AWS_REGION": aws_region,
        "AWS_DEFAULT_REGION": aws_region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": frozen.access_key if frozen else "",
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key if frozen else "",
        "AWS_SESSION_TOKEN": (frozen.token or "") if frozen else "",
        "AWS_ENDPOINT_URL_S3": "" if "amazonaws.com" in endpoint else endpoint,
    }
    return {name: value for name, value in variables.items() if value}
