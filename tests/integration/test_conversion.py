"""A Zip function becomes one that runs an image, with all that hung on it; or it is what it was.

moto lets a Zip function be updated to an image, which Lambda does not; no test here relies on that.
"""

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from tests.support.deployments import Trial
from tests.support.zips import CODE, RETENTION_DAYS, Old, hash_of, look, package_of

from glacierctl.aws import backup, conversion, package, worker_role
from glacierctl.aws.apply import Deployed
from glacierctl.aws.conversion import Conversion
from glacierctl.aws.errors import AwsError, Denied, Unreachable
from glacierctl.aws.wanted import Wanted
from glacierctl.cli.deploy_conversion import download

STEPS = ("UpdateFunctionConfiguration", "UpdateEventSourceMapping", "DeleteFunction", "CreateFunction",
         "PublishVersion", "Invoke", "TagResource", "CreateAlias", "AddPermission", "PutFunctionEventInvokeConfig",
         "PutFunctionConcurrency")  # fmt: skip
"""Calls of Lambda that a conversion makes, in the order of the first of each."""


class KilledError(BaseException):
    """As if the process had ended: nothing catches it."""


@pytest.fixture
def old(trial: Trial) -> Old:
    return Old(trial)


def find(old: Old, folder: Path, **changed: Any) -> Conversion | None:
    return conversion.find(old.trial.aws, wanted_of(old, **changed), folder)


def wanted_of(old: Old, **changed: Any) -> Wanted:
    """With the old role, which may do all that it did."""
    return old.trial.wanted(**{"role_arn": old.role_arn, **changed})


def deploy(old: Old, folder: Path, *, then: Wanted | None = None, **means: Any) -> Deployed:
    """As the command line does: completing what was begun, if that is so."""
    trial, wanted_then = old.trial, then or wanted_of(old)
    fetch = means.pop("download", download)

    def convert(wanted: Wanted, beat: Callable[[], None]) -> tuple[str, ...]:
        return conversion.convert(
            trial.aws, wanted, folder, beat=beat, download=fetch, clock=trial.time.clock(), say=trial.steps.append
        )

    found = conversion.find(trial.aws, wanted_then, folder)
    resume = found is not None and found.interrupted
    return trial.deploy(wanted_then, convert=convert, resume=resume, **means)


def on_call(old: Old, operation: str, act: Callable[..., Any], *, after: bool = False) -> Callable[[], None]:
    """Call `act` at each such call of Lambda, until what is returned is called."""
    client = old.trial.aws.invoker if operation == "Invoke" else old.trial.aws.functions
    event, events = f"{'after' if after else 'before'}-call.lambda.{operation}", client.meta.events
    events.register_first(event, act)
    return lambda: events.unregister(event, act)


def refuse(old: Old, operation: str, code: str, message: str) -> Callable[[], None]:
    """Let Lambda refuse such calls, if they concern an image where that can be said."""

    def act(params: Any, **_: Any) -> Any:
        if operation == "CreateFunction" and b'"PackageType": "Image"' not in params["body"]:
            return None
        return SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": message}}

    return on_call(old, operation, act)


def kill(**_: Any) -> None:
    raise KilledError


def calls_of_lambda(old: Old) -> list[tuple[str, dict[str, Any]]]:
    made: list[tuple[str, dict[str, Any]]] = []

    def note(model: Any, params: Any, **_: Any) -> None:
        body = params["body"]
        made.append((model.name, json.loads(body) if isinstance(body, bytes) and body[:1] == b"{" else {}))

    old.trial.aws.functions.meta.events.register("before-call.lambda", note)
    return made


def assert_is_what_it_was(old: Old, before: dict[str, Any]) -> None:
    told = old.aws.functions.get_function(FunctionName=old.trial.names.function)["Configuration"]
    settings = ("Runtime", "Handler", "Role", "MemorySize", "Timeout", "Description")
    assert [told[key] for key in settings] == ["python3.12", "app.handler", old.role_arn, 512, 60, "the old one"]
    assert told["CodeSha256"] == hash_of(CODE)
    assert told["Environment"]["Variables"] == {"MINE": "kept", "GLACIERCTL_PREFIX": "old/"}
    assert look(old.trial) == before


def assert_is_converted(old: Old, folder: Path, before: dict[str, Any]) -> None:
    assert package_of(old.trial) == "Image"
    assert look(old.trial) == before
    assert old.trial.alias_version() == old.trial.versions()[-1]
    assert find(old, folder) is None


def test_all_that_hung_on_it_hangs_on_the_new_one(old: Old, tmp_path: Path) -> None:
    before, calls = look(old.trial), calls_of_lambda(old)
    done = deploy(old, tmp_path)
    assert_is_converted(old, tmp_path, before)
    told = old.aws.functions.get_function(FunctionName=old.trial.names.function)["Configuration"]
    assert told["Environment"]["Variables"]["GLACIERCTL_PREFIX"] == "results/"
    assert (told["MemorySize"], told["Role"]) == (2048, old.role_arn)
    assert done.image.startswith(old.trial.names.repository_uri)
    prod = old.aws.functions.get_alias(FunctionName=old.trial.names.function, Name="prod")
    assert (prod["FunctionVersion"], prod["Description"]) == (str(done.version), "the users'")
    # An event source that runs without its function would lose what it hands over.
    names = [name for name, _ in calls]
    assert "UpdateFunctionCode" not in names, "Lambda takes no image for a Zip function"
    assert [body["Enabled"] for name, body in calls if name == "UpdateEventSourceMapping"] == [False, True]
    assert names.index("UpdateEventSourceMapping") < names.index("DeleteFunction") < names.index("CreateFunction")
    assert done.not_carried == ()
    assert old.trial.plan(wanted_of(old)).is_empty


def test_code_and_record_are_kept_for_their_owner_alone(old: Old, tmp_path: Path) -> None:
    deploy(old, tmp_path)
    (folder,) = tmp_path.iterdir()
    assert folder.name == f"{old.trial.names.account}-us-west-2-{old.trial.names.function}"
    (code,) = folder.glob("*.zip")
    (record,) = folder.glob("*.json")
    assert code.read_bytes() == CODE
    assert json.loads(record.read_text())["package"]["configuration"]["Handler"] == "app.handler"
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_it_is_told_what_would_be_kept_and_what_lost_and_nothing_is_changed(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    found = find(old, tmp_path)
    assert found is not None
    assert not found.interrupted
    # In moto a version shares the function's policy, and so do its aliases.
    assert tuple(one for one in found.carried if not one.startswith("permissions on")) == (
        "environment: GLACIERCTL_PREFIX, MINE",
        "tags: team",
        "alias prod, naming the new version",
        "permissions: bucket, topic",
        f"event source {old.queue_arn}",
        "settings of asynchronous invocations of $LATEST",
        f"destination {old.queue_arn} of asynchronous invocations of $LATEST that succeed",
        "reserved concurrency of 5",
        f"logs, kept {RETENTION_DAYS} days as now",
    )
    assert "1 published version; numbers go on after it" in found.lost
    assert list(tmp_path.iterdir()) == []
    assert_is_what_it_was(old, before)


def test_what_takes_more_than_the_workers_role_may_is_told_as_lost_and_left_stopped(old: Old, tmp_path: Path) -> None:
    then = wanted_of(old, role_arn=None)
    found = conversion.find(old.aws, then, tmp_path)
    assert found is not None
    assert not any(old.queue_arn in one for one in found.carried)
    beyond = f"for which the new role has no permissions; say --role {old.role_arn} to keep it"
    first = "before it is kept with --role, it needs what `glacierctl iam show worker` prints"
    assert f"its role {old.role_arn}; the new one is {old.trial.names.role_arn}; {first}" in found.lost
    assert f"event source {old.queue_arn}, {beyond}. It is left, but stopped" in found.lost
    assert f"destination {old.queue_arn} of asynchronous invocations of $LATEST that succeed, {beyond}" in found.lost

    done = deploy(old, tmp_path, then=then)
    assert done.not_carried == ()
    assert not any(step.startswith("Not carried over") for step in old.trial.steps)
    assert [one["State"] for one in old.sources()] == ["Disabled"]
    settings = old.aws.functions.get_function_event_invoke_config(FunctionName=old.trial.names.function)
    assert settings["MaximumRetryAttempts"] == 1
    assert "OnSuccess" not in settings.get("DestinationConfig", {})
    assert old.trial.plan(then).is_empty


def test_what_a_role_of_the_users_own_may_not_is_told_when_it_is_known(old: Old, tmp_path: Path) -> None:
    names = old.trial.names
    other = replace(names, function=f"{names.function}-other")
    worker_role.create(old.aws, other, old.trial.wanted().role())  # may report failures, and nothing else of the kind
    then = wanted_of(old, role_arn=other.role_arn)
    found = conversion.find(old.aws, then, tmp_path)
    assert found is not None
    assert f"event source {old.queue_arn}, if the new role has permissions for it" in found.carried

    done = deploy(old, tmp_path, then=then)
    settings, source = done.not_carried
    refused = "InvalidParameterValueException: The function{} execution role does not have permissions to call {}"
    assert settings == "settings of asynchronous invocations of $LATEST: " + refused.format(
        "'s", f"SendMessage on {old.queue_arn}"
    )
    assert source == f"the event source {old.queue_arn}, which stays stopped: " + refused.format(
        "", "ReceiveMessage on SQS"
    )
    assert (package_of(old.trial), old.trial.alias_version()) == ("Image", str(done.version))
    assert [one["State"] for one in old.sources()] == ["Disabled"]


def test_of_the_deployments_own_alias_only_the_report_of_successes_is_kept(old: Old, tmp_path: Path) -> None:
    name, lambda_ = old.trial.names.function, old.aws.functions
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    both = {when: {"Destination": old.queue_arn} for when in ("OnSuccess", "OnFailure")}
    lambda_.put_function_event_invoke_config(
        FunctionName=name, Qualifier="live", MaximumRetryAttempts=0, DestinationConfig=both
    )
    found = find(old, tmp_path)
    assert found is not None
    of = "of asynchronous invocations of live"
    assert [one for one in found.carried if of in one] == [f"destination {old.queue_arn} {of} that succeed"]
    assert [one for one in found.lost if of in one] == [
        f"settings {of}, which get those of every deployment",
        f"destination {old.queue_arn} {of} that fail; they are reported to {old.trial.names.queue_arn}",
    ]
    deploy(old, tmp_path)
    settings = lambda_.get_function_event_invoke_config(FunctionName=name, Qualifier="live")
    assert settings["MaximumRetryAttempts"] == 2
    assert {when: one["Destination"] for when, one in settings["DestinationConfig"].items()} == {
        "OnSuccess": old.queue_arn,
        "OnFailure": old.trial.names.queue_arn,
    }


def test_there_is_nothing_to_convert_where_nothing_is_or_an_image(trial: Trial, tmp_path: Path) -> None:
    assert conversion.find(trial.aws, trial.wanted(), tmp_path) is None
    trial.deploy(trial.wanted())
    assert conversion.find(trial.aws, trial.wanted(), tmp_path) is None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_step_in_turn_it_is_completed_at_last(after: bool, old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    for step in STEPS:
        let_live = on_call(old, step, kill, after=after)
        with pytest.raises(KilledError):
            deploy(old, tmp_path)
        let_live()
        found = find(old, tmp_path)
        assert found is not None, step
        assert found.interrupted == (package_of(old.trial) != "Zip"), step
    deploy(old, tmp_path)
    assert_is_converted(old, tmp_path, before)


def test_an_image_that_lambda_refuses_brings_the_old_one_back(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    allow = refuse(old, "CreateFunction", "InvalidParameterValueException", "The image manifest is not supported.")
    with pytest.raises(AwsError, match=r"could not be converted, and is the Zip package that it was.*not supported"):
        deploy(old, tmp_path)
    assert_is_what_it_was(old, before)
    allow()
    deploy(old, tmp_path)
    assert_is_converted(old, tmp_path, before)


def test_an_image_that_does_not_answer_brings_the_old_one_back(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    old.trial.answer({"errorMessage": "No module named rasterio", "errorType": "ImportError"}, error="Unhandled")
    with pytest.raises(AwsError, match=r"is the Zip package that it was.*No module named rasterio"):
        deploy(old, tmp_path)
    assert_is_what_it_was(old, before)


@pytest.mark.parametrize("step", ["CreateFunction", "AddPermission"])
def test_killed_while_it_is_put_back_it_is_completed_by_the_next(step: str, old: Old, tmp_path: Path) -> None:
    before = look(old.trial)

    def kill_the_zip(params: Any, **_: Any) -> None:
        if step != "CreateFunction" or b"ZipFile" in params["body"]:
            raise KilledError

    allow = refuse(old, "CreateFunction", "InvalidParameterValueException", "no")
    let_live = on_call(old, step, kill_the_zip)
    with pytest.raises(KilledError):
        deploy(old, tmp_path)
    allow()
    let_live()
    deploy(old, tmp_path)
    assert_is_converted(old, tmp_path, before)


def test_without_a_network_it_is_left_as_it_is_and_completed_later(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://lambda")

    let_through = on_call(old, "CreateFunction", fail)
    with pytest.raises(Unreachable):
        deploy(old, tmp_path)
    assert package_of(old.trial) == ""
    let_through()
    deploy(old, tmp_path)
    assert_is_converted(old, tmp_path, before)


def test_what_could_not_be_put_back_is_not_taken_away(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    message = f"User: me is not authorized to perform: iam:PassRole on resource: {old.role_arn}"
    refuse(old, "UpdateFunctionConfiguration", "AccessDeniedException", message)
    with pytest.raises(Denied, match="Nothing was changed") as caught:
        deploy(old, tmp_path)
    assert (caught.value.action, caught.value.resource) == ("iam:PassRole", old.role_arn)
    assert_is_what_it_was(old, before)


def test_all_that_putting_it_back_would_need_is_tried_before_anything_is_changed(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    layer = "arn:aws:lambda:us-west-2:111122223333:layer:science:7"
    network = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    tried: list[Any] = []

    def tell(parsed: Any, **_: Any) -> None:
        parsed["Configuration"].update(Layers=[{"Arn": layer}], VpcConfig={**network, "VpcId": "vpc-1"})

    def refuse_layer(params: Any, **_: Any) -> Any:
        tried.append(json.loads(params["body"]))
        told = f"User: me is not authorized to perform: lambda:GetLayerVersion on resource: {layer}"
        return SimpleNamespace(status_code=403), {"Error": {"Code": "AccessDeniedException", "Message": told}}

    let_through = [on_call(old, "GetFunction", tell, after=True),
                   on_call(old, "UpdateFunctionConfiguration", refuse_layer)]  # fmt: skip
    with pytest.raises(Denied, match="Nothing was changed") as caught:
        deploy(old, tmp_path)
    assert caught.value.action == "lambda:GetLayerVersion"
    assert tried == [{"Role": old.role_arn, "Layers": [layer], "VpcConfig": network}]
    for one in let_through:
        one()
    assert_is_what_it_was(old, before)


@pytest.fixture
def staged(old: Old, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Old]:
    """Makes the old function's code too large for a request, and a bucket for it in an AWS region."""

    def make(aws_region: str) -> Old:
        names = replace(old.trial.names, bucket=f"{old.trial.names.function}-data")
        old.trial.names = names
        where: Any = {"CreateBucketConfiguration": {"LocationConstraint": aws_region}}
        boto3.client("s3", region_name=aws_region).create_bucket(Bucket=names.bucket, **where)
        monkeypatch.setattr(package, "DIRECT_BYTES", len(CODE) - 1)
        return old

    return make


def test_code_that_is_too_large_for_a_request_is_put_back_from_the_bucket(
    staged: Callable[[str], Old], tmp_path: Path
) -> None:
    old = staged("us-west-2")
    before, calls = look(old.trial), calls_of_lambda(old)
    refuse(old, "CreateFunction", "InvalidParameterValueException", "The image manifest is not supported.")
    with pytest.raises(AwsError, match="is the Zip package that it was"):
        deploy(old, tmp_path)
    assert [set(body["Code"]) for name, body in calls if name == "CreateFunction"][-1] == {"S3Bucket", "S3Key"}
    assert_is_what_it_was(old, before)


def test_code_that_lambda_could_not_fetch_again_is_not_taken_away(staged: Callable[[str], Old], tmp_path: Path) -> None:
    old = staged("eu-west-1")
    before, calls = look(old.trial), calls_of_lambda(old)
    with pytest.raises(AwsError, match=r"could not be put back.*region: eu-west-1.*Nothing was changed") as caught:
        deploy(old, tmp_path)
    assert "Name a bucket in us-west-2 with --bucket" in caught.value.hint
    assert not {"DeleteFunction", "UpdateEventSourceMapping"} & {name for name, _ in calls}
    assert_is_what_it_was(old, before)


@pytest.mark.parametrize(
    "more", ["Access Denied", 'User: me is not authorized to perform: s3:GetObject on resource: "{}"']
)
def test_who_may_not_read_the_code_in_the_bucket_is_told_so(
    more: str, staged: Callable[[str], Old], tmp_path: Path
) -> None:
    old = staged("us-west-2")
    before, bucket = look(old.trial), old.trial.names.bucket
    told = (
        f"please make sure your request credentials have permission to GetObject for {bucket}/key.zip. S3 Error Code: "
    )
    message = (
        f"Your access has been denied by S3, {told}AccessDenied. S3 Error Message: {more.format(f'{bucket}/key.zip')}"
    )
    refuse(old, "UpdateFunctionCode", "AccessDeniedException", message)
    with pytest.raises(Denied, match="Nothing was changed") as caught:
        deploy(old, tmp_path)
    assert (caught.value.action, caught.value.resource) == ("s3:GetObject", f"{bucket}/key.zip")
    assert_is_what_it_was(old, before)


def test_code_that_arrives_spoiled_changes_nothing(old: Old, tmp_path: Path) -> None:
    before = look(old.trial)
    with pytest.raises(AwsError, match="did not arrive as it is"):
        deploy(old, tmp_path, download=lambda _, to: to.write_bytes(CODE[:-1]))
    assert_is_what_it_was(old, before)


def test_a_download_that_fails_changes_nothing(old: Old, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise OSError("no route to host")

    before = look(old.trial)
    with pytest.raises(AwsError, match="no route to host"):
        deploy(old, tmp_path, download=fail)
    assert_is_what_it_was(old, before)


def test_what_lambda_refuses_for_good_is_said_and_the_rest_carried_over(old: Old, tmp_path: Path) -> None:
    refuse(old, "PutFunctionConcurrency", "InvalidParameterValueException", "Too few are left.")
    done = deploy(old, tmp_path)
    refused = "the reserved concurrency: InvalidParameterValueException: Too few are left."
    assert done.not_carried == (refused,)
    assert f"Not carried over: {refused}" in old.trial.steps
    assert package_of(old.trial) == "Image"
    (mapping,) = old.sources()
    assert mapping["State"] == "Enabled"


def test_an_event_source_that_went_with_the_function_is_made_anew(old: Old, tmp_path: Path) -> None:
    before, lambda_ = look(old.trial), old.aws.functions

    def remove(**_: Any) -> None:
        for one in lambda_.list_event_source_mappings()["EventSourceMappings"]:
            if one["EventSourceArn"] == old.queue_arn:
                lambda_.delete_event_source_mapping(UUID=one["UUID"])

    stop = on_call(old, "DeleteFunction", remove, after=True)
    deploy(old, tmp_path)
    stop()
    assert_is_converted(old, tmp_path, before)


def test_an_event_source_that_was_stopped_stays_stopped(old: Old, tmp_path: Path) -> None:
    (mapping,) = old.aws.functions.list_event_source_mappings(FunctionName=old.trial.names.function)[
        "EventSourceMappings"
    ]
    old.aws.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    deploy(old, tmp_path)
    assert look(old.trial)["sources"] == [(old.queue_arn, 3, "Disabled")]


def test_a_permission_that_cannot_be_said_again_is_named(old: Old, tmp_path: Path) -> None:
    strange = {
        "Sid": "strange", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    }  # fmt: skip

    def answer(**_: Any) -> Any:
        return SimpleNamespace(status_code=200), {"Policy": json.dumps({"Statement": [strange]})}

    stop = on_call(old, "GetPolicy", answer)
    found = find(old, tmp_path)
    stop()
    assert found is not None
    assert "permission strange, which holds what Lambda takes from nobody" in found.lost
    assert not any("strange" in one for one in found.carried)


def test_a_backup_that_cannot_be_read_is_an_error_with_its_place(old: Old, tmp_path: Path) -> None:
    record = backup.place(tmp_path, old.trial.names) / "unfinished.json"
    record.parent.mkdir()
    record.write_text("{")
    with pytest.raises(AwsError, match="cannot be used") as caught:
        find(old, tmp_path)
    assert str(record) in caught.value.what
    record.write_text('{"schema": 99}')
    with pytest.raises(AwsError, match="its form is 99"):
        find(old, tmp_path)
