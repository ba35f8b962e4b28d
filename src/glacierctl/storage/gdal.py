"""How GDAL reaches what an S3 client reaches. It knows neither `AWS_ENDPOINT_URL` nor profiles' endpoints."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore import UNSIGNED

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class S3Access:
    """Can be handed to other processes, which find the credentials where they are."""

    aws_region: str
    """Of the client."""
    signed: bool
    """Whether there are credentials."""
    options: tuple[tuple[str, str], ...]
    """GDAL's configuration options, as (name, value)."""


def s3_access(client: "S3Client") -> S3Access:
    """Let GDAL talk to the same endpoint as `client`, with the same name for buckets."""
    address = urlsplit(client.meta.endpoint_url)
    own = not address.netloc.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    options = {
        "AWS_S3_ENDPOINT": address.netloc + address.path.rstrip("/"),
        "AWS_HTTPS": "YES" if address.scheme == "https" else "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }
    return S3Access(
        aws_region=client.meta.region_name,
        signed=getattr(client.meta.config, "signature_version", None) is not UNSIGNED,
        options=tuple(options.items()) if own else (),
    )
