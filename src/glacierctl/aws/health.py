"""How it stands with what a deployment lies on: the credentials, the bucket, the repository."""

from typing import Any

from glacierctl.aws import repository
from glacierctl.aws.errors import Denied, NotFound, talking_about
from glacierctl.aws.finding import Finding, Verdict
from glacierctl.aws.identity import Identity
from glacierctl.aws.names import Names
from glacierctl.aws.session import Aws

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def check_identity(identity: Identity) -> Finding:
    """Whose credentials these are; better not the account's root."""
    words = f"{identity.arn} in account {identity.account}"
    if identity.arn.endswith(":root"):
        hint = "Use a user or role with the policies that `glacierctl iam show` prints."
        return Finding("credentials", Verdict.LOOK, f"{words}, which may do everything", hint)
    return Finding("credentials", Verdict.OK, words)


def check_bucket(aws: Aws, names: Names) -> Finding:
    """Whether the bucket exists, lies in the AWS region, is closed to the public, and keeps old versions."""
    try:
        with talking_about(f"the bucket {names.bucket}"):
            lies_in = aws.s3.head_bucket(Bucket=names.bucket).get("BucketRegion") or names.aws_region
    except NotFound:
        make = f"aws s3 mb s3://{names.bucket} --region {names.aws_region}"
        return Finding("bucket", Verdict.BROKEN, f"there is no bucket {names.bucket}", make)
    except Denied as error:
        words = f"{names.bucket} belongs to another account, or these credentials may not look at it: {error.why}"
        return Finding("bucket", Verdict.BROKEN, words, "Choose another with --bucket, or see `glacierctl iam diff`.")
    if lies_in != names.aws_region:
        words = (
            f"{names.bucket} lies in {lies_in}, the function in {names.aws_region}: what is written crosses, and costs"
        )
        return Finding(
            "bucket", Verdict.LOOK, words, f"Use a bucket in {names.aws_region}, or say --aws-region {lies_in}."
        )
    versioned = _versioned(aws, names)
    if not _is_closed(aws, names):
        close = ",".join(f"{block}=true" for block in _BLOCKS)
        return Finding(
            "bucket",
            Verdict.LOOK,
            f"{names.bucket} in {lies_in} is not closed to the public{versioned}",
            f"aws s3api put-public-access-block --bucket {names.bucket} --public-access-block-configuration {close}",
        )
    return Finding("bucket", Verdict.OK, f"{names.bucket} in {lies_in}, closed to the public{versioned}")


def check_repository(aws: Aws, names: Names) -> Finding:
    """Whether the image's repository is there."""
    found = repository.read(aws, names)
    if found is None:
        return Finding("repository", Verdict.LOOK, f"there is no {names.repository} yet", "glacierctl deploy")
    images = f"{len(found.images)} image{'' if len(found.images) == 1 else 's'}"
    return Finding("repository", Verdict.OK, f"{names.repository} with {images}, {len(found.kept())} of them in use")


def _is_closed(aws: Aws, names: Names) -> bool:
    try:
        with talking_about(f"the bucket {names.bucket}"):
            told: Any = aws.s3.get_public_access_block(Bucket=names.bucket)
    except NotFound:
        return False
    return all(told["PublicAccessBlockConfiguration"].get(block, False) for block in _BLOCKS)


def _versioned(aws: Aws, names: Names) -> str:
    with talking_about(f"the bucket {names.bucket}"):
        enabled = aws.s3.get_bucket_versioning(Bucket=names.bucket).get("Status") == "Enabled"
    return ", keeps old versions (they cost storage)" if enabled else ", keeps no old versions"
