"""The image as Lambda runs it: AWS's emulator inside, the function's limits around it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.docker_engine import DockerEngine
from tests.support.processes import wait_for

from glacierctl import __version__
from glacierctl.errors import ImageError
from glacierctl.image.context import build_context
from glacierctl.image.emulator import Emulator, Limits, Mount
from glacierctl.image.engine import BuiltImage, Engine

pytestmark = pytest.mark.slow

_LIMITS = Limits(memory_mb=512, ephemeral_mb=64, timeout_s=30)
_CPU = """
import resource, sys
import glacierctl.worker.lambda_handler
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
"""


@pytest.fixture(scope="module")
def running(engine: Engine, lean_image: BuiltImage) -> Iterator[Emulator]:
    with engine.emulator(lean_image.name, _LIMITS, environment={"GLACIERCTL_WORKERS": "1"}) as emulator:
        yield emulator


@pytest.fixture
def inside(running: Emulator, docker_engine: DockerEngine) -> str:
    """Id of the container."""
    del running
    (container,) = docker_engine.containers()
    return container


def handler(folder: Path, program: str) -> Mount:
    """Puts another program in the handler's place."""
    (folder / "handler.py").write_text(program)
    return Mount(folder / "handler.py", "/var/task/glacierctl/worker/lambda_handler.py")


def shell(docker_engine: DockerEngine, container: str, line: str) -> str:
    return docker_engine.docker("exec", container, "sh", "-c", f"{{ {line}; }} 2>&1; true")


def test_a_smoke_event_is_answered(running: Emulator) -> None:
    response = running.invoke({"smoke": True})
    assert (response.error_type, response.payload) == (None, {"version": __version__, "ready": True})


def test_an_exception_is_an_error_with_its_type(running: Emulator) -> None:
    response = running.invoke({"schema": 7})
    assert (response.payload, response.error_type) == (None, "BadEventError")
    assert "the event is not a Task" in response.error_message
    wait_for(lambda: '"step": "raised"' in running.log())  # the engine passes it on when it likes


def test_it_runs_as_somebody_who_owns_nothing_and_writes_to_tmp_alone(docker_engine: DockerEngine, inside: str) -> None:
    assert shell(docker_engine, inside, "id -u; id -g") == "993\n990"
    for place in ("/var/task/glacierctl/x", "/x", "/etc/x", "/var/runtime/x"):
        assert "Read-only file system" in shell(docker_engine, inside, f"touch {place}")
    assert shell(docker_engine, inside, "touch /tmp/x && ls /tmp/x && rm /tmp/x") == "/tmp/x"
    assert "CapEff:\t0000000000000000" in shell(docker_engine, inside, "cat /proc/self/status")
    assert "NoNewPrivs:\t1" in shell(docker_engine, inside, "cat /proc/self/status")


def test_it_has_the_functions_memory_and_scratch_space(docker_engine: DockerEngine, inside: str) -> None:
    said = shell(
        docker_engine, inside, "dd if=/dev/zero of=/tmp/full bs=1048576 count=65; wc -c < /tmp/full; rm /tmp/full"
    )
    assert "No space left on device" in said
    assert said.splitlines()[-1] == str(64 * 2**20)
    (document,) = json.loads(docker_engine.docker("inspect", inside))
    assert document["HostConfig"]["Memory"] == document["HostConfig"]["MemorySwap"] == 512 * 2**20
    assert "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512" in document["Config"]["Env"]


def test_most_memory_is_that_of_the_worker(running: Emulator) -> None:
    running.invoke({"smoke": True})
    assert 60 < running.peak_memory_mb() < 300


def test_a_task_that_takes_too_long_is_ended(engine: Engine, lean_image: BuiltImage, tmp_path: Path) -> None:
    mount = handler(tmp_path, "import time\n\n\ndef handler(event, context):\n    time.sleep(60)\n")
    limits = Limits(memory_mb=512, ephemeral_mb=64, timeout_s=2)
    with engine.emulator(lean_image.name, limits, mounts=[mount]) as emulator:
        response = emulator.invoke({})
    assert response.error_type == "Timeout"
    assert "timed out after 2" in response.error_message


def test_no_container_is_left_behind(engine: Engine, lean_image: BuiltImage, docker_engine: DockerEngine) -> None:
    before = docker_engine.containers()
    during: list[str] = []

    def run_and_fail() -> None:
        with engine.emulator(lean_image.name, _LIMITS):
            during.extend(docker_engine.containers())
            raise RuntimeError("of the test")

    with pytest.raises(RuntimeError, match="of the test"):
        run_and_fail()
    assert len(during) == len(before) + 1
    assert docker_engine.containers() == before


def test_an_image_without_an_emulator_is_one_clear_error(
    engine: Engine, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(
        f'ARG BASE={build_context().base}\nFROM ${{BASE}}\nRUN rm /usr/local/bin/aws-lambda-rie\nCMD ["x.y"]\n'
    )
    image = engine.build(build_context(container=tmp_path))
    before = docker_engine.containers()
    with (
        pytest.raises(ImageError, match="cannot be run under AWS's emulator") as raised,
        engine.emulator(image.name, _LIMITS),
    ):
        pass
    assert "aws-lambda-rie" in raised.value.why
    assert docker_engine.containers() == before
    engine.remove(image.name)


def test_a_handler_that_cannot_be_imported_is_an_error_of_the_function(
    engine: Engine, lean_image: BuiltImage, tmp_path: Path
) -> None:
    mount = handler(tmp_path, "import no_such_module\n")
    with engine.emulator(lean_image.name, _LIMITS, mounts=[mount]) as emulator:
        response = emulator.invoke({"smoke": True})
    assert response.error_type == "Runtime.ImportModuleError"
    assert "no_such_module" in response.error_message


def test_importing_the_handler_takes_at_most_a_second_of_cpu_time(
    docker_engine: DockerEngine, lean_image: BuiltImage
) -> None:
    """What a cold start pays for; the least of a few, for other processes on the machine cost it time, too."""
    words = ("run", "--rm", "--read-only", "--tmpfs", "/tmp", "--user", "993:990", "--entrypoint", "python")
    seconds: list[float] = []
    while min(seconds, default=9) > 1.0 and len(seconds) < 12:
        seconds.append(float(docker_engine.docker(*words, lean_image.name, "-c", _CPU)))
    print(f"importing the handler takes {min(seconds):.2f} s of CPU time")
    assert min(seconds) <= 1.0
