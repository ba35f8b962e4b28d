"""How much glacierctl adds to the image that Lambda fetches: the registry says how large each layer is."""

from contextlib import closing
from pathlib import Path

from tests.support import base_image, docker_engine, pushed, registry

from glacierctl.image.context import build_context
from glacierctl.image.engine import Engine

_REPOSITORY = "benchmark/processor"
_MB = 1e6


def lean_mb(scratch: Path) -> float:
    """Layers of the lean stack, compressed, without those of AWS's base, for which a stand-in is used.

    It takes minutes, and an engine and a registry of its own: `make servers` must have run.
    """
    context = build_context()
    with docker_engine.serve() as running, registry.serve(scratch / "registry") as shelf:
        if not running.holds(context.base):
            base_image.add_base_image(running, context.base)
        with closing(Engine.connect(running.host)) as engine:
            built = engine.find(context) or engine.build(context, network="host")
            digest = pushed.push(engine, built, shelf, _REPOSITORY).rpartition("@")[2]
        _base, *own = (layer["size"] / _MB for layer in shelf.manifest(_REPOSITORY, digest)["layers"])
    return sum(own)
