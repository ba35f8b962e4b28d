"""`glacierctl deploy`, `deploy history`, `deploy rollback` and `destroy` as a user runs them.

The image is really built and pushed to a real registry with a password; the account is moto's, whose Lambda really
runs the worker.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support import command, moto_server, nginx
from tests.support import registry as registry_support
from tests.support.deployments import Trial
from tests.support.docker_engine import DockerEngine
from tests.support.schemas import check_document
from tests.support.zips import CODE, Old, package_of

from glacierctl import __version__
from glacierctl.cli.deploy_conversion import download
from glacierctl.errors import GlacierctlError
from glacierctl.image.context import build_context

Json = dict[str, Any]
Run = Callable[..., command.Ran]

NAME = "glacier-sentinel2-processor"


class Account:
    """What is in the account, asked with boto3."""

    def __init__(self) -> None:
        clients = {name: boto3.client(name) for name in ("lambda", "iam", "logs", "sqs", "ecr")}
        self.functions, self.iam, self.logs, self.sqs, self.ecr = clients.values()

    def parts(self) -> set[str]:
        """All that a deployment may make, as words."""
        return {
            *(f"function {one['FunctionName']}" for one in self.functions.list_functions()["Functions"]),
            *(f"role {one['RoleName']}" for one in self.iam.list_roles()["Roles"]),
            *(f"log group {one['logGroupName']}" for one in self.logs.describe_log_groups()["logGroups"]),
            *(f"queue {url.rpartition('/')[2]}" for url in self.sqs.list_queues().get("QueueUrls", [])),
            *(f"repository {one['repositoryName']}" for one in self.ecr.describe_repositories()["repositories"]),
        }

    def alias(self) -> str:
        """Version that the alias names."""
        return str(self.functions.get_alias(FunctionName=NAME, Name="live")["FunctionVersion"])

    def put_image(self, tag: str) -> str:
        """Put an image into the repository, which is made if there is none; its digest."""
        if not self.ecr.describe_repositories()["repositories"]:
            self.ecr.create_repository(repositoryName=NAME)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {"digest": "sha256:" + hashlib.sha256(tag.encode()).hexdigest(), "size": 1},
                "layers": [],
            }
        )
        image = self.ecr.put_image(repositoryName=NAME, imageManifest=manifest, imageTag=tag)["image"]
        return str(image["imageId"]["imageDigest"])


@pytest.fixture
def account(cloud: moto_server.Moto) -> Account:
    """Empty; its Lambda really runs the worker."""
    del cloud
    return Account()


@pytest.fixture
def registry_environment(docker_engine: DockerEngine, registry: object, lean_image: object) -> dict[str, str]:
    """Settings with which deploy builds in the tests' engine and pushes to the tests' registry."""
    del lean_image  # built, so that no test builds it again
    return {
        **docker_engine.environment,
        "GLACIERCTL_REGISTRY": registry.host,
        "GLACIERCTL_REGISTRY_USER": registry_support.USER,
        "GLACIERCTL_REGISTRY_PASSWORD": registry_support.PASSWORD,
        "GLACIERCTL_DOCKER_NETWORK": "host",
    }


def document(ran: command.Ran, code: int = 0) -> Json:
    assert ran.code == code, ran.stderr
    found: Json = json.loads(ran.stdout)
    return found


def test_a_dry_run_shows_what_would_be_made_and_makes_nothing(glacierctl: Run, account: Account) -> None:
    shown = glacierctl("deploy", "--dry-run", env={"DOCKER_HOST": "unix:///nowhere"})
    assert shown.code == 0, shown.stderr
    assert f"Deployment {NAME} in account 123456789012, us-west-2: x86_64, 2048 MB of memory" in shown.stdout
    for line in (f"+ create repository {NAME}", "+ push image ", f"+ create role {NAME}-worker",
                 f"+ create function {NAME}", "+ create alias live"):  # fmt: skip
        assert line in shown.stdout
    assert account.parts() == set()

    planned = document(glacierctl("deploy", "--dry-run", "--json"))
    check_document("deploy", planned)
    assert not planned["applied"]
    assert planned["image"].endswith(f"/{NAME}:{build_context().tag}")
    assert account.parts() == set()


@pytest.mark.slow
def test_from_an_empty_account_to_a_deployment_and_back(
    glacierctl: Run, account: Account, registry: object, registry_environment: dict[str, str]
) -> None:
    def run(*words: str, code: int = 0) -> Json:
        return document(glacierctl(*words, "--json", env=registry_environment), code)

    first = run("deploy")
    check_document("deploy", first)
    digest = registry.manifest(NAME, build_context().tag)["digest"]
    function = account.functions.get_function(FunctionName=NAME, Qualifier="live")
    assert function["Code"]["ImageUri"] == first["deployed_image"] == f"{registry.host}/{NAME}@{digest}"
    assert (function["Configuration"]["MemorySize"], function["Configuration"]["Timeout"]) == (2048, 900)
    assert first["worker_version"] == __version__
    assert account.alias() == str(first["version"])
    made = account.parts()

    uploads = registry.uploads()
    again = glacierctl("deploy", env=registry_environment)
    assert (again.code, "Nothing to change" in again.stdout) == (0, True), again
    assert registry.uploads() == uploads
    assert account.parts() == made

    second = run("deploy", "--memory", "3008")
    assert second["version"] == first["version"] + 1
    assert {(one["resource"], one["kind"]) for one in second["changes"]} >= {("function", "update"), ("alias", "move")}
    assert registry.uploads() == uploads

    told = run("deploy", "history")
    check_document("deploy-history", told)
    assert [(one["version"], one["live"]) for one in told["versions"]] == [
        (second["version"], True),
        (first["version"], False),
    ]

    back = run("deploy", "rollback")
    check_document("deploy-rollback", back)
    assert (back["before"], back["version"]) == (second["version"], first["version"])
    assert account.alias() == str(first["version"])
    forth = glacierctl("deploy", "rollback", str(second["version"]), env=registry_environment)
    assert f"live is version {second['version']}" in forth.stdout
    assert account.alias() == str(second["version"])

    to_go = run("destroy", "--dry-run")
    check_document("destroy", to_go)
    assert account.parts() == made
    removed = run("destroy", "--yes")
    assert removed["removed"]
    assert removed["goes"] == to_go["goes"]
    assert account.parts() == set()
    assert run("destroy", "--yes")["removed"] is False


@pytest.mark.slow
def test_a_wrong_password_leaves_no_function_and_says_so(
    glacierctl: Run, account: Account, registry_environment: dict[str, str]
) -> None:
    wrong = {**registry_environment, "GLACIERCTL_REGISTRY_PASSWORD": "wrong"}
    refused = glacierctl("deploy", env=wrong)
    assert refused.code == 1
    assert "Check user and password of the registry" in refused.stderr
    assert "wrong" not in refused.stderr.replace("the wrong", "")
    assert account.parts() == set()


def test_an_image_of_the_accounts_own_repository_is_deployed_by_digest_without_docker(
    glacierctl: Run, account: Account
) -> None:
    digest = account.put_image("theirs")
    ran = glacierctl("deploy", "--no-build", "--image", "theirs", "--json", env={"DOCKER_HOST": "unix:///nowhere"})
    deployed = document(ran)
    assert deployed["deployed_image"].endswith(f"/{NAME}@{digest}")
    assert account.functions.get_function(FunctionName=NAME)["Code"]["ImageUri"].endswith(digest)
    same = glacierctl("deploy", "--no-build", "--image", digest, "--json", env={"DOCKER_HOST": "unix:///nowhere"})
    assert document(same)["changes"] == []
    assert glacierctl("destroy", "--yes").code == 0
    assert account.parts() == {f"repository {NAME}"}  # it was there before


@pytest.mark.parametrize(
    ("words", "env", "refusal"),
    [
        (("--image", "theirs"), {}, (2, "an image is named, and it shall be built too")),
        (("--no-build", "--image", "not/an image"), {}, (2, "names no image")),
        (("--snapstart", "--ephemeral-storage", "1024"), {}, (2, "cannot have as much scratch space")),
        (("--no-build", "--image", "theirs"), {}, (1, f"AWS refuses DescribeImages for the image {NAME}:theirs")),
        (("--no-build",), {}, (1, "AWS refuses DescribeImages")),
        ((), {"DOCKER_HOST": "unix:///nowhere"}, (1, "there is no Docker engine")),
        ((), {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, (1, "there are no AWS credentials")),
        (("--role", "arn:aws:iam::123456789012:role/nobodys"), {}, (1, "nobodys")),
        (("--memory", "64"), {}, (2, "the setting memory_mb cannot be used")),
        (("--dry-run", "history"), {}, (2, "flags stand before history")),
        (("--yes", "rollback"), {}, (2, "flags stand before rollback")),
        (("rollback",), {}, (1, NAME)),
    ],
)
def test_what_cannot_be_deployed_is_refused_with_a_reason_and_no_function_is_made(
    glacierctl: Run, account: Account, words: tuple[str, ...], env: dict[str, str], refusal: tuple[int, str]
) -> None:
    code, said = refusal
    refused = glacierctl("deploy", *words, env=env)
    assert refused.code == code, refused.stderr
    assert said in refused.stderr
    assert "  fix: " in refused.stderr
    assert f"function {NAME}" not in account.parts()


def test_nothing_is_destroyed_without_a_yes(glacierctl: Run, account: Account) -> None:
    account.put_image("ours")
    assert glacierctl("deploy", "--no-build", "--image", "ours").code == 0
    before = account.parts()
    refused = glacierctl("destroy")
    assert refused.code == 2
    assert "say --yes" in refused.stderr
    assert account.parts() == before


def test_of_a_function_that_was_never_deployed_there_is_no_history(glacierctl: Run, account: Account) -> None:
    del account
    told = glacierctl("deploy", "history")
    assert (told.code, told.stdout) == (
        0,
        f"No version of {NAME} was deployed yet: `glacierctl deploy` makes the first.\n",
    )


def test_a_zip_function_is_replaced_only_after_a_yes(glacierctl: Run, account: Account) -> None:
    account.put_image("ours")
    old = Old(Trial()).trial.names.function
    asked = ("deploy", "--no-build", "--image", "ours", "--function", old)
    before = account.functions.get_function(FunctionName=old)

    shown = document(glacierctl(*asked, "--dry-run", "--json"))
    check_document("deploy", shown)
    assert any("environment" in line for line in shown["conversion"]["carried"])
    refused = glacierctl(*asked)
    assert refused.code == 2
    assert "Lambda cannot turn it into an image" in refused.stdout
    assert f"Replace the Zip function {old}?" in refused.stderr
    assert account.functions.get_function(FunctionName=old)["Configuration"] == before["Configuration"]


def test_a_no_changes_nothing_and_says_so(account: Account, tmp_path: Path) -> None:
    account.put_image("ours")
    replaced, removed = Old(Trial()).trial, Trial()
    removed.deploy(removed.wanted())
    before = account.parts()
    for trial, words in ((replaced, ("deploy", "--no-build", "--image", "ours")), (removed, ("destroy",))):
        named = ("--function", trial.names.function)
        sent = command.run_on_terminal(*words, *named, cwd=tmp_path, typed="n\n", code=1)
        assert "nothing was changed" in sent
        assert "Interrupted" not in sent
    assert package_of(replaced) == "Zip"
    assert account.parts() == before


def test_the_code_of_a_function_is_fetched_whole_or_not_at_all(nginx_server: nginx.Nginx, tmp_path: Path) -> None:
    (nginx_server.www / "code.zip").write_bytes(CODE)
    download(nginx_server.url("code.zip"), tmp_path / "code.zip")
    assert (tmp_path / "code.zip").read_bytes() == CODE
    with pytest.raises(GlacierctlError, match="AWS answers 404"):
        download(nginx_server.url("none.zip"), tmp_path / "none.zip")
