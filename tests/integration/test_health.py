"""What doctor says of the bucket, the function and its settings, each by itself on an account of moto's."""

from dataclasses import replace

import boto3
import pytest
from tests.support.deployments import VERSION, Trial
from tests.support.moto_server import AWS_REGION
from tests.support.zips import Old

from glacierctl.aws import function as function_of_lambda
from glacierctl.aws.drift import check_drift
from glacierctl.aws.finding import Finding, Verdict
from glacierctl.aws.function_health import check_function
from glacierctl.aws.health import check_bucket, check_identity
from glacierctl.aws.identity import Identity
from glacierctl.aws.names import Names

CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


@pytest.fixture
def names(trial: Trial) -> Names:
    """With a bucket of its own."""
    return replace(trial.names, bucket=f"{trial.names.function}-data")


@pytest.fixture
def deployed(trial: Trial) -> Trial:
    trial.deploy(trial.wanted())
    return trial


def make_bucket(name: str, *, region: str = AWS_REGION, **blocks: bool) -> None:
    s3 = boto3.client("s3", region_name=region)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={**CLOSED, **blocks})


def drift(trial: Trial, **changed: int) -> Finding:
    return check_drift(trial.aws, trial.names, lambda image: trial.wanted(image=image, **changed))


def function(trial: Trial, own_version: str = VERSION) -> Finding:
    return check_function(trial.aws, trial.names, own_version=own_version)


def test_a_bucket_that_is_closed_is_ok(trial: Trial, names: Names) -> None:
    make_bucket(names.bucket)
    found = check_bucket(trial.aws, names)
    assert found == Finding(
        "bucket", Verdict.OK, f"{names.bucket} in us-west-2, closed to the public, keeps no old versions"
    )


@pytest.mark.parametrize("block", [*CLOSED, ""])
def test_an_open_bucket_is_worth_a_look_and_the_command_that_is_told_closes_it(
    block: str, trial: Trial, names: Names
) -> None:
    make_bucket(names.bucket, **({block: False} if block else {}))
    if not block:
        boto3.client("s3").delete_public_access_block(Bucket=names.bucket)
    found = check_bucket(trial.aws, names)
    assert found.verdict is Verdict.LOOK
    assert "not closed to the public" in found.words
    words = found.next.split()
    assert words[:3] == ["aws", "s3api", "put-public-access-block"]
    assert dict(pair.split("=") for pair in words[-1].split(",")) == dict.fromkeys(CLOSED, "true")


def test_a_bucket_in_another_aws_region_is_worth_a_look(trial: Trial, names: Names) -> None:
    far = f"{names.bucket}-far"
    make_bucket(far, region="eu-west-1")
    found = check_bucket(trial.aws, replace(names, bucket=far))
    assert found.verdict is Verdict.LOOK
    assert "lies in eu-west-1, the function in us-west-2" in found.words


def test_a_bucket_that_keeps_old_versions_is_said_to(trial: Trial, names: Names) -> None:
    make_bucket(names.bucket)
    boto3.client("s3").put_bucket_versioning(Bucket=names.bucket, VersioningConfiguration={"Status": "Enabled"})
    assert "keeps old versions" in check_bucket(trial.aws, names).words


def test_the_root_of_an_account_is_worth_a_look() -> None:
    assert check_identity(Identity("123456789012", "arn:aws:iam::123456789012:root")).verdict is Verdict.LOOK
    assert check_identity(Identity("123456789012", "arn:aws:iam::123456789012:user/x")).verdict is Verdict.OK


def test_settings_that_differ_are_named_with_both_values(deployed: Trial) -> None:
    deployed.aws.functions.update_function_configuration(FunctionName=deployed.names.function, MemorySize=1024)
    deployed.aws.logs.put_retention_policy(logGroupName=deployed.names.log_group, retentionInDays=7)
    found = drift(deployed, timeout_s=600)
    assert found.verdict is Verdict.LOOK
    assert "memory_mb is 1024, wanted 2048" in found.words
    assert "timeout_s is 900, wanted 600" in found.words
    assert "log group retention_days is 7, wanted 30" in found.words


def test_a_part_that_is_gone_is_named(deployed: Trial) -> None:
    deployed.aws.sqs.delete_queue(QueueUrl=deployed.aws.sqs.get_queue_url(QueueName=deployed.names.queue)["QueueUrl"])
    assert f"no failure queue {deployed.names.queue}" in drift(deployed).words


def test_an_image_that_is_gone_is_broken(deployed: Trial) -> None:
    names = deployed.names
    images = deployed.aws.ecr.list_images(repositoryName=names.repository)["imageIds"]
    digests = [{"imageDigest": digest} for digest in {one["imageDigest"] for one in images}]
    deployed.aws.ecr.batch_delete_image(repositoryName=names.repository, imageIds=digests)
    found = drift(deployed)
    assert found.verdict is Verdict.BROKEN
    assert "is gone from the registry" in found.words


def test_a_function_without_its_alias_is_broken(deployed: Trial) -> None:
    deployed.aws.functions.delete_alias(FunctionName=deployed.names.function, Name="live")
    found = function(deployed)
    assert (found.verdict, found.next) == (Verdict.BROKEN, "glacierctl deploy")


def test_a_worker_of_another_version_is_worth_a_look(deployed: Trial) -> None:
    found = function(deployed, own_version="9.0.0")
    assert found.verdict is Verdict.LOOK
    assert f"it is glacierctl {VERSION}, this is 9.0.0" in found.words
    assert function(deployed).verdict is Verdict.OK


def test_a_zip_package_is_worth_a_look(trial: Trial) -> None:
    Old(trial)
    found = function(trial)
    assert found.verdict is Verdict.LOOK
    assert "is a Zip package" in found.words
    assert drift(trial).verdict is Verdict.LOOK


@pytest.mark.parametrize(
    ("states", "verdict", "word"),
    [
        (("Failed", "Successful"), Verdict.BROKEN, "has failed: because"),
        (("Active", "Failed"), Verdict.BROKEN, "the last update of"),
        (("Pending", "Successful"), Verdict.LOOK, "is being changed"),
        (("Active", "InProgress"), Verdict.LOOK, "is being changed"),
        (("Inactive", "Successful"), Verdict.OK, "is version 1"),
    ],
)
def test_the_state_of_the_function_decides(
    states: tuple[str, str], verdict: Verdict, word: str, deployed: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = function_of_lambda.read(deployed.aws, deployed.names)
    assert found is not None
    spoiled = replace(found, state=states[0], state_reason="because", last_update=states[1])
    monkeypatch.setattr(function_of_lambda, "read", lambda *_: spoiled)
    judged = function(deployed)
    assert judged.verdict is verdict
    assert word in judged.words
