"""Sessions: where credentials, endpoints and AWS regions come from, as boto3 finds them."""

from typing import TYPE_CHECKING

import boto3
import botocore
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def s3_client(aws_region: str, *, connect_timeout_s: float, read_timeout_s: float, connections: int = 16) -> "S3Client":
    """Client for reading scenes: signed if there are credentials, unsigned otherwise.

    It does not repeat failed requests: whoever reads does, and counts them. Profiles and `AWS_ENDPOINT_URL` hold.
    """
    session = boto3.Session()
    client: S3Client = session.client(
        "s3",
        region_name=aws_region,
        config=Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            max_pool_connections=connections,
            retries={"total_max_attempts": 1},
            signature_version=None if session.get_credentials() else botocore.UNSIGNED,
        ),
    )
    return client
