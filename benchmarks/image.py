"""How large the image is that Lambda fetches: built and pushed, and its layers' sizes as the registry says them."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.support import base_image, docker_engine, pushed, registry

from glacierctl.image.context import build_context
from glacierctl.image.engine import Engine

_REPOSITORY = "benchmark/processor"
_MB = 1e6


@dataclass(frozen=True)
class Size:
    """Of an image, compressed."""

    own_mb: float
    """What glacierctl adds to its base."""
    base_mb: float
    """The base that stands in for AWS's own."""


def lean(scratch: Path) -> Size:
    """Build the lean stack in an engine of its own; minutes, and `make servers` must have run."""
    context = build_context()
    with docker_engine.serve() as running, registry.serve(scratch / "registry") as shelf:
        if not running.holds(context.base):
            base_image.add_base_image(running, context.base)
        with closing(Engine.connect(running.host)) as engine:
            built = engine.find(context) or engine.build(context, network="host")
            digest = pushed.push(engine, built, shelf, _REPOSITORY).rpartition("@")[2]
        base, *own = (layer["size"] / _MB for layer in shelf.manifest(_REPOSITORY, digest)["layers"])
    return Size(sum(own), base)
