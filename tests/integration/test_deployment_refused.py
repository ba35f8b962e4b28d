"""What goes wrong in a deployment: said clearly, and what worked before goes on working."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.session import get_session
from tests.support.deployments import Trial, answer_invocations, before_calls, changing
from tests.support.moto_server import AWS_REGION

from glacierctl.aws import worker_role
from glacierctl.aws.changes import Resource
from glacierctl.aws.errors import (
    AwsError,
    Denied,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
    NotReady,
    QuotaTooSmall,
    Unreachable,
)
from glacierctl.aws.rollback import roll_back
from glacierctl.aws.session import Aws, Patience


def refuse(trial: Trial, service: str, operation: str, code: str, message: str, *, times: int = 10_000) -> list[int]:
    """Answer so many calls of one kind with an error, as AWS words it; how many were."""
    client: Any = getattr(trial.aws, service)
    count = [0]

    def answer(**_: Any) -> Any:
        if count[0] >= times:
            return None
        count[0] += 1
        return SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": message}}

    client.meta.events.register(f"before-call.*.{operation}", answer)
    return count


def change_answer(trial: Trial, operation: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Let Lambda answer something else."""
    trial.aws.functions.meta.events.register(f"after-call.lambda.{operation}", lambda parsed, **_: change(parsed))


def sentence(error: AwsError) -> str:
    return f"{error.what}: {error.why}. {error.hint}"


def test_without_credentials_nothing_is_done(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    trial.aws = Aws(AWS_REGION, Patience(), get_session())
    with pytest.raises(NoCredentials, match="there are no AWS credentials") as caught:
        trial.deploy(trial.wanted())
    assert "aws configure" in caught.value.hint


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [("ecr", "DescribeRepositories", "ExpiredTokenException"), ("iam", "CreateRole", "ExpiredToken"),
     ("functions", "PublishVersion", "ExpiredTokenException")],
)  # fmt: skip
def test_credentials_that_expire_on_the_way_can_be_renewed_and_the_deploy_goes_on(
    trial: Trial, service: str, operation: str, code: str
) -> None:
    refuse(trial, service, operation, code, "The security token included in the request is expired")
    with pytest.raises(ExpiredCredentials) as caught:
        trial.deploy(trial.wanted())
    assert "Log in to AWS again" in caught.value.hint
    trial.revive()
    assert trial.deploy(trial.wanted()).version == 1
    assert trial.plan(trial.wanted()).is_empty


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [("ecr", "CreateRepository", "ecr:CreateRepository"), ("iam", "PutRolePolicy", "iam:PutRolePolicy"),
     ("functions", "CreateFunction", "lambda:CreateFunction"), ("functions", "UpdateAlias", "lambda:UpdateAlias")],
)  # fmt: skip
def test_an_action_that_is_not_allowed_is_named(trial: Trial, service: str, operation: str, action: str) -> None:
    user = f"arn:aws:iam::{trial.names.account}:user/somebody"
    told = f"User: {user} is not authorized to perform: {action} on resource: arn:aws:thing because no policy allows it"
    if operation == "UpdateAlias":
        trial.deploy(trial.wanted("lean-x86_64-before"))
    refuse(trial, service, operation, "AccessDeniedException", told)
    with pytest.raises(Denied, match=f"these credentials do not allow {action}") as caught:
        trial.deploy(trial.wanted())
    assert caught.value.action == action
    assert "glacierctl iam show" in caught.value.hint
    if operation == "UpdateAlias":
        assert trial.alias_version() == "1"


def test_a_role_of_the_users_own_must_exist_before_anything_is_made(trial: Trial) -> None:
    role = f"arn:aws:iam::{trial.names.account}:role/no-such-role"
    made = trial.calls()
    with pytest.raises(NotFound, match="no-such-role"):
        trial.deploy(trial.wanted(role_arn=role))
    assert changing(made) == []


def test_a_role_that_lambda_may_not_work_as_is_refused(trial: Trial) -> None:
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                                                     "Action": "sts:AssumeRole"}]}  # fmt: skip
    name = f"{trial.names.function}-own"
    trial.aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    with pytest.raises(NotFound) as caught:
        trial.deploy(trial.wanted(role_arn=f"arn:aws:iam::{trial.names.account}:role/{name}"))
    assert "does not name lambda.amazonaws.com" in caught.value.why


def test_a_role_of_the_users_own_is_used_as_it_is(trial: Trial) -> None:
    name = f"{trial.names.function}-own"
    own = replace(trial.names, function=name.removesuffix("-worker"))
    worker_role.create(trial.aws, own, trial.wanted().role())
    arn = own.role_arn
    made = trial.calls()
    trial.deploy(trial.wanted(role_arn=arn))
    told = trial.aws.functions.get_function_configuration(FunctionName=trial.names.function, Qualifier="live")
    assert told["Role"] == arn
    assert [call for call in changing(made) if "Role" in call] == []
    assert trial.plan(trial.wanted(role_arn=arn)).is_empty


def test_a_role_that_has_not_spread_yet_is_waited_for(trial: Trial) -> None:
    told = "The role defined for the function cannot be assumed by Lambda."
    refuse(trial, "functions", "CreateFunction", "InvalidParameterValueException", told, times=4)
    told = "The function execution role does not have permissions to call SendMessage on SQS"
    refuse(trial, "functions", "PutFunctionEventInvokeConfig", "InvalidParameterValueException", told, times=3)
    assert trial.deploy(trial.wanted()).version == 1
    assert trial.time.slept == [2.0] * 7


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ResourceNotReadyException", "Not now."),
        ("TooManyRequestsException", "Not now."),
        ("CodeArtifactUserPendingException", "Lambda is initializing your function."),
        ("ResourceConflictException", "The function is currently in the following state: Pending"),
    ],
)
def test_a_version_that_cannot_be_asked_yet_is_asked_again(trial: Trial, code: str, told: str) -> None:
    trial.aws.invoker.meta.events.unregister("before-call.lambda.Invoke", unique_id="answer")
    refuse(trial, "invoker", "Invoke", code, told, times=3)
    answer_invocations(trial.aws, trial.next_answer)
    assert trial.deploy(trial.wanted()).version == 1
    assert trial.time.slept == [2.0] * 3


def test_a_queue_whose_name_is_not_free_yet_is_waited_for(trial: Trial) -> None:
    told = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
    refuse(trial, "sqs", "CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", told, times=2)
    assert trial.deploy(trial.wanted()).version == 1
    assert trial.time.slept == [2.0] * 2


def test_a_role_that_never_spreads_is_said_to(make_trial: Callable[..., Trial]) -> None:
    trial = make_trial(attempts=5)
    told = "The role defined for the function cannot be assumed by Lambda."
    tried = refuse(trial, "functions", "CreateFunction", "InvalidParameterValueException", told)
    with pytest.raises(AwsError) as caught:
        trial.deploy(trial.wanted())
    assert told in caught.value.why
    assert tried == [5]


def test_too_much_memory_for_the_account_is_said_with_its_limit(trial: Trial) -> None:
    told = "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008"
    trial.deploy(trial.wanted())
    refuse(trial, "functions", "UpdateFunctionConfiguration", "InvalidParameterValueException", told)
    with pytest.raises(QuotaTooSmall) as caught:
        trial.deploy(trial.wanted(memory_mb=10_240))
    assert "3008 MB at most" in caught.value.why
    assert "--memory 3008" in caught.value.hint
    assert (trial.alias_version(), trial.versions()) == ("1", ["1"])


def test_a_concurrency_that_the_account_does_not_have_is_said(trial: Trial) -> None:
    told = ("Specified ReservedConcurrentExecutions for function decreases account's "
            "UnreservedConcurrentExecution below its minimum value of [10].")  # fmt: skip
    refuse(trial, "functions", "PutFunctionConcurrency", "InvalidParameterValueException", told)
    with pytest.raises(QuotaTooSmall) as caught:
        trial.deploy(trial.wanted(reserved_concurrency=900))
    assert "UnreservedConcurrentExecution below its minimum value" in caught.value.why
    assert "reserved_concurrency" in caught.value.hint
    assert trial.alias_version() == "1"


def test_a_function_that_stays_pending_is_waited_for_as_long_as_is_reasonable(make_trial: Callable[..., Trial]) -> None:
    trial = make_trial(attempts=7)
    change_answer(trial, "GetFunctionConfiguration", lambda told: told.update(State="Pending"))
    with pytest.raises(NotReady, match=f"function {trial.names.function} did not become ready") as caught:
        trial.deploy(trial.wanted())
    assert "its state is Pending: it has been asked for as long as is reasonable" in caught.value.why
    assert trial.time.slept == [2.0] * 7
    trial.revive()
    assert trial.deploy(trial.wanted()).version == 1


def test_a_function_that_fails_says_why(trial: Trial) -> None:
    failed = {"State": "Failed", "StateReason": "The image is for arm64", "StateReasonCode": "InvalidImage"}
    change_answer(trial, "GetFunctionConfiguration", lambda told: told.update(failed))
    with pytest.raises(NotReady) as caught:
        trial.deploy(trial.wanted())
    assert caught.value.why == "its state is Failed: The image is for arm64"
    assert trial.versions() == []


def test_an_update_that_fails_leaves_the_alias_where_it_is(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    failed = {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "The image was deleted"}
    change_answer(trial, "GetFunctionConfiguration", lambda told: told.update(failed))
    with pytest.raises(NotReady) as caught:
        trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    assert caught.value.why == "its update is Failed: The image was deleted"
    assert (trial.alias_version(), trial.versions()) == ("1", ["1"])
    trial.revive()
    assert trial.deploy(trial.wanted("lean-x86_64-bbbb")).version == 2


def fail_until(trial: Trial, operation: str, **failed: str) -> list[str]:
    """Let the function be told to have failed until Lambda is asked for this; what it is asked to change."""
    made: list[str] = []
    before_calls(trial.aws, lambda model, **_: made.append(model.name))

    def change(told: dict[str, Any]) -> None:
        configuration = told.get("Configuration", told)
        if operation not in made and configuration.get("Version") == "$LATEST":
            configuration.update(failed)

    change_answer(trial, "GetFunction", change)
    change_answer(trial, "GetFunctionConfiguration", change)
    return made


def test_a_function_that_could_not_be_made_is_made_anew_by_the_next_deploy(trial: Trial) -> None:
    failed = {"State": "Failed", "StateReason": "Lambda could not fetch the image", "StateReasonCode": "InternalError"}
    change_answer(trial, "GetFunctionConfiguration", lambda told: told.update(failed))
    with pytest.raises(NotReady):
        trial.deploy(trial.wanted())
    own = {"Variables": {"OWN": "yes"}}
    trial.aws.functions.update_function_configuration(FunctionName=trial.names.function, Environment=own)
    trial.revive()
    made = fail_until(trial, "CreateFunction", **failed)
    told = [one for one in trial.plan(trial.wanted()).changes if one.resource is Resource.FUNCTION]
    assert [(str(one.kind), one.fields) for one in told] == [
        ("remove", (("state", "Failed (Lambda could not fetch the image)", "Active"),)),
        ("create", ()),
    ]
    assert trial.deploy(trial.wanted()).version == 1
    assert [one for one in changing(made) if one.endswith("Function")] == ["DeleteFunction", "CreateFunction"]
    assert trial.plan(trial.wanted()).is_empty
    live = trial.aws.functions.get_function_configuration(FunctionName=trial.names.function, Qualifier="live")
    assert live["Environment"]["Variables"]["OWN"] == "yes"


@pytest.mark.parametrize("failed", [{"LastUpdateStatus": "Failed"}, {"State": "Failed"}])
def test_what_failed_is_given_its_image_again_by_the_next_deploy(trial: Trial, failed: dict[str, str]) -> None:
    trial.deploy(trial.wanted())
    made = fail_until(trial, "UpdateFunctionCode", **failed)
    assert not trial.plan(trial.wanted()).is_empty
    assert trial.deploy(trial.wanted(), deliver=None).version == 1
    assert [one for one in changing(made) if "Function" in one] == ["UpdateFunctionCode"]
    assert trial.plan(trial.wanted()).is_empty


def test_a_failed_function_that_lambda_does_not_change_any_more_is_said_to(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    fail_until(trial, "never", State="Failed", StateReason="Its subnet is gone")
    refusal = (
        "The operation cannot be performed at this time. The function is currently in the following state: 'Failed'"
    )
    refuse(trial, "functions", "UpdateFunctionCode", "ResourceConflictException", refusal)
    with pytest.raises(NotReady, match="has failed, and Lambda does not change it") as caught:
        trial.deploy(trial.wanted())
    assert caught.value.why.startswith("Its subnet is gone. ")
    assert "Delete it" in caught.value.hint


def test_a_version_that_fails_is_not_named_by_the_alias(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))

    def fail(told: dict[str, Any]) -> None:
        if told["Version"] == "2":
            told.update(State="Failed", StateReason="It does not start")

    change_answer(trial, "GetFunctionConfiguration", fail)
    with pytest.raises(NotReady, match=f"version 2 of {trial.names.function} did not become ready"):
        trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    assert trial.alias_version() == "1"


def test_a_rollback_refuses_a_version_that_failed(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    trial.deploy(trial.wanted("lean-x86_64-bbbb"))

    def fail(told: dict[str, Any]) -> None:
        if told["Version"] == "1":
            told.update(State="Failed", StateReason="Its image was deleted")

    change_answer(trial, "GetFunctionConfiguration", fail)
    with pytest.raises(NotReady) as caught:
        roll_back(trial.aws, trial.names)
    assert caught.value.why == "its state is Failed: Its image was deleted"
    assert trial.alias_version() == "2"


def test_a_worker_that_raises_is_quoted_and_not_named_by_the_alias(trial: Trial) -> None:
    told = {"errorType": "ImportError", "errorMessage": "No module named 'rasterio'"}
    trial.answer(told, error="Unhandled")
    with pytest.raises(NotReady) as caught:
        trial.deploy(trial.wanted())
    assert "it failed with ImportError: No module named 'rasterio'" in caught.value.why
    assert trial.names.log_group in caught.value.hint
    assert trial.current(trial.wanted()).function.aliases == {}  # type: ignore[union-attr]


def test_an_image_that_was_deleted_is_pushed_again(trial: Trial) -> None:
    first = trial.deploy(trial.wanted())
    digest = first.image.partition("@")[2]
    trial.aws.ecr.batch_delete_image(repositoryName=trial.names.repository, imageIds=[{"imageDigest": digest}])
    assert trial.plan(trial.wanted()).needs_image
    with pytest.raises(NotFound, match="there is no image"):
        trial.deploy(trial.wanted(), deliver=None)
    trial.deploy(trial.wanted())
    assert trial.plan(trial.wanted()).is_empty


def test_an_image_that_did_not_arrive_is_missed_before_the_function_is_touched(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    made = trial.calls()
    with pytest.raises(NotFound, match="the image"):
        trial.deploy(trial.wanted("lean-x86_64-bbbb"), deliver=lambda *_: "sha256:" + "0" * 64)
    assert not [call for call in changing(made) if "Function" in call]


def test_an_image_that_is_named_by_a_digest_must_be_in_the_repository(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    image = replace(trial.wanted().image, digest="sha256:" + "0" * 64)
    with pytest.raises(NotFound, match="there is no image"):
        trial.deploy(trial.wanted(image=image), deliver=None)
    assert trial.alias_version() == "1"


def test_a_failing_push_leaves_all_as_it_was(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))

    def fail(*_: object) -> str:
        raise ConnectionError("the registry went away")

    with pytest.raises(ConnectionError):
        trial.deploy(trial.wanted("lean-x86_64-bbbb"), deliver=fail)
    assert (trial.alias_version(), trial.versions()) == ("1", ["1"])
    assert trial.plan(trial.wanted("lean-x86_64-aaaa")).is_empty


def test_a_zip_package_is_not_converted_unless_it_is_said(trial: Trial) -> None:
    worker_role.create(trial.aws, trial.names, trial.wanted().role())
    trial.aws.functions.create_function(
        FunctionName=trial.names.function, Runtime="python3.12", Handler="old.handler", Role=trial.names.role_arn,
        Code={"ZipFile": b"old"},
    )  # fmt: skip
    plan = trial.plan(trial.wanted())
    assert plan.converts
    assert ("package", "Zip", "Image") in [field for change in plan.changes for field in change.fields]
    made = trial.calls()
    with pytest.raises(AwsError, match="is a Zip package") as caught:
        trial.deploy(trial.wanted())
    assert "--yes" in caught.value.hint
    assert changing(made) == []


def test_what_converts_a_zip_package_is_asked_with_the_image_in_place(trial: Trial) -> None:
    worker_role.create(trial.aws, trial.names, trial.wanted().role())
    trial.aws.functions.create_function(
        FunctionName=trial.names.function, Runtime="python3.12", Handler="old.handler", Role=trial.names.role_arn,
        Code={"ZipFile": b"old"},
    )  # fmt: skip

    def convert(then: Any, beat: Any) -> None:
        beat()
        trial.aws.functions.delete_function(FunctionName=trial.names.function)
        trial.aws.functions.create_function(
            FunctionName=trial.names.function, PackageType="Image", Code={"ImageUri": then.image.reference},
            Role=trial.names.role_arn, MemorySize=then.memory_mb, Timeout=then.timeout_s,
            Environment={"Variables": dict(then.function().environment)},
        )  # fmt: skip

    done = trial.deploy(trial.wanted(), convert=convert)
    assert trial.alias_version() == "1"
    assert done.image.startswith(f"{trial.names.repository_uri}@sha256:")


def test_an_account_that_does_not_answer_is_said_to(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    session = get_session()
    options = {"endpoint_url": "http://127.0.0.1:9", "region_name": AWS_REGION}
    silent = Aws(AWS_REGION, Patience(), session, retries=1)
    silent.__dict__["ecr"] = session.create_client("ecr", **options)
    trial.aws = silent
    with pytest.raises(Unreachable) as caught:
        trial.plan(trial.wanted())
    assert "Check the network" in caught.value.hint
