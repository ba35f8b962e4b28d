"""What AWS charges: list prices in US dollars, with their date, without free tiers, discounts and taxes."""

import datetime as dt
from dataclasses import dataclass

from glacierctl.choices import Architecture

AS_OF = dt.date(2026, 6, 1)
"""The day of the table. Prices change rarely, and nearly always downwards."""

SOURCES = (
    "https://aws.amazon.com/lambda/pricing/",
    "https://aws.amazon.com/s3/pricing/",
    "https://aws.amazon.com/cloudwatch/pricing/",
)
"""Where they are published: the first tier of each, S3 Standard, logs of the standard class."""

NOT_INCLUDED = (
    "free tiers, savings plans and taxes",
    "data that leaves the AWS region",
    "reads and listings of one's own S3, the failure queue, the image in ECR, logs that are kept",
    "scratch space above 512 MB, SnapStart and provisioned concurrency",
)
"""What no figure made of these prices holds, in words."""

_MB_PER_GB = 1024
"""Lambda's GB-seconds count 1024 MB as one GB."""
_BYTES_PER_GB = 1e9
_LIKE_OREGON = ("us-west-2", "us-east-1", "us-east-2")
"""AWS regions that have the prices of the table."""


@dataclass(frozen=True)
class Prices:
    """US dollars for one unit of each."""

    aws_region: str
    """Whose prices these are."""
    x86_gb_second: float
    """One GB of memory for one second on x86_64: the first 6 billion a month."""
    arm_gb_second: float
    """The same on arm64: the first 7.5 billion a month."""
    request: float
    """One invocation."""
    put: float
    """One PUT, COPY, POST or LIST of S3 Standard."""
    get: float
    """One GET of S3 Standard, such as a read of a scene that its reader pays for; in its region the bytes are free."""
    stored_gb_month: float
    """One GB in S3 Standard for a month: the first 50 TB."""
    log_gb: float
    """One GB written to a log group: the first 10 TB a month."""

    def compute(self, gb_seconds: float, architecture: Architecture) -> float:
        """Dollars for memory over time, as Lambda bills it."""
        each = self.arm_gb_second if architecture is Architecture.ARM64 else self.x86_gb_second
        return gb_seconds * each

    def requests(self, count: float) -> float:
        """Dollars for invocations."""
        return count * self.request

    def puts(self, count: float) -> float:
        """Dollars for objects that are written."""
        return count * self.put

    def gets(self, count: float) -> float:
        """Dollars for reads of scenes that their reader pays for."""
        return count * self.get

    def storage_month(self, size_bytes: int) -> float:
        """Dollars a month for what lies in S3."""
        return size_bytes / _BYTES_PER_GB * self.stored_gb_month

    def logs(self, size_bytes: float) -> float:
        """Dollars for what is written to logs."""
        return size_bytes / _BYTES_PER_GB * self.log_gb


_OREGON = Prices(
    aws_region="us-west-2",
    x86_gb_second=0.0000166667,
    arm_gb_second=0.0000133334,
    request=0.20 / 1e6,
    put=0.005 / 1000,
    get=0.0004 / 1000,
    stored_gb_month=0.023,
    log_gb=0.50,
)


def prices_of(aws_region: str) -> Prices:
    """The prices of an AWS region; of one that is not in the table those of us-west-2, as `Prices.aws_region` tells."""
    if aws_region not in _LIKE_OREGON:
        return _OREGON
    return Prices(**{**_OREGON.__dict__, "aws_region": aws_region})


def gb_seconds(memory_mb: int, milliseconds: float) -> float:
    """Memory over time in Lambda's unit.

    Args:
        memory_mb: memory of the function.
        milliseconds: billed duration.
    """
    return memory_mb / _MB_PER_GB * milliseconds / 1000
