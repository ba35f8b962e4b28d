"""The image as it is built: what is in it, what is not, and what keeps it from being built."""

import dataclasses
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.docker_engine import DockerEngine

from glacierctl import __version__
from glacierctl.choices import Stack
from glacierctl.cli.image_build import ensure_built
from glacierctl.errors import ImageError
from glacierctl.image.context import Context, build_context
from glacierctl.image.engine import BuiltImage, Engine

pytestmark = pytest.mark.slow

_MB = 10**6
_FULL = (
    *("geopandas", "rasterio", "fiona", "shapely", "pyproj", "numpy", "pandas", "scipy", "sklearn", "joblib"),
    *("matplotlib", "seaborn", "dask", "cv2", "netCDF4", "xarray", "rioxarray", "pystac_client", "boto3"),
)


def inspected(docker_engine: DockerEngine, name: str) -> dict:
    """What the docker command line says of an image."""
    (document,) = json.loads(docker_engine.docker("image", "inspect", name))
    return document


def own_bytes(docker_engine: DockerEngine, name: str) -> int:
    """Unpacked bytes of the layers that are not the base's."""
    base = inspected(docker_engine, build_context().base)
    return inspected(docker_engine, name)["Size"] - base["Size"]


def files(docker_engine: DockerEngine, name: str) -> set[str]:
    found = docker_engine.docker("run", "--rm", "--entrypoint", "find", name, "/", "-xdev", "!", "-type", "d")
    return {line for line in found.splitlines() if not line.startswith(("/proc/", "/sys/", "/dev/", "/etc/"))}


@pytest.fixture(scope="module")
def added(docker_engine: DockerEngine, lean_image: BuiltImage) -> set[str]:
    """Files that the lean image has and its base has not."""
    return files(docker_engine, lean_image.name) - files(docker_engine, build_context().base)


def with_dockerfile(context: Context, dockerfile: str) -> Context:
    """A context like another, as if its user had edited the Dockerfile."""
    return dataclasses.replace(
        context,
        content_hash="edited" + context.content_hash,
        files={**context.files, "Dockerfile": dockerfile.encode()},
    )


def test_it_is_what_it_says_it_is(docker_engine: DockerEngine, lean_image: BuiltImage) -> None:
    document = inspected(docker_engine, lean_image.name)
    context = build_context()
    assert (document["Id"], document["Size"]) == (lean_image.id, lean_image.size_bytes)
    assert (document["Architecture"], document["Os"]) == ("amd64", "linux")
    labels = document["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == context.revision
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", context.revision)
    assert labels["glacierctl.source-hash"] == context.content_hash
    assert document["Config"]["Cmd"] == ["glacierctl.worker.lambda_handler.handler"]


def test_the_lean_stack_adds_at_most_450_mb(docker_engine: DockerEngine, lean_image: BuiltImage) -> None:
    added = own_bytes(docker_engine, lean_image.name)
    print(f"the lean stack adds {added / _MB:.0f} MB to its base")
    assert 100 * _MB < added <= 450 * _MB


def test_all_that_is_added_is_the_tasks_own_folder(added: set[str]) -> None:
    """No caches of pip, no leavings of the build, nothing in a home or in /tmp."""
    assert {path for path in added if not path.startswith("/var/task/")} == set()
    assert "/var/task/glacierctl/worker/lambda_handler.py" in added


def test_no_tools_for_building_are_added(added: set[str]) -> None:
    packages = {path.split("/")[3] for path in added}
    assert packages.isdisjoint(
        {"pip", "setuptools", "wheel", "pandas", "xarray", "docker", "typer", "rich", "geopandas", "pystac"}
    )
    assert not [path for path in added if path.endswith(".whl")]


def test_nothing_but_the_known_arguments_came_from_outside(docker_engine: DockerEngine, lean_image: BuiltImage) -> None:
    base = inspected(docker_engine, build_context().base)["Config"]["Env"]
    added = set(inspected(docker_engine, lean_image.name)["Config"]["Env"]) - set(base)
    assert added == {"HOME=/tmp", "OPENBLAS_NUM_THREADS=1"}
    history = docker_engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", lean_image.name)
    given = set(re.findall(r"([A-Z_]+)=", " ".join(line for line in history.splitlines() if line.startswith("|"))))
    assert given <= {"IMPORTS", "HOME", "PYTHONDONTWRITEBYTECODE"}


def test_what_is_built_already_is_found(engine: Engine, lean_image: BuiltImage) -> None:
    assert engine.find(build_context()) == lean_image


def test_an_import_that_breaks_is_no_image(engine: Engine, docker_engine: DockerEngine, lean_image: BuiltImage) -> None:
    del lean_image  # its layers are there
    context = build_context()
    broken = dataclasses.replace(context, imports=("glacierctl.no_such_room",), content_hash="broken0123456789")
    with pytest.raises(ImageError, match="cannot be built") as raised:
        engine.build(broken, network="host")
    assert "No module named 'glacierctl.no_such_room'" in raised.value.why
    assert not docker_engine.holds(broken.name)
    assert docker_engine.containers() == []


def test_a_step_that_fails_is_quoted_with_what_it_said_last(
    engine: Engine, docker_engine: DockerEngine, lean_image: BuiltImage
) -> None:
    del lean_image
    context = build_context()
    failing = with_dockerfile(
        context, context.files["Dockerfile"].decode() + "RUN echo the disk is made of cheese && exit 3\n"
    )
    lines: list[str] = []
    with pytest.raises(ImageError, match="cannot be built") as raised:
        engine.build(failing, on_line=lines.append, network="host")
    assert re.search(
        r"Step \d+/\d+ : RUN echo the disk.*code: 3.*It said last: .*the disk is made of cheese", raised.value.why
    )
    assert any("the disk is made of cheese" in line for line in lines)
    assert not docker_engine.holds(failing.name)
    assert docker_engine.containers() == []


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("RUN python -m pip", "RUM python -m pip", "unknown instruction: RUM"),
        ("COPY requirements.txt", "COPY my-requirements.txt", "my-requirements.txt"),
        ("FROM ${BASE} AS program", "FROM ${BASE", "missing ':'"),
    ],
)
def test_a_dockerfile_that_its_user_broke_is_one_clear_error(
    engine: Engine, tmp_path: Path, line: str, instead: str, said: str
) -> None:
    dockerfile = build_context().files["Dockerfile"].decode()
    assert line in dockerfile
    (tmp_path / "Dockerfile").write_text(dockerfile.replace(line, instead, 1))
    context = build_context(container=tmp_path)
    with pytest.raises(ImageError, match="cannot be built") as raised:
        engine.build(context, network="host")
    assert said in raised.value.why
    assert "Dockerfile" in raised.value.hint
    assert engine.find(context) is None


def test_a_dockerfile_that_its_user_edited_is_built_under_a_name_of_its_own(
    engine: Engine, docker_engine: DockerEngine, lean_image: BuiltImage, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_bytes(build_context().files["Dockerfile"] + b"COPY steps.py ${LAMBDA_TASK_ROOT}/\n")
    (tmp_path / "steps.py").write_text("mine = 1\n")
    context = build_context(container=tmp_path)
    image = engine.build(context, network="host")
    assert image.name != lean_image.name
    said = docker_engine.docker(
        "run", "--rm", "--entrypoint", "python", image.name, "-c", "import steps; print(steps.mine)"
    )
    assert said == "1"
    engine.remove(image.name)
    assert not docker_engine.holds(image.name)
    assert docker_engine.holds(lean_image.name)


def test_the_full_stack_imports_all_that_it_promises(engine: Engine, docker_engine: DockerEngine) -> None:
    context = build_context(Stack.FULL)
    image = engine.build(context, network="host")
    print(f"the full stack adds {own_bytes(docker_engine, image.name) / _MB:.0f} MB to its base")
    program = f"import sys; [__import__(name) for name in {_FULL!r}]; print('all there')"
    words = ("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--user", "993:990", "--entrypoint", "python", image.name)
    assert docker_engine.docker(*words, "-B", "-c", program).endswith("all there")
    engine.remove(image.name)


@pytest.fixture
def tiny(tmp_path: Path) -> Context:
    """An image that is built at once: its base and a label."""
    (tmp_path / "Dockerfile").write_text(f"ARG BASE={build_context().base}\nFROM ${{BASE}}\nLABEL of={tmp_path.name}\n")
    return build_context(container=tmp_path)


def test_the_lines_of_a_build_are_talk(engine: Engine, tiny: Context, capsys: pytest.CaptureFixture[str]) -> None:
    built = ensure_built(engine, tiny, None)
    said = capsys.readouterr()
    assert said.out == ""
    first, *lines, last = said.err.splitlines()
    assert first == f"Building the image {tiny.name}"
    assert any(line.startswith("  Step 3/3 : LABEL of=") for line in lines)
    assert re.fullmatch(rf"Built the image {tiny.name}: \d+ MB with its base, in [\d.]+ s\.", last)
    assert ensure_built(engine, tiny, None) == built
    assert capsys.readouterr().err == f"The image {tiny.name} is built already.\n"
    engine.remove(tiny.name)


def test_on_a_terminal_there_is_a_spinner_and_then_one_line(
    docker_engine: DockerEngine, engine: Engine, tiny: Context, tmp_path: Path
) -> None:
    program = (
        "import pathlib, sys\n"
        "from glacierctl.cli.image_build import ensure_built\n"
        "from glacierctl.image.context import build_context\n"
        "from glacierctl.image.engine import Engine\n"
        "ensure_built(Engine.connect(), build_context(container=pathlib.Path(sys.argv[1])), None)\n"
    )
    mine, theirs = pty.openpty()
    surroundings = {**os.environ, **docker_engine.environment, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path], env=surroundings, stderr=theirs)
    os.close(theirs)
    said = b""
    with suppress(OSError):  # which is how a terminal ends
        while piece := os.read(mine, 4096):
            said += piece
    os.close(mine)
    assert process.wait(60) == 0
    assert b"\x1b[?25l" in said  # the cursor is hidden while the spinner turns
    assert re.search(rf"\x1b\[2KBuilt the image {tiny.name}: .+ s\.\s*$", said.decode())
    engine.remove(tiny.name)


def test_a_base_without_expat_is_given_it_and_one_with_it_is_left_alone(
    engine: Engine, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    without = (
        "RUN rm /usr/lib/x86_64-linux-gnu/libexpat.so.1"
        """ && printf '#!/bin/sh\\necho "dnf $@"\\n' > /bin/dnf && chmod +x /bin/dnf"""
    )
    base = build_context().base
    docker_engine.docker("build", "--tag", "without-expat:1", "-", given=f"FROM {base}\n{without}\n".encode())
    dockerfile = build_context().files["Dockerfile"].decode()
    step = dockerfile.partition("\nFROM ${BASE}\n")[2].partition("# Two layers")[0]
    assert "libexpat" in step
    (tmp_path / "Dockerfile").write_text(f"ARG BASE={base}\nFROM ${{BASE}}\n{step}")
    for name, asked in ((base, []), ("without-expat:1", ["dnf install -y expat", "dnf clean all"])):
        lines: list[str] = []
        image = engine.build(build_context(container=tmp_path, base=name), on_line=lines.append)
        assert [line for line in lines if line.startswith("dnf")] == asked
        engine.remove(image.name)
    docker_engine.docker("rmi", "without-expat:1")
