"""The image that a command needs: found in the Docker engine, or built, with its lines on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from glacierctl.cli import show
from glacierctl.image.context import Context
from glacierctl.image.engine import BuiltImage, Engine


def ensure_built(engine: Engine, context: Context, network: str | None) -> BuiltImage:
    """The image of `context`, built only if the engine does not hold it.

    Args:
        engine: where it shall be.
        context: what it is made of.
        network: Docker's network mode for the build's steps; None for Docker's own.

    Raises:
        ImageError: a step fails, or the engine does not answer; see `Engine.build`.
    """
    found = engine.find(context)
    if found is not None:
        show.say(f"The image {found.name} is built already.")
        return found
    began_at = time.monotonic()
    with _build_lines(f"Building the image {context.name}") as on_line:
        built = engine.build(context, on_line=on_line, network=network)
    took = show.format_seconds(time.monotonic() - began_at)
    show.say(f"Built the image {built.name}: {show.format_bytes(built.size_bytes)} with its base, in {took}.")
    return built


@contextmanager
def _build_lines(title: str) -> Iterator[Callable[[str], None]]:
    """Takes the builder's lines: the last one beside a spinner; on anything but a terminal all of them."""
    console = show.talk_console()
    if console is None:
        show.say(title)
        yield lambda line: show.say(f"  {line}")
        return
    from rich.text import Text

    room = max(console.width - len(title) - 6, 20)
    with console.status(title) as status:
        yield lambda line: status.update(Text(f"{title}: {line.strip()[:room]}"))
