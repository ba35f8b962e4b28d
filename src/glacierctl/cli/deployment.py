"""The deployment that a command is about: the flags that name it, its settings, and the account it lies in."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from glacierctl.aws.names import Names
    from glacierctl.aws.session import Aws
    from glacierctl.aws.wanted import Wanted, WantedImage
    from glacierctl.config import Settings

FunctionOption = Annotated[
    str | None,
    typer.Option(
        "--function", metavar="NAME", help="Name of the Lambda function.  [default: glacier-sentinel2-processor]"
    ),
]
RepositoryOption = Annotated[
    str | None,
    typer.Option(
        "--repository", metavar="NAME", help="Name of the image's repository.  [default: glacier-sentinel2-processor]"
    ),
]
AliasOption = Annotated[
    str | None, typer.Option("--alias", metavar="NAME", help="Name of the alias that runs use.  [default: live]")
]
BucketOption = Annotated[
    str | None,
    typer.Option("--bucket", metavar="NAME", help="Bucket of the results.  [default: greenland-glacier-data]"),
]
PrefixOption = Annotated[
    str | None,
    typer.Option("--prefix", metavar="PREFIX/", help="What keys in the bucket begin with.  [default: results/]"),
]
AwsRegionOption = Annotated[
    str | None, typer.Option("--aws-region", metavar="NAME", help="AWS region.  [default: us-west-2]")
]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What was typed of a deployment's names; None where a flag was not given."""

    function_name: str | None = None
    repository: str | None = None
    alias: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    aws_region: str | None = None

    def flags(self) -> dict[str, object]:
        """Settings that were given as flags, by the names that `config` has for them."""
        return asdict(self)


def reach(settings: "Settings") -> "tuple[Aws, Names]":
    """The account that the credentials belong to, and what the deployment's parts are called there.

    Raises:
        NoCredentials, ExpiredCredentials, Unreachable: as they say.
    """
    from glacierctl.aws.identity import who_am_i
    from glacierctl.aws.session import Patience, connect

    aws = connect(settings.aws_region, Patience())
    identity = who_am_i(aws)
    return aws, names_in(settings, identity.account, identity.partition)


def names_in(settings: "Settings", account: str, partition: str = "aws") -> "Names":
    """What the deployment's parts are called in an account of twelve digits."""
    from glacierctl.aws.names import Names

    return Names(
        account=account,
        aws_region=settings.aws_region,
        function=settings.function_name,
        repository=settings.repository,
        alias=settings.alias,
        bucket=settings.bucket,
        prefix=settings.prefix,
        partition=partition,
    )


def wanted_of(settings: "Settings", names: "Names", image: "WantedImage") -> "Wanted":
    """What the deployment shall be, as the settings say."""
    from glacierctl import __version__
    from glacierctl.aws.wanted import Wanted

    return Wanted(
        names=names,
        image=image,
        version=__version__,
        role_arn=settings.role,
        memory_mb=settings.memory_mb,
        timeout_s=settings.timeout_s,
        ephemeral_storage_mb=settings.ephemeral_storage_mb,
        architecture=settings.architecture,
        log_retention_days=settings.log_retention_days,
        snapstart=settings.snapstart,
        reserved_concurrency=settings.reserved_concurrency,
    )
