"""Whose credentials these are."""

from dataclasses import dataclass

from botocore.session import get_session

from glacierctl.aws.errors import talking_about
from glacierctl.aws.session import Aws


@dataclass(frozen=True)
class Identity:
    """Who AWS takes us for."""

    account: str
    """Number of the account, twelve digits."""
    arn: str
    """The user or the role."""

    @property
    def partition(self) -> str:
        """`aws`, or that of another cloud of Amazon's."""
        return self.arn.split(":")[1]


def who_am_i(aws: Aws) -> Identity:
    """Ask AWS; it answers everybody whose credentials are valid.

    Raises:
        NoCredentials, ExpiredCredentials, Unreachable: as they say.
    """
    with talking_about("the account"):
        answer = aws.sts.get_caller_identity()
        return Identity(answer["Account"], answer["Arn"])


def partition_of(aws_region: str) -> str:
    """The cloud that an AWS region belongs to: `aws`, `aws-us-gov`, `aws-cn`, ... Nothing is asked."""
    with talking_about(f"the AWS region {aws_region}"):
        return get_session().get_partition_for_region(aws_region)
