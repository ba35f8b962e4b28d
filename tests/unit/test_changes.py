"""The difference between what is there and what is wanted, as values: nothing talks to AWS."""

from dataclasses import fields, replace
from typing import Any

import pytest
from tests.support.deployments import VERSION

from glacierctl.aws.changes import Change, Kind, Plan, Resource, differences
from glacierctl.aws.current import Current
from glacierctl.aws.function import Function
from glacierctl.aws.log_group import LogGroup
from glacierctl.aws.names import Names
from glacierctl.aws.queue import Queue
from glacierctl.aws.repository import Repository
from glacierctl.aws.versions import Alias, Version
from glacierctl.aws.wanted import KEPT_VERSIONS, FunctionSettings, Wanted, WantedImage, keep_tag
from glacierctl.aws.worker_role import Role

NAMES = Names("123456789012", "us-west-2", "glaciers", "glaciers-image", "live", "glacier-data", "results/")
DIGEST = "sha256:" + "ab" * 32
WANTED = Wanted(
    names=NAMES,
    image=WantedImage(NAMES.repository_uri, "lean-x86_64-aaaa"),
    version=VERSION,
    role_arn=None,
    memory_mb=2048,
    timeout_s=900,
    ephemeral_storage_mb=512,
    architecture="x86_64",
    log_retention_days=30,
)
SETTINGS = replace(WANTED, image=replace(WANTED.image, digest=DIGEST)).function()


def published(number: int, digest: str = DIGEST, **changed: Any) -> Version:
    """As Lambda would tell it of the good settings."""
    told = {
        "FunctionName": NAMES.function,
        "Architectures": ["x86_64"],
        "Role": NAMES.role_arn,
        "MemorySize": 2048,
        "Timeout": 900,
        "EphemeralStorage": {"Size": 512},
        "Environment": {"Variables": {"GLACIERCTL_BUCKET": "glacier-data", "GLACIERCTL_PREFIX": "results/"}},
        "LoggingConfig": {"LogGroup": NAMES.log_group, "LogFormat": "Text"},
    }
    return Version(number, digest, f"glacierctl {VERSION} image lean-x86_64-aaaa", "2026", {**told, **changed})


FUNCTION = Function(
    settings=SETTINGS,
    package="Image",
    state="Active",
    state_reason="",
    last_update="Successful",
    last_update_reason="",
    code_hash="ab" * 32,
    environment=SETTINGS.environment,
    versions=(published(1),),
    aliases={"live": Alias("live", "1", frozenset(), "revision")},
    invocations={"1": WANTED.invocations(), "live": WANTED.invocations()},
    concurrency=None,
    made_by_us=True,
)
THERE = Current(
    repository=Repository(
        WANTED.repository(), {DIGEST: frozenset({"lean-x86_64-aaaa", keep_tag(DIGEST)})}, made_by_us=True
    ),
    digest=DIGEST,
    role=Role(WANTED.role(), NAMES.role_arn, made_by_us=True),
    log_group=LogGroup(WANTED.log_group(), None, made_by_us=True),
    queue=Queue(WANTED.queue(), "https://queue", made_by_us=True),
    function=FUNCTION,
)


def plan(wanted: Wanted = WANTED, **changed: Any) -> Plan:
    """Of what is as it shall be, but for this."""
    return differences(replace(THERE, **changed), wanted)


def told(found: Plan) -> list[tuple[str, str]]:
    return [(str(change.kind), str(change.resource)) for change in found.changes]


def test_what_is_as_it_shall_be_needs_nothing() -> None:
    found = plan()
    assert found.is_empty
    assert not found.converts
    assert not found.needs_image


@pytest.mark.parametrize(
    ("part", "resource"),
    [("repository", "repository"), ("role", "role"), ("log_group", "log group"), ("queue", "failure queue")],
)
def test_what_is_missing_is_created(part: str, resource: str) -> None:
    assert ("create", resource) in told(plan(**{part: None}))


@pytest.mark.parametrize(
    ("part", "spoiled", "field"),
    [
        ("repository", {"immutable_tags": False}, ("immutable_tags", "no", "yes")),
        ("repository", {"scan_on_push": False}, ("scan_on_push", "no", "yes")),
        ("repository", {"lifecycle": None}, ("lifecycle", "none", "as glacierctl writes it")),
        ("repository", {"policy": {"Statement": []}}, ("policy", "another", "as glacierctl writes it")),
        ("repository", {"managed": False}, ("managed", "no", "yes")),
        ("role", {"trust": {"Statement": []}}, ("trust", "another", "as glacierctl writes it")),
        ("role", {"attached": ("arn:aws:iam::aws:policy/X",)}, ("attached", "arn:aws:iam::aws:policy/X", "none")),
        ("role", {"policies": {}}, ("policies", "none", "glacierctl-worker=as glacierctl writes it")),
        ("log_group", {"retention_days": None}, ("retention_days", "none", "30")),
        ("queue", {"retention_s": 345_600}, ("retention_s", "345600", "1209600")),
        ("queue", {"encrypted": False}, ("encrypted", "no", "yes")),
    ],
)
def test_a_setting_that_differs_is_told_with_both_values(
    part: str, spoiled: dict[str, Any], field: tuple[str, str, str]
) -> None:
    there = getattr(THERE, part)
    found = plan(**{part: replace(there, settings=replace(there.settings, **spoiled))})
    assert [(change.kind, change.fields) for change in found.changes] == [(Kind.UPDATE, (field,))]


@pytest.mark.parametrize(
    ("spoiled", "field"),
    [
        ({"memory_mb": 128}, ("memory_mb", "128", "2048")),
        ({"timeout_s": 3}, ("timeout_s", "3", "900")),
        ({"ephemeral_storage_mb": 1024}, ("ephemeral_storage_mb", "1024", "512")),
        ({"architecture": "arm64"}, ("architecture", "arm64", "x86_64")),
        ({"role_arn": "arn:other"}, ("role_arn", "arn:other", NAMES.role_arn)),
        ({"log_group": "/other"}, ("log_group", "/other", NAMES.log_group)),
        ({"log_format": "JSON"}, ("log_format", "JSON", "Text")),
        ({"snapstart": True}, ("snapstart", "yes", "no")),
        ({"command": ("sh",)}, ("command", "sh", "none")),
        ({"description": "mine"}, ("description", "mine", SETTINGS.description)),
        ({"managed": False}, ("managed", "no", "yes")),
        ({"image": "other@sha256:1"}, ("image", "other@sha256:1", f"{NAMES.repository_uri}@{DIGEST}")),
        (
            {"environment": {"GLACIERCTL_BUCKET": "b", "GLACIERCTL_PREFIX": "results/"}},
            (
                "environment",
                "GLACIERCTL_BUCKET=b, GLACIERCTL_PREFIX=results/",
                "GLACIERCTL_BUCKET=glacier-data, GLACIERCTL_PREFIX=results/",
            ),
        ),
    ],
)
def test_every_setting_of_the_function_counts(spoiled: dict[str, Any], field: tuple[str, str, str]) -> None:
    found = plan(function=replace(FUNCTION, settings=replace(SETTINGS, **spoiled)))
    assert found.changes == (Change(Kind.UPDATE, Resource.FUNCTION, "glaciers", (field,)),)


def test_no_setting_of_the_function_is_forgotten_above() -> None:
    spoiled = {name for case in test_every_setting_of_the_function_counts.pytestmark[0].args[1] for name in case[0]}
    assert spoiled == {field.name for field in fields(FunctionSettings)}


@pytest.mark.parametrize(
    ("failed", "field"),
    [
        ({"state": "Failed", "state_reason": "no image"}, ("state", "Failed (no image)", "Active")),
        ({"last_update": "Failed"}, ("last_update", "Failed (Lambda does not say why)", "Successful")),
    ],
)
def test_what_lambda_could_not_do_is_done_again(failed: dict[str, Any], field: tuple[str, str, str]) -> None:
    found = plan(function=replace(FUNCTION, **failed))
    assert found.changes == (Change(Kind.UPDATE, Resource.FUNCTION, "glaciers", (field,)),)


@pytest.mark.parametrize(
    ("changed", "anew"),
    [({}, True), ({"made_by_us": False}, False), ({"versions": FUNCTION.versions}, False),
     ({"aliases": {"mine": Alias("mine", "$LATEST", frozenset(), "r")}}, False), ({"state": "Active"}, False)],
)  # fmt: skip
def test_a_function_of_ours_that_never_was_is_made_anew(changed: dict[str, Any], *, anew: bool) -> None:
    failed = {"state": "Failed", "versions": (), "aliases": {}, "invocations": {}}
    found = told(plan(function=replace(FUNCTION, **{**failed, **changed})))
    assert (("remove", "function") in found, ("create", "function") in found) == (anew, anew)


def test_variables_of_the_users_own_do_not_count() -> None:
    own = {**SETTINGS.environment, "OWN": "yes"}
    assert plan(function=replace(FUNCTION, settings=replace(SETTINGS, environment=own), environment=own)).is_empty


@pytest.mark.parametrize(
    "spoiled",
    [{"MemorySize": 128}, {"Timeout": 3}, {"EphemeralStorage": {"Size": 513}}, {"Architectures": ["arm64"]},
     {"Role": "arn:other"}, {"Environment": {"Variables": {}}}, {"SnapStart": {"ApplyOn": "PublishedVersions"}}],
)  # fmt: skip
def test_a_newest_version_that_is_not_what_is_wanted_is_followed_by_another(spoiled: dict[str, Any]) -> None:
    found = plan(function=replace(FUNCTION, versions=(published(1, **spoiled),)))
    assert told(found) == [("publish", "version"), ("move", "alias")]


def test_an_older_version_that_is_what_is_wanted_is_not_taken() -> None:
    """Lambda publishes only its newest state."""
    found = plan(function=replace(FUNCTION, versions=(published(1), published(2, MemorySize=128))))
    assert ("publish", "version") in told(found)


def test_a_version_that_a_retry_published_since_is_passed_over() -> None:
    resized = replace(published(2, MemorySize=8192), description=f"{published(1).description} (8192 MB for a retry)")
    function = replace(FUNCTION, versions=(published(1), resized))
    assert plan(function=function).is_empty
    larger = plan(replace(WANTED, memory_mb=8192), function=function)
    assert told(larger) == [("update", "function"), ("create", "invocation settings"), ("move", "alias")]


def test_an_alias_that_names_another_version_is_moved_to_the_newest() -> None:
    both = (published(1, MemorySize=128), published(2))
    invocations = {**FUNCTION.invocations, "2": WANTED.invocations()}
    found = plan(function=replace(FUNCTION, versions=both, invocations=invocations))
    assert found.changes == (Change(Kind.MOVE, Resource.ALIAS, "live", (("version", "1", "2"),)),)


def test_the_report_of_successes_is_kept_as_far_as_the_role_may_send_it() -> None:
    topic = "arn:aws:sns:us-west-2:123456789012:done"
    role = "arn:aws:iam::123456789012:role/own"
    reporting = {name: replace(one, on_success=topic) for name, one in FUNCTION.invocations.items()}
    own = replace(FUNCTION, settings=replace(SETTINGS, role_arn=role), versions=(published(1, Role=role),))
    assert plan(replace(WANTED, role_arn=role), role=None, function=replace(own, invocations=reporting)).is_empty
    found = plan(function=replace(FUNCTION, invocations=reporting))
    assert [(change.name, change.fields) for change in found.changes] == [
        ("glaciers:1", (("on_success", topic, "none"),)),
        ("glaciers:live", (("on_success", topic, "none"),)),
    ]
    queue = {name: replace(one, on_success=NAMES.queue_arn) for name, one in FUNCTION.invocations.items()}
    assert plan(function=replace(FUNCTION, invocations=queue)).is_empty


def test_an_alias_that_shares_invocations_out_is_moved() -> None:
    shared = {"live": Alias("live", "1", frozenset({"2"}), "revision")}
    assert told(plan(function=replace(FUNCTION, aliases=shared))) == [("move", "alias")]


def test_an_image_that_is_not_there_is_pushed_and_told_by_its_tag() -> None:
    found = plan(digest=None)
    assert found.needs_image
    assert found.as_json()["image"] == f"{NAMES.repository_uri}:lean-x86_64-aaaa"
    assert told(found)[0] == ("push", "image")


def test_a_zip_package_is_converted() -> None:
    found = plan(function=replace(FUNCTION, package="Zip", settings=replace(SETTINGS, image="")))
    assert found.converts
    assert ("convert", "function") in told(found)


def test_a_retention_that_a_converted_function_brought_stays() -> None:
    kept = LogGroup(replace(WANTED.log_group(), retention_days=365), 365, made_by_us=False)
    assert plan(log_group=kept).is_empty
    assert told(plan(log_group=replace(kept, kept_retention_days=None))) == [("update", "log group")]


@pytest.mark.parametrize(("there", "then", "differs"), [(None, None, False), (5, None, False), (5, 5, False),
                                                        (None, 5, True), (5, 0, True)])  # fmt: skip
def test_concurrency_is_left_alone_unless_it_is_asked_for(
    there: int | None, then: int | None, *, differs: bool
) -> None:
    found = plan(replace(WANTED, reserved_concurrency=then), function=replace(FUNCTION, concurrency=there))
    assert told(found) == ([("update", "concurrency")] if differs else [])


def test_a_role_of_the_users_own_is_none_of_ours() -> None:
    assert "role" not in [resource for _, resource in told(plan(replace(WANTED, role_arn="arn:own"), role=None))]


def test_what_an_interrupted_deploy_left_is_tidied_up() -> None:
    versions = tuple(published(number) for number in range(1, KEPT_VERSIONS + 3))
    newest = str(KEPT_VERSIONS + 2)
    function = replace(
        FUNCTION,
        versions=versions,
        aliases={"live": Alias("live", newest, frozenset(), "r"), "paper": Alias("paper", "1", frozenset(), "r")},
        invocations={newest: WANTED.invocations(), "live": WANTED.invocations()},
    )
    other = "sha256:" + "cd" * 32
    images = {DIGEST: frozenset({"a"}), other: frozenset({"b", keep_tag(other)})}
    found = plan(function=function, repository=Repository(WANTED.repository(), images, made_by_us=True))
    assert [(change.kind, change.name, change.fields) for change in found.changes] == [
        (Kind.UPDATE, f"glaciers-image@{DIGEST}", (("kept", "no", "yes"),)),
        (Kind.UPDATE, f"glaciers-image@{other}", (("kept", "yes", "no"),)),
        (Kind.REMOVE, "glaciers:2", ()),
    ]


def removed(found: Plan) -> list[str]:
    return [change.name for change in found.changes if change.kind is Kind.REMOVE]


def test_versions_that_make_room_for_a_new_one_are_told() -> None:
    versions = tuple(published(number) for number in range(1, KEPT_VERSIONS + 1))
    aliases = {"live": Alias("live", str(KEPT_VERSIONS), frozenset(), "r")}
    function = replace(FUNCTION, versions=versions, aliases=aliases)
    assert removed(plan(function=function)) == []
    larger = replace(WANTED, memory_mb=3000)
    assert removed(plan(larger, function=function)) == ["glaciers:1"]
    paper = {**aliases, "paper": Alias("paper", "1", frozenset(), "r")}
    assert removed(plan(larger, function=replace(function, aliases=paper))) == []


def test_versions_that_the_user_published_never_go() -> None:
    own = tuple(replace(published(number, MemorySize=number), description="mine") for number in range(1, 26))
    ours = tuple(published(number) for number in range(26, 26 + KEPT_VERSIONS))
    function = replace(FUNCTION, versions=own)
    assert removed(plan(function=function)) == []
    assert removed(plan(replace(WANTED, memory_mb=3000), function=replace(function, versions=(*own, *ours)))) == [
        "glaciers:26"
    ]


def test_versions_of_a_zip_package_are_not_told_one_by_one() -> None:
    """They go with it."""
    versions = tuple(published(number) for number in range(1, KEPT_VERSIONS + 3))
    zipped = replace(FUNCTION, package="Zip", settings=replace(SETTINGS, image=""), versions=versions)
    assert removed(plan(function=zipped)) == []


def test_a_mark_that_is_an_images_only_tag_stays_or_the_image_would_go() -> None:
    other = "sha256:" + "cd" * 32
    assert THERE.repository is not None
    images = {**THERE.repository.images, other: frozenset({keep_tag(other)})}
    assert plan(repository=Repository(WANTED.repository(), images, made_by_us=True)).is_empty
