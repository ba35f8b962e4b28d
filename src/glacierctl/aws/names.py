"""What everything of a deployment is called in the account."""

from dataclasses import dataclass

MANAGED = "glacierctl:managed"
"""Tag of all that belongs to a deployment: `true` on what was made by it, `adopted` on what was there before."""


@dataclass(frozen=True)
class Names:
    """The names and addresses of one deployment, all from these few."""

    account: str
    """Number of the account, twelve digits."""
    aws_region: str
    """Such as us-west-2."""
    function: str
    """Name of the Lambda function; its role, log group and queue are named after it."""
    repository: str
    """Name of the ECR repository."""
    alias: str
    """Name of the alias that runs use."""
    bucket: str
    """Name of the bucket that results go to."""
    prefix: str
    """What keys in the bucket begin with, ending in a slash."""
    partition: str = "aws"
    """`aws`, or that of another cloud of Amazon's, such as aws-us-gov."""

    @property
    def role(self) -> str:
        """The role that the function works as."""
        return f"{self.function}-worker"

    @property
    def log_group(self) -> str:
        """Where the function's logs go."""
        return f"/aws/lambda/{self.function}"

    @property
    def queue(self) -> str:
        """Where invocations end up that failed for good."""
        return f"{self.function}-failures"

    @property
    def registry(self) -> str:
        """Host of the account's registry."""
        ending = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        return f"{self.account}.dkr.ecr.{self.aws_region}.{ending}"

    @property
    def repository_uri(self) -> str:
        """The repository as an image's name begins."""
        return f"{self.registry}/{self.repository}"

    @property
    def function_arn(self) -> str:
        """Of the function, unqualified."""
        return self._arn("lambda", f"function:{self.function}")

    @property
    def event_sources_arn(self) -> str:
        """Of all event source mappings of the account; which function they are for, no ARN tells."""
        return self._arn("lambda", "event-source-mapping:*")

    @property
    def repository_arn(self) -> str:
        """Of the repository."""
        return self._arn("ecr", f"repository/{self.repository}")

    @property
    def log_group_arn(self) -> str:
        """Of the log group, without the `:*` that stands for its streams."""
        return self._arn("logs", f"log-group:{self.log_group}")

    @property
    def queue_arn(self) -> str:
        """Of the failure queue."""
        return self._arn("sqs", self.queue)

    @property
    def role_arn(self) -> str:
        """Of the role."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.role}"

    @property
    def bucket_arn(self) -> str:
        """Of the bucket."""
        return f"arn:{self.partition}:s3:::{self.bucket}"

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.aws_region}:{self.account}:{resource}"
