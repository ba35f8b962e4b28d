"""Images in the tests' registry, by digest: as functions are made of them."""

from pathlib import Path

from tests.support.docker_engine import DockerEngine
from tests.support.paths import REPO
from tests.support.registry import PASSWORD, USER, Registry

from glacierctl.image.context import build_context
from glacierctl.image.engine import BuiltImage, Engine
from glacierctl.image.registry import Login


def push(engine: Engine, image: BuiltImage, registry: Registry, repository: str) -> str:
    """Push an image that the engine holds; its address by digest."""
    return engine.push(image, f"{registry.host}/{repository}:tests", Login(USER, PASSWORD)).reference


def build_obedient(docker_engine: DockerEngine, folder: Path, mark: str) -> BuiltImage:
    """Build a small image whose handler does what its event says, and has a variable MARK."""
    (folder / "handlers.py").write_bytes((REPO / "tests/support/handlers.py").read_bytes())
    lines = (
        f"FROM {build_context().base}",
        f"ENV MARK={mark}",
        "COPY handlers.py ${LAMBDA_TASK_ROOT}/",
        'CMD ["handlers.obedient"]',
    )
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    name = f"obedient:{mark}"
    docker_engine.docker("build", "--tag", name, folder)
    return BuiltImage(docker_engine.docker("image", "inspect", "--format", "{{.Id}}", name), name, "amd64", 0)
