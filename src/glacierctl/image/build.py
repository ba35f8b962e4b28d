"""Two ways to build the same image: BuildKit through the docker command line where it is there, else the SDK."""

import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable
from typing import Any

from glacierctl.errors import ImageError
from glacierctl.image.context import Context
from glacierctl.image.failures import engine_failures, one_line

_LAST_LINES = 3
"""How much of a failed step an error quotes; all of it was shown before."""

_HINT = "Mend what the step says, in the Dockerfile or the network it needs, then try again: done steps are kept."

_STEP = re.compile(r"(Step \d+/\d+ : |#\d+ \[)")
_FINISHED = re.compile(
    r"#\d+ (sha256:|DONE|CACHED|ERROR|transferring|extracting|exporting)|-+$|>* ?\[|Dockerfile:\d+|\s*\d+ \|"
)


class Lines:
    """The lines of a build as they come, with the last ones of the step that is under way."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._step = ""
        self._said: deque[str] = deque(maxlen=_LAST_LINES)

    def add(self, text: str) -> None:
        """Take what the builder says."""
        for line in text.splitlines():
            if line.strip():
                self._note(line.strip())
                self._on_line(line.rstrip())

    def failure(self, said: str) -> ImageError:
        """The error of a build whose step under way failed, as the builder puts it."""
        quoted = " | ".join(self._said)
        why = f"{self._step or 'a step'}: {one_line(said)}" + (f". It said last: {quoted}" if quoted else "")
        return ImageError("the image cannot be built", why=why, hint=_HINT)

    def _note(self, line: str) -> None:
        if _STEP.match(line):
            self._step = line
            self._said.clear()
        elif not _FINISHED.match(line):
            self._said.append(line)


def build_with_sdk(
    api: Any, context: Context, *, platform: str, network: str | None, on_line: Callable[[str], None]
) -> None:
    """Build through the engine's own builder.

    Raises:
        ImageError: a step fails, or the engine refuses.
    """
    lines = Lines(on_line)
    with engine_failures("the image cannot be built", hint=_HINT):
        events = api.build(
            fileobj=context.archive(),
            custom_context=True,
            tag=context.name,
            buildargs=context.arguments,
            platform=platform,
            network_mode=network,
            rm=True,
            forcerm=True,
            decode=True,
        )
        error = ""
        for event in events:  # to their end in any case, which lets go of the connection
            error = error or event.get("error", "")
            lines.add(event.get("stream", ""))
    if error:
        raise lines.failure(error)


def buildx_program() -> str | None:
    """The docker command line, if it can build with BuildKit."""
    program = shutil.which("docker")
    if program is None:
        return None
    asked = subprocess.run(  # noqa: S603 (a program of the user's own PATH)
        [program, "buildx", "version"], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    return program if asked.returncode == 0 else None


def buildx_command(
    program: str, host: str | None, context: Context, *, platform: str, network: str | None
) -> tuple[str, ...]:
    """Words of the command that builds from a tar on its standard input.

    Attestations would make an index of the image, which Lambda refuses; one platform makes one manifest.
    """
    arguments = (word for name, value in context.arguments.items() for word in ("--build-arg", f"{name}={value}"))
    return (
        program,
        *(("--host", host) if host else ()),
        *("buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false", "--load"),
        *("--platform", platform, "--tag", context.name),
        *(("--network", network) if network else ()),
        *arguments,
        "-",
    )


def build_with_buildx(
    program: str,
    host: str | None,
    context: Context,
    *,
    platform: str,
    network: str | None,
    on_line: Callable[[str], None],
) -> None:
    """Build with BuildKit.

    Raises:
        ImageError: a step fails.
    """
    lines = Lines(on_line)
    command = buildx_command(program, host, context, platform=platform, network=network)
    with subprocess.Popen(  # noqa: S603 (a program of the user's own PATH)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        said = _talk(process, context.archive(), lines)
    if process.returncode != 0:
        raise lines.failure(said.removeprefix("ERROR: ") or f"docker buildx ended with {process.returncode}")


def _talk(process: subprocess.Popen[bytes], archive: bytes, lines: Lines) -> str:
    """Hand over the tar and pass on what is said; the last line of it."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(archive)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has given up already; its last line says why
    last = ""
    for line in process.stdout:
        last = line.decode(errors="replace").strip() or last
        lines.add(last)
    return last
