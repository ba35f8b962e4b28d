"""What was deployed, the way back, and leaving: on a made-up account."""

from dataclasses import replace

import pytest
from tests.support.deployments import VERSION, Trial, changing, new_names

from glacierctl.aws import repository
from glacierctl.aws.changes import Resource
from glacierctl.aws.destroy import Destruction, destroy, plan_destruction
from glacierctl.aws.errors import Conflict, NotFound, NotReady
from glacierctl.aws.history import read_history
from glacierctl.aws.names import MANAGED
from glacierctl.aws.resized import resized
from glacierctl.aws.rollback import RolledBack, roll_back
from glacierctl.aws.session import Aws

MADE = [Resource.FUNCTION, Resource.QUEUE, Resource.LOG_GROUP, Resource.ROLE, Resource.REPOSITORY]


def resources(destruction: Destruction) -> tuple[list[Resource], list[Resource]]:
    return [piece.resource for piece in destruction.goes], [piece.resource for piece in destruction.stays]


def leave(trial: Trial) -> None:
    destroy(trial.aws, plan_destruction(trial.aws, trial.names), on_step=trial.steps.append)


def test_history_tells_what_was_deployed_the_newest_first(trial: Trial) -> None:
    assert read_history(trial.aws, trial.names) == ()
    images = [trial.deploy(trial.wanted(tag)).image for tag in ("lean-x86_64-aaaa", "lean-x86_64-bbbb")]
    trial.aws.functions.create_alias(FunctionName=trial.names.function, Name="paper", FunctionVersion="1")
    newest, first = read_history(trial.aws, trial.names)
    assert (newest.version, newest.tag, newest.worker_version) == (2, "lean-x86_64-bbbb", VERSION)
    assert (newest.is_live, newest.aliases) == (True, ("live",))
    assert (first.version, first.is_live, first.aliases) == (1, False, ("paper",))
    assert [first.digest, newest.digest] == [image.partition("@")[2] for image in images]
    assert first.published <= newest.published


def test_a_rollback_goes_to_the_version_before(trial: Trial) -> None:
    first = trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    made = trial.calls()
    assert roll_back(trial.aws, trial.names) == RolledBack(before=2, version=1, image=first.image)
    assert trial.alias_version() == "1"
    assert changing(made) == ["UpdateAlias"]
    assert len(made) <= 9


def test_a_rollback_goes_to_the_version_that_is_named_forward_too(trial: Trial) -> None:
    for tag in ("lean-x86_64-aaaa", "lean-x86_64-bbbb", "lean-x86_64-cccc"):
        trial.deploy(trial.wanted(tag))
    assert roll_back(trial.aws, trial.names, 1).version == 1
    assert roll_back(trial.aws, trial.names, 3).before == 1
    assert trial.alias_version() == "3"
    assert roll_back(trial.aws, trial.names, 3).before == 3


def test_a_rollback_passes_over_a_version_that_did_not_answer(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    trial.answer({"ready": False})
    with pytest.raises(NotReady):
        trial.deploy(trial.wanted("lean-x86_64-broken"))
    trial.revive()
    trial.deploy(trial.wanted("lean-x86_64-cccc"))
    assert roll_back(trial.aws, trial.names).before == 3
    assert trial.alias_version() == "1"


def retry_with(trial: Trial, memory_mb: int, *, version: str) -> str:
    """Publish a version with other memory, as `retry --memory` does; its number."""
    return resized(
        trial.aws, trial.names, version, memory_mb, clock=trial.time.clock(), on_step=trial.steps.append
    ).version


def test_a_version_for_a_retry_was_never_deployed(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    assert retry_with(trial, 8192, version="1") == "2"
    assert trial.plan(trial.wanted("lean-x86_64-aaaa")).is_empty
    trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    assert [(one.version, one.is_resized) for one in read_history(trial.aws, trial.names)] == [
        (3, False),
        (2, True),
        (1, False),
    ]
    assert read_history(trial.aws, trial.names)[1].tag == "lean-x86_64-aaaa"
    assert roll_back(trial.aws, trial.names).version == 1


def test_a_version_for_a_retry_that_is_what_is_wanted_is_deployed_and_gone_back_to(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    retry_with(trial, 8192, version="1")
    assert trial.deploy(trial.wanted(memory_mb=8192)).version == 2
    assert trial.plan(trial.wanted(memory_mb=8192)).is_empty
    trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    assert roll_back(trial.aws, trial.names).version == 2
    assert roll_back(trial.aws, trial.names).version == 1


def test_a_version_that_was_gone_back_from_is_not_gone_back_to(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-good"))
    trial.deploy(trial.wanted("lean-x86_64-bad"))
    assert roll_back(trial.aws, trial.names).version == 1
    trial.deploy(trial.wanted("lean-x86_64-worse"))
    assert roll_back(trial.aws, trial.names).version == 1
    with pytest.raises(NotFound, match="cannot be rolled back"):
        roll_back(trial.aws, trial.names)


def test_an_alias_that_was_moved_by_hand_goes_back_to_where_it_was(trial: Trial) -> None:
    for tag in ("lean-x86_64-aaaa", "lean-x86_64-bbbb", "lean-x86_64-cccc"):
        trial.deploy(trial.wanted(tag))
    roll_back(trial.aws, trial.names, 1)
    trial.aws.functions.update_alias(FunctionName=trial.names.function, Name="live", FunctionVersion="3")
    assert roll_back(trial.aws, trial.names).version == 1


def test_what_an_alias_named_is_noted_after_the_users_words(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    trial.aws.functions.update_alias(FunctionName=trial.names.function, Name="live", Description="ours")
    trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    trial.deploy(trial.wanted("lean-x86_64-cccc"))
    told = trial.aws.functions.get_alias(FunctionName=trial.names.function, Name="live")
    assert told["Description"] == "ours (glacierctl: version 3, before it 2, 1)"


def test_a_rollback_needs_a_version_before(trial: Trial) -> None:
    with pytest.raises(NotFound, match="cannot be rolled back") as nothing:
        roll_back(trial.aws, trial.names)
    assert "there is no alias live" in nothing.value.why
    trial.deploy(trial.wanted())
    with pytest.raises(NotFound) as only:
        roll_back(trial.aws, trial.names)
    assert "none that was before it" in only.value.why
    with pytest.raises(NotFound) as missing:
        roll_back(trial.aws, trial.names, 7)
    assert missing.value.why == "there is no version 7; there are 1"
    assert trial.alias_version() == "1"


def test_a_rollback_refuses_a_version_whose_image_is_gone(trial: Trial) -> None:
    first = trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    trial.deploy(trial.wanted("lean-x86_64-bbbb"))
    digest = first.image.partition("@")[2]
    trial.aws.ecr.batch_delete_image(repositoryName=trial.names.repository, imageIds=[{"imageDigest": digest}])
    with pytest.raises(NotFound, match=f"version 1 of {trial.names.function} cannot be used") as caught:
        roll_back(trial.aws, trial.names)
    assert f"{digest} is not in the repository" in caught.value.why
    assert trial.alias_version() == "2"


def test_an_alias_that_somebody_else_moves_at_the_same_time_is_not_moved_again(trial: Trial) -> None:
    for tag in ("lean-x86_64-aaaa", "lean-x86_64-bbbb", "lean-x86_64-cccc"):
        trial.deploy(trial.wanted(tag))

    def interfere(**_: object) -> None:
        trial.aws.functions.meta.events.unregister("before-call.lambda.UpdateAlias", interfere)
        other = trial.reach().functions
        other.update_alias(FunctionName=trial.names.function, Name="live", FunctionVersion="1")

    trial.aws.functions.meta.events.register("before-call.lambda.UpdateAlias", interfere)
    with pytest.raises(Conflict):
        roll_back(trial.aws, trial.names)
    assert trial.alias_version() == "1"


def test_all_that_was_made_goes_but_the_bucket(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    trial.deploy(trial.wanted("lean-x86_64-bbbb", reserved_concurrency=3))
    destruction = plan_destruction(trial.aws, trial.names)
    assert resources(destruction) == (MADE, [Resource.BUCKET])
    assert destruction.as_json()["stays"][0]["name"] == "glacier-data"
    leave(trial)
    now = trial.current(trial.wanted())
    assert (now.function, now.queue, now.log_group, now.role, now.repository) == (None,) * 5
    assert plan_destruction(trial.aws, trial.names).is_empty


def test_leaving_can_be_repeated_with_the_same_plan(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    destruction = plan_destruction(trial.aws, trial.names)
    for _ in range(2):
        destroy(trial.aws, destruction, on_step=trial.steps.append)
    assert plan_destruction(trial.aws, trial.names).is_empty


def test_what_was_there_before_the_first_deploy_stays(trial: Trial) -> None:
    trial.aws.logs.create_log_group(logGroupName=trial.names.log_group)
    trial.aws.sqs.create_queue(QueueName=trial.names.queue)
    unmanaged = plan_destruction(trial.aws, trial.names)
    assert {piece.why for piece in unmanaged.stays[:-1]} == {"it is none of ours"}
    trial.deploy(trial.wanted())
    goes, stays = resources(plan_destruction(trial.aws, trial.names))
    assert goes == [Resource.FUNCTION, Resource.ROLE, Resource.REPOSITORY]
    assert stays == [Resource.QUEUE, Resource.LOG_GROUP, Resource.BUCKET]
    leave(trial)
    assert trial.current(trial.wanted()).log_group is not None
    assert trial.current(trial.wanted()).queue is not None


def test_a_repository_that_two_functions_share_serves_both_until_the_last_one_goes(trial: Trial) -> None:
    trial.deploy(trial.wanted("lean-x86_64-aaaa"))
    other = Trial(replace(new_names(), repository=trial.names.repository))
    other.deploy(other.wanted("lean-x86_64-bbbb"))
    assert trial.plan(trial.wanted("lean-x86_64-aaaa")).is_empty
    assert other.plan(other.wanted("lean-x86_64-bbbb")).is_empty
    found = repository.read(trial.aws, trial.names)
    assert found is not None
    assert found.kept() == found.images.keys()
    assert len(found.images) == 2

    nobody = Trial(replace(new_names(), repository=trial.names.repository))
    assert plan_destruction(nobody.aws, nobody.names).is_empty
    destruction = plan_destruction(other.aws, other.names)
    assert destruction.stays[0].why == f"it is also that of {trial.names.function}"
    leave(other)
    assert plan_destruction(other.aws, other.names).is_empty
    (unmarking,) = trial.plan(trial.wanted("lean-x86_64-aaaa")).changes
    assert unmarking.fields == (("kept", "yes", "no"),)
    assert resources(plan_destruction(trial.aws, trial.names)) == (MADE, [Resource.BUCKET])
    leave(trial)
    assert repository.read(trial.aws, trial.names) is None


def test_a_role_is_not_taken_from_the_deployment_in_another_region(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    elsewhere = Trial(replace(trial.names, aws_region="eu-central-1"))
    elsewhere.aws = Aws("eu-central-1", elsewhere.aws.patience, elsewhere.aws.session)
    made = elsewhere.calls()
    with pytest.raises(Conflict, match="cannot be deployed in eu-central-1") as caught:
        elsewhere.deploy(elsewhere.wanted())
    assert "deployed in us-west-2 too" in caught.value.why
    assert changing(made) == []
    goes, stays = resources(plan_destruction(elsewhere.aws, elsewhere.names))
    assert (goes, stays) == ([], [Resource.ROLE, Resource.BUCKET])
    assert trial.plan(trial.wanted()).is_empty


def test_a_function_that_stays_keeps_what_it_needs(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    tags = {MANAGED: "adopted"}
    trial.aws.functions.tag_resource(Resource=trial.names.function_arn, Tags=tags)
    destruction = plan_destruction(trial.aws, trial.names)
    assert resources(destruction) == ([], [*MADE, Resource.BUCKET])
    assert {piece.why for piece in destruction.stays[1:-1]} == {
        f"the function {trial.names.function} stays, and needs it"
    }


def test_after_leaving_a_deploy_begins_anew(trial: Trial) -> None:
    trial.deploy(trial.wanted())
    leave(trial)
    done = trial.deploy(trial.wanted())
    assert done.changed
    assert trial.alias_version() == str(done.version)
