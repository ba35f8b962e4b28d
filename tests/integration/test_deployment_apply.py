"""A deployment on a made-up account: what is made, in which order, and that nothing is done twice."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.deployments import READY, VERSION, Trial, changing

from glacierctl.aws import roles, worker_role
from glacierctl.aws.changes import Kind, Resource
from glacierctl.aws.errors import NotFound, NotReady
from glacierctl.aws.names import MANAGED
from glacierctl.aws.repository import Login
from glacierctl.aws.wanted import KEPT_VERSIONS, keep_tag


def own_image_function(trial: Trial, *, versions: int) -> list[str]:
    """A function of the user's own, each of whose versions runs an image of its own; their numbers."""
    names, functions = trial.names, trial.aws.functions
    trial.aws.ecr.create_repository(repositoryName=names.repository)
    role = trial.aws.iam.create_role(RoleName=names.role, AssumeRolePolicyDocument=json.dumps(roles.trust()))["Role"]
    login = Login("registry", "AWS", "secret")
    uris = [
        f"{names.repository_uri}@{trial.push(login, f'{names.repository_uri}:own-{number}')}"
        for number in range(versions)
    ]
    functions.create_function(
        FunctionName=names.function, PackageType="Image", Code={"ImageUri": uris[0]}, Role=role["Arn"]
    )
    numbers = []
    for uri in uris:
        functions.update_function_code(FunctionName=names.function, ImageUri=uri)
        numbers.append(functions.publish_version(FunctionName=names.function)["Version"])
    functions.create_alias(FunctionName=names.function, Name=names.alias, FunctionVersion=numbers[0])
    return numbers


def test_an_empty_account_gets_everything(trial: Trial) -> None:
    done = trial.deploy(trial.wanted(memory_mb=3000, timeout_s=600, reserved_concurrency=7))
    function = trial.aws.functions.get_function(FunctionName=trial.names.function, Qualifier=trial.names.alias)
    configuration = function["Configuration"]
    assert (done.version, done.changed, done.worker_version) == (1, True, VERSION)
    assert configuration["Version"] == "1"
    assert (configuration["MemorySize"], configuration["Timeout"]) == (3000, 600)
    assert configuration["Role"] == f"arn:aws:iam::{trial.names.account}:role/{trial.names.role}"
    assert configuration["Environment"]["Variables"] == {
        "GLACIERCTL_BUCKET": "glacier-data",
        "GLACIERCTL_PREFIX": "results/",
    }
    assert function["Code"]["ImageUri"] == done.image
    assert (
        trial.aws.functions.get_function_concurrency(FunctionName=trial.names.function)["ReservedConcurrentExecutions"]
        == 7
    )
    assert trial.aws.iam.list_role_policies(RoleName=trial.names.role)["PolicyNames"] == ["glacierctl-worker"]
    groups = trial.aws.logs.describe_log_groups(logGroupNamePrefix=trial.names.log_group)["logGroups"]
    assert [(group["logGroupName"], group["retentionInDays"]) for group in groups] == [(trial.names.log_group, 30)]
    assert trial.aws.sqs.get_queue_url(QueueName=trial.names.queue)["QueueUrl"]


def test_the_function_runs_the_image_by_its_digest(trial: Trial) -> None:
    done = trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    images = trial.aws.ecr.describe_images(
        repositoryName=trial.names.repository, imageIds=[{"imageTag": "lean-x86_64-aaaa"}]
    )["imageDetails"]
    assert done.image == f"{trial.names.repository_uri}@{images[0]['imageDigest']}"


def test_failed_invocations_of_the_alias_and_of_its_version_are_reported(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    for qualifier in ("1", "live"):
        config = trial.aws.functions.get_function_event_invoke_config(
            FunctionName=trial.names.function, Qualifier=qualifier
        )
        assert config["DestinationConfig"]["OnFailure"]["Destination"].endswith(f":{trial.names.queue}")
        assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 21_600)


def test_where_successes_of_the_alias_are_reported_stays_the_users_own(trial: Trial) -> None:
    own = replace(trial.names, function=f"{trial.names.function}-own")
    worker_role.create(trial.aws, own, trial.wanted().role())
    then = trial.wanted(role_arn=own.role_arn)
    topic = f"arn:aws:sns:us-west-2:{trial.names.account}:done"
    publish = {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [publish]})
    trial.aws.iam.put_role_policy(RoleName=own.role, PolicyName="reports", PolicyDocument=policy)
    trial.deploy(then)
    alias: Any = {"FunctionName": trial.names.function, "Qualifier": "live"}
    trial.aws.functions.put_function_event_invoke_config(
        **alias, MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": {"Destination": topic}}
    )
    trial.deploy(then)
    config = trial.aws.functions.get_function_event_invoke_config(**alias)
    assert config["MaximumRetryAttempts"] == 2
    assert config["DestinationConfig"] == {
        "OnFailure": {"Destination": trial.names.queue_arn},
        "OnSuccess": {"Destination": topic},
    }
    assert trial.plan(then).is_empty


def test_a_second_deploy_changes_nothing(trial: Trial) -> None:
    first = trial.deploy(trial.wanted())
    made = trial.calls()
    assert trial.plan(trial.wanted()).is_empty
    second = trial.deploy(trial.wanted(), deliver=None)
    assert second == replace(first, changed=False)
    assert {name for name in changing(made) if not name.endswith("LogStream")} == set()
    assert trial.versions() == ["1"]


def test_a_new_image_is_a_new_version(trial: Trial) -> None:
    first = trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    second = trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    assert (trial.alias_version(), trial.versions()) == ("2", ["1", "2"])
    assert first.image != second.image
    old = trial.aws.functions.get_function(FunctionName=trial.names.function, Qualifier="1")
    assert old["Code"]["ImageUri"] == first.image


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"memory_mb": 3000}, ("memory_mb", "2048", "3000")),
        ({"timeout_s": 60}, ("timeout_s", "900", "60")),
        ({"ephemeral_storage_mb": 1024}, ("ephemeral_storage_mb", "512", "1024")),
    ],
)
def test_a_changed_setting_is_a_new_version_of_the_same_image(
    trial: Trial, changed: dict[str, Any], field: tuple[str, str, str]
) -> None:
    trial.deploy(trial.wanted())
    then = trial.wanted(**changed)
    found = trial.plan(then)
    assert [change.fields for change in found.changes if change.resource is Resource.FUNCTION] == [(field,)]
    assert not found.needs_image
    trial.deploy(then, deliver=None)
    assert trial.alias_version() == "2"
    assert trial.plan(then).is_empty


def test_lists_that_tell_less_of_a_version_are_enough(trial: Trial) -> None:
    """In lists AWS leaves out states, and may leave out more."""

    def shorten(parsed: dict[str, Any], **_: Any) -> None:
        for version in parsed["Versions"]:
            for name in ("State", "StateReason", "LastUpdateStatus", "EphemeralStorage", "LoggingConfig", "SnapStart"):
                version.pop(name, None)

    trial.deploy(trial.wanted(ephemeral_storage_mb=1024))
    trial.aws.functions.meta.events.register("after-call.lambda.ListVersionsByFunction", shorten)
    assert trial.plan(trial.wanted(ephemeral_storage_mb=1024)).is_empty


def test_the_plan_of_an_empty_account_names_all_in_the_order_of_making(trial: Trial) -> None:
    found = trial.plan(trial.wanted())
    assert [(change.kind, change.resource) for change in found.changes] == [
        (Kind.CREATE, Resource.REPOSITORY),
        (Kind.PUSH, Resource.IMAGE),
        (Kind.CREATE, Resource.ROLE),
        (Kind.CREATE, Resource.LOG_GROUP),
        (Kind.CREATE, Resource.QUEUE),
        (Kind.CREATE, Resource.FUNCTION),
        (Kind.PUBLISH, Resource.VERSION),
        (Kind.CREATE, Resource.INVOCATIONS),
        (Kind.CREATE, Resource.ALIAS),
    ]
    assert json.loads(json.dumps(found.as_json()))["changes"][1] == {
        "kind": "push",
        "resource": "image",
        "name": f"{trial.names.repository_uri}:lean-x86_64-aaaa",
        "fields": [],
    }


def test_planning_changes_nothing(trial: Trial) -> None:
    made = trial.calls()
    trial.plan(trial.wanted())
    assert made
    assert changing(made) == []


def test_what_somebody_changed_by_hand_is_put_right_without_a_new_version(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    trial.aws.functions.update_function_configuration(FunctionName=trial.names.function, MemorySize=128)
    more = json.dumps(roles.submitter(trial.names))
    trial.aws.iam.put_role_policy(RoleName=trial.names.role, PolicyName="more", PolicyDocument=more)
    trial.aws.logs.put_retention_policy(logGroupName=trial.names.log_group, retentionInDays=1)
    done = trial.deploy(trial.wanted(), deliver=None)
    assert (done.version, trial.versions()) == (1, ["1"])
    assert trial.plan(trial.wanted()).is_empty
    assert trial.aws.iam.list_role_policies(RoleName=trial.names.role)["PolicyNames"] == ["glacierctl-worker"]


def test_variables_of_the_users_own_stay(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    own = {"OWN": "yes", "GLACIERCTL_BUCKET": "glacier-data", "GLACIERCTL_PREFIX": "results/"}
    trial.aws.functions.update_function_configuration(FunctionName=trial.names.function, Environment={"Variables": own})
    trial.deploy(trial.wanted(memory_mb=3000))
    told = trial.aws.functions.get_function_configuration(FunctionName=trial.names.function, Qualifier="live")
    assert told["Environment"]["Variables"] == own


def test_an_alias_that_was_rolled_back_names_the_newest_again(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    trial.aws.functions.update_alias(FunctionName=trial.names.function, Name=trial.names.alias, FunctionVersion="1")
    done = trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    assert (done.version, trial.alias_version(), trial.versions()) == (2, "2", ["1", "2"])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"version": "1.0.0", "ready": True}, "it is glacierctl 1.0.0, not 1.2.3"),
        ({"version": VERSION, "ready": False}, "it answered"),
        ("ready", "it answered"),
    ],
)
def test_a_version_that_does_not_work_is_not_named_by_the_alias(trial: Trial, answer: object, why: str) -> None:
    trial.answer(READY, answer)
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    with pytest.raises(NotReady, match=f"version 2 of {trial.names.function} does not work") as caught:
        trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    assert why in caught.value.why
    assert "The alias live is where it was" in caught.value.why
    assert trial.alias_version() == "1"


def test_a_version_that_works_at_the_second_try_is_not_published_twice(trial: Trial) -> None:
    trial.answer({"ready": False}, READY)
    with pytest.raises(NotReady):
        trial.deploy(trial.wanted())
    assert trial.deploy(trial.wanted()).version == 1


@pytest.mark.slow
def test_images_of_kept_versions_are_marked_and_old_versions_go(trial: Trial) -> None:
    for number in range(KEPT_VERSIONS + 2):
        done = trial.deploy(trial.wanted(f"lean-x86_64-{number:04}"))
    assert trial.versions() == [str(number + 1) for number in range(2, KEPT_VERSIONS + 2)]
    images = trial.aws.ecr.describe_images(repositoryName=trial.names.repository)["imageDetails"]
    marked = {one["imageDigest"] for one in images if keep_tag(one["imageDigest"]) in one["imageTags"]}
    assert len(images) == KEPT_VERSIONS + 2
    assert len(marked) == KEPT_VERSIONS
    assert done.image.partition("@")[2] in marked


@pytest.mark.slow
def test_a_version_that_another_alias_names_stays(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-first"))
    trial.aws.functions.create_alias(FunctionName=trial.names.function, Name="paper", FunctionVersion="1")
    for number in range(KEPT_VERSIONS + 1):
        trial.deploy(trial.wanted(f"lean-x86_64-{number:04}"))
    assert trial.versions()[:2] == ["1", "3"]


def test_versions_that_the_user_published_stay(trial: Trial) -> None:
    own = own_image_function(trial, versions=KEPT_VERSIONS + 2)
    assert len(own) == KEPT_VERSIONS + 2
    trial.deploy(trial.wanted())
    assert trial.versions() == [*own, str(KEPT_VERSIONS + 3)]
    assert trial.plan(trial.wanted()).is_empty


@pytest.mark.slow
def test_a_plan_tells_which_versions_go(trial: Trial) -> None:
    for number in range(KEPT_VERSIONS):
        trial.deploy(trial.wanted(memory_mb=2048 + number))
    then = trial.wanted(memory_mb=3000)
    told = [one.name.rpartition(":")[2] for one in trial.plan(then).changes if one.kind is Kind.REMOVE]
    before = trial.versions()
    trial.deploy(then)
    assert sorted(set(before) - set(trial.versions())) == told == ["1"]


def test_images_that_are_in_use_are_marked_before_the_repository_may_remove_any(trial: Trial) -> None:
    numbers = own_image_function(trial, versions=2)
    names, functions = trial.names, trial.aws.functions
    in_use = [functions.get_function(FunctionName=names.function, Qualifier=one)["Code"] for one in numbers]
    latest = trial.push(Login("registry", "AWS", "secret"), f"{names.repository_uri}:own-latest")
    functions.update_function_code(FunctionName=names.function, ImageUri=f"{names.repository_uri}@{latest}")
    functions.update_alias(FunctionName=names.function, Name=names.alias, FunctionVersion="$LATEST")

    def fail(*_: object) -> str:
        raise NotFound("no engine", why="none is there", hint="Start one.")

    told = [one.name for one in trial.plan(trial.wanted()).changes if one.resource is Resource.IMAGE]
    made = trial.calls()
    with pytest.raises(NotFound, match="no engine"):
        trial.deploy(trial.wanted(), deliver=fail)
    assert changing(made)[:4] == [*["PutImage"] * 3, "PutImageTagMutability"]
    images = trial.aws.ecr.describe_images(repositoryName=names.repository)["imageDetails"]
    marked = {one["imageDigest"] for one in images if keep_tag(one["imageDigest"]) in one["imageTags"]}
    assert marked == {latest, *(code["ImageUri"].partition("@")[2] for code in in_use)}
    assert [name for name in told if "@" in name] == sorted(f"{names.repository}@{digest}" for digest in marked)


def test_what_was_there_before_is_adopted(trial: Trial) -> None:
    trial.aws.logs.create_log_group(logGroupName=trial.names.log_group)
    trial.aws.ecr.create_repository(repositoryName=trial.names.repository)
    trial.deploy(trial.wanted())
    assert trial.aws.logs.list_tags_for_resource(resourceArn=trial.names.log_group_arn)["tags"] == {MANAGED: "adopted"}
    assert trial.aws.ecr.list_tags_for_resource(resourceArn=trial.names.repository_arn)["tags"] == [
        {"Key": MANAGED, "Value": "adopted"}
    ]
    assert trial.plan(trial.wanted()).is_empty


def test_without_building_the_image_must_be_there(trial: Trial) -> None:
    with pytest.raises(NotFound, match="there is no image") as caught:
        trial.deploy(trial.wanted(), deliver=None)
    assert "--no-build" in caught.value.hint
    assert trial.current(trial.wanted()).repository is None


def test_an_image_that_is_there_is_not_pushed_again(trial: Trial) -> None:
    trial.aws.ecr.create_repository(repositoryName=trial.names.repository)
    digest = trial.push(Login("registry", "AWS", "secret"), f"{trial.names.repository_uri}:lean-x86_64-aaaa")
    assert trial.deploy(trial.wanted(), deliver=None).image.endswith(digest)


def test_another_registry_is_left_alone(trial: Trial) -> None:
    image = replace(trial.wanted().image, repository_uri="localhost:5000/glaciers", digest="sha256:" + "ab" * 32)
    done = trial.deploy(trial.wanted(image=image), deliver=None)
    assert done.image == f"localhost:5000/glaciers@sha256:{'ab' * 32}"
    assert trial.current(trial.wanted()).repository is None
    assert trial.plan(trial.wanted(image=image)).is_empty
