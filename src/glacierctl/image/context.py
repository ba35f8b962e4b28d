"""All that an image is made of, and a name that only its content decides."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import glacierctl
from glacierctl import __version__
from glacierctl.choices import Architecture, Stack
from glacierctl.errors import ImageError
from glacierctl.image.revision import source_revision
from glacierctl.image.wheel import make_wheel, package_files, wheel_name

_HANDLER = "glacierctl.worker.lambda_handler"

IMPORTS: dict[Stack, tuple[str, ...]] = {
    Stack.LEAN: (_HANDLER,),
    Stack.FULL: (
        *(_HANDLER, "boto3", "cv2", "dask", "dask.array", "fiona", "geopandas", "joblib", "matplotlib.pyplot"),
        *("netCDF4", "numpy", "pandas", "pyproj", "pystac_client", "rasterio", "rioxarray", "scipy.ndimage"),
        *("seaborn", "shapely", "sklearn.cluster", "xarray"),
    ),
}
"""What is imported while the image is built: an image in which one of them is missing is never finished."""

_BASE = re.compile(r"^ARG BASE=(\S+)[ \t]*$", re.MULTILINE)
_TAG_DIGITS = 16


@dataclass(frozen=True)
class Context:
    """All that an image is made of."""

    stack: Stack
    """What it holds beside glacierctl."""
    architecture: Architecture
    """Processors that it runs on."""
    base: str
    """Image that it starts from."""
    imports: tuple[str, ...]
    """Modules that must be importable in it."""
    version: str
    """Of glacierctl."""
    content_hash: str
    """SHA-256, in hex, over everything that decides what the image does; not over `revision`."""
    revision: str = field(default="", compare=False)
    """Commit that glacierctl comes from, with `-dirty` where files differ from it; empty if it is not known."""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    """Path to content: Dockerfile, requirements.txt, the wheel, and what else lies beside the Dockerfile."""

    @property
    def tag(self) -> str:
        """Such as `lean-x86_64-0123456789abcdef`: equal content, equal tag, on any machine."""
        return f"{self.stack}-{self.architecture}-{self.content_hash[:_TAG_DIGITS]}"

    @property
    def name(self) -> str:
        """Of the image in the local engine."""
        return f"glacierctl:{self.tag}"

    @property
    def arguments(self) -> dict[str, str]:
        """The Dockerfile's arguments. None is a secret."""
        return {
            "BASE": self.base,
            "IMPORTS": " ".join(self.imports),
            "VERSION": self.version,
            "REVISION": self.revision,
            "SOURCE_HASH": self.content_hash,
        }

    def archive(self) -> bytes:
        """The files as tar, as an engine takes them."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, content in self.files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                archive.addfile(member, io.BytesIO(content))
        return packed.getvalue()


def build_context(
    stack: Stack = Stack.LEAN,
    architecture: Architecture = Architecture.X86_64,
    *,
    container: Path | None = None,
    base: str | None = None,
) -> Context:
    """Gather what an image is made of.

    Args:
        stack: what it holds beside glacierctl.
        architecture: processors that it runs on.
        container: folder of a Dockerfile of one's own and of what it copies; by default glacierctl's own.
        base: image to start from, in place of the one that the Dockerfile names.

    Raises:
        ImageError: there is no Dockerfile, it cannot be read or names no base.
    """
    package = Path(glacierctl.__file__).parent
    recipe = _recipe(package)
    program = package_files(package)
    files = {"requirements.txt": _read(recipe / "requirements" / f"worker-{stack}.txt")}
    files |= _folder_files(container or recipe / "container")
    base = base or _named_base(files, container or recipe / "container")
    imports = IMPORTS[stack]
    return Context(
        stack=stack,
        architecture=architecture,
        base=base,
        imports=imports,
        version=__version__,
        content_hash=_hash({**files, **program}, [stack, architecture, base, *imports]),
        revision=source_revision(package),
        files={**files, wheel_name(): make_wheel(program)},
    )


def _recipe(package: Path) -> Path:
    """Where `container/` and `requirements/` lie: inside an installed package, or above `src` in a checkout."""
    installed = package / "image" / "_container"
    return installed if installed.is_dir() else package.parents[1]


def _folder_files(folder: Path) -> dict[str, bytes]:
    """Files of a folder that are not hidden, by their path in it."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    shown = (path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return {path.relative_to(folder).as_posix(): _read(path) for path in shown}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read",
            why=error.strerror or str(error),
            hint="The image is made from it. Mend the file or install glacierctl anew.",
        ) from error


def _named_base(files: Mapping[str, bytes], folder: Path) -> str:
    named = _BASE.search(files.get("Dockerfile", b"").decode(errors="replace"))
    if named is None:
        raise ImageError(
            f"the Dockerfile in {folder} cannot be used",
            why="it has no line `ARG BASE=...`" if "Dockerfile" in files else "there is none",
            hint="Let it begin as container/Dockerfile of glacierctl does: with the image that it starts from.",
        )
    return named[1]


def _hash(files: Mapping[str, bytes], words: list[str]) -> str:
    """Over contents, so that it does not change with how they are packed."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return hashlib.sha256(json.dumps([digests, words], sort_keys=True).encode()).hexdigest()
