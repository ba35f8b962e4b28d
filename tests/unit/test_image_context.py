"""What an image is made of, and the name that only its content decides. No engine is needed."""

import email
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from unittest.mock import Mock

import pytest
from tests.support.paths import REPO

import glacierctl
from glacierctl import __version__
from glacierctl.choices import Architecture, Stack
from glacierctl.errors import ImageError
from glacierctl.image.build import Lines, buildx_command
from glacierctl.image.context import build_context
from glacierctl.image.failures import no_engine, refused_by_registry
from glacierctl.image.registry import _parted, push
from glacierctl.image.revision import source_revision
from glacierctl.image.wheel import make_wheel, package_files, wheel_name

DOCKERFILE = (REPO / "container" / "Dockerfile").read_text()


def edited(folder: Path, dockerfile: str, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def test_equal_content_has_an_equal_tag(tmp_path: Path) -> None:
    tag = build_context().tag
    assert tag == build_context(container=edited(tmp_path / "copy", DOCKERFILE)).tag
    stack, architecture, digits = tag.split("-")
    assert (stack, architecture) == ("lean", "x86_64")
    assert len(digits) == 16
    assert int(digits, 16) >= 0


def test_whatever_decides_what_the_image_does_changes_the_tag(tmp_path: Path) -> None:
    tags = [
        build_context().tag,
        build_context(Stack.FULL).tag,
        build_context(architecture=Architecture.ARM64).tag,
        build_context(base="another:1").tag,
        build_context(container=edited(tmp_path / "a", DOCKERFILE + "USER 7\n")).tag,
        build_context(container=edited(tmp_path / "b", DOCKERFILE, steps="mine = 1\n")).tag,
    ]
    assert len({tag.rpartition("-")[2] for tag in tags}) == len(tags)


def test_what_is_hidden_beside_the_dockerfile_is_left_out(tmp_path: Path) -> None:
    folder = edited(tmp_path / "mine", DOCKERFILE, **{".env": "AWS_SECRET_ACCESS_KEY=x"})
    edited(folder / ".git", "")
    context = build_context(container=folder)
    assert set(context.files) == {"Dockerfile", "requirements.txt", wheel_name()}
    assert context.tag == build_context().tag


def test_the_archive_holds_the_files_as_they_are() -> None:
    context = build_context()
    with tarfile.open(fileobj=io.BytesIO(context.archive())) as archive:
        packed = {member.name: archive.extractfile(member).read() for member in archive}
    assert packed == context.files
    assert packed["requirements.txt"] == (REPO / "requirements" / "worker-lean.txt").read_bytes()
    full = build_context(Stack.FULL).files["requirements.txt"]
    assert full == (REPO / "requirements" / "worker-full.txt").read_bytes()


def test_arguments_are_these_and_no_secret() -> None:
    context = build_context()
    assert context.arguments == {
        "BASE": "public.ecr.aws/lambda/python:3.13",
        "IMPORTS": "glacierctl.worker.lambda_handler",
        "VERSION": __version__,
        "REVISION": context.revision,
        "SOURCE_HASH": context.content_hash,
    }


@pytest.mark.parametrize(
    ("dockerfile", "why"), [("FROM python:3.13\n", "no line `ARG BASE=...`"), (None, "there is none")]
)
def test_a_dockerfile_without_a_base_is_refused(tmp_path: Path, dockerfile: str | None, why: str) -> None:
    if dockerfile:
        edited(tmp_path, dockerfile)
    with pytest.raises(ImageError, match="cannot be used") as raised:
        build_context(container=tmp_path)
    assert why in raised.value.why
    assert str(tmp_path) in raised.value.what


def test_the_wheel_is_one_that_pip_installs(tmp_path: Path) -> None:
    """Every file of it is checked against its hash by pip itself."""
    files = package_files(Path(glacierctl.__file__).parent)
    wheel = tmp_path / wheel_name()
    wheel.write_bytes(make_wheel(files))
    words = ("install", "-q", "--no-deps", "--no-index", "--no-compile", "--target", tmp_path / "there", wheel)
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    for name, content in files.items():
        assert (tmp_path / "there" / name).read_bytes() == content
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"glacierctl-{__version__}.dist-info/METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("glacierctl", __version__)


def test_the_wheel_holds_the_handler_and_nothing_that_is_made_anew() -> None:
    names = set(package_files(Path(glacierctl.__file__).parent))
    assert "glacierctl/worker/lambda_handler.py" in names
    assert "glacierctl/py.typed" in names
    assert not [name for name in names if "__pycache__" in name or "_container" in name]


def test_the_same_files_make_the_same_wheel() -> None:
    files = {"glacierctl/__init__.py": b"x = 1\n"}
    assert make_wheel(files) == make_wheel(dict(files))


def test_an_installed_package_makes_the_same_image_as_a_checkout(tmp_path: Path) -> None:
    """The recipe comes along in the wheel; the tag tells that nothing differs."""
    built = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, REPO]
    subprocess.run(built, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("glacierctl-*.whl")
    words = ("install", "-q", "--no-deps", "--no-index", "--target", tmp_path / "there", wheel)
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    program = "from glacierctl.image.context import build_context; print(build_context().tag)"
    there = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path / "there")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert there.stdout.strip() == build_context().tag


def test_the_revision_is_the_checkouts_commit_and_says_whether_files_differ(tmp_path: Path) -> None:
    package = tmp_path / "src" / "glacierctl"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")

    def git(*words: str) -> str:
        who = ("-c", "user.name=T", "-c", "user.email=t@example.org")
        done = subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    assert source_revision(package) == git("rev-parse", "HEAD")
    (package / "__init__.py").write_text("x = 2\n")
    assert source_revision(package) == git("rev-parse", "HEAD") + "-dirty"


def test_buildkit_is_asked_for_one_platform_without_attestations() -> None:
    """Either would make an index of the image, which Lambda refuses."""
    words = buildx_command("docker", "unix:///x.sock", build_context(), platform="linux/arm64", network="host")
    assert words[:5] == ("docker", "--host", "unix:///x.sock", "buildx", "build")
    assert {"--provenance=false", "--sbom=false", "--load"} <= set(words)
    assert words[words.index("--platform") + 1] == "linux/arm64"
    assert words[words.index("--network") + 1] == "host"
    assert words[-1] == "-"


def test_a_failure_quotes_the_step_and_its_last_lines() -> None:
    lines = Lines(lambda _line: None)
    for text in ("#7 [builder 3/4] RUN pip install", "#7 1.2 Collecting x", "#7 1.9 no such version", "------"):
        lines.add(text)
    error = lines.failure("process did not complete: exit code: 1")
    assert error.why.startswith("#7 [builder 3/4] RUN pip install: process did not complete: exit code: 1")
    assert "no such version" in error.why
    assert "------" not in error.why


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("unauthorized: authentication required", "password"),
        ("denied: Your authorization token has expired. Reauthenticate and try again.", "Tokens of ECR last 12 hours"),
        (
            "tag invalid: The image tag already exists and cannot be overwritten because the repository is immutable.",
            "by digest",
        ),
        ("name unknown: The repository with name 'x' does not exist in the registry", "Create the repository"),
        ("dial tcp 127.0.0.1:5000: connect: connection refused", "cannot be reached"),
        ("received unexpected HTTP status: 503 Service Unavailable", "cannot be reached"),
        ("something new", "Try again"),
    ],
)
def test_what_a_registry_says_becomes_what_to_do(said: str, hint: str) -> None:
    error = refused_by_registry("host/x:1 cannot be pushed", said)
    assert error.why == said
    assert hint in error.hint


def test_an_image_that_somebody_pushed_first_to_a_tag_for_ever_is_the_one() -> None:
    digest = "sha256:" + "ab" * 32
    said = (
        "tag invalid: The image tag '1' already exists and cannot be overwritten because the repository is immutable."
    )
    manifest = {"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": digest}
    api = Mock()
    api.push.return_value = [{"error": said}]
    api.inspect_distribution.return_value = {"Descriptor": manifest}
    pushed = push(api, "sha256:1", "host/x:1", None, on_progress=lambda _: None)
    assert (pushed.reference, pushed.digest) == (f"host/x@{digest}", digest)
    api.push.return_value = [{"error": "unauthorized: authentication required"}]
    with pytest.raises(ImageError, match="cannot be pushed"):
        push(api, "sha256:1", "host/x:1", None, on_progress=lambda _: None)


def test_an_engine_that_may_not_be_used_is_told_from_one_that_is_not_there() -> None:
    assert "group" in no_engine(None, PermissionError(13, "Permission denied")).hint
    absent = no_engine("unix:///none.sock", FileNotFoundError(2, "No such file or directory"))
    assert (absent.what, "DOCKER_HOST" in absent.hint) == ("there is no Docker engine at unix:///none.sock", True)


@pytest.mark.parametrize(
    ("reference", "repository", "tag"),
    [
        ("host:5000/a/b:tag", "host:5000/a/b", "tag"),
        ("host:5000/a/b", "host:5000/a/b", None),
        ("host/a@sha256:0123", "host/a", None),
        ("host:5000/a:tag@sha256:0123", "host:5000/a", "tag"),
    ],
)
def test_a_references_port_is_not_its_tag(reference: str, repository: str, tag: str | None) -> None:
    assert _parted(reference) == (repository, tag)
