"""A wheel of the glacierctl that is running, made from its own files: the same from a checkout and when installed."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from glacierctl import __version__

_LEFT_OUT = frozenset({"__pycache__", "_container"})
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file can tell: equal files make an equal wheel."""


def wheel_name(version: str = __version__) -> str:
    """Name of the wheel's file."""
    return f"glacierctl-{version}-py3-none-any.whl"


def package_files(package: Path) -> dict[str, bytes]:
    """Files of an installed package, by their path beside it, in order; caches and the image's recipe left out."""
    paths = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    kept = (path for path in paths if _LEFT_OUT.isdisjoint(path.relative_to(package).parts))
    return {path.relative_to(package.parent).as_posix(): path.read_bytes() for path in sorted(kept)}


def make_wheel(files: Mapping[str, bytes], version: str = __version__) -> bytes:
    """Put files into a wheel without requirements: the lock beside it holds them.

    Args:
        files: path below the environment's packages to content.
        version: of glacierctl.
    """
    folder = f"glacierctl-{version}.dist-info"
    members = {
        **files,
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: glacierctl\nVersion: {version}\n".encode(),
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: glacierctl\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{folder}/RECORD"] = _record(members, f"{folder}/RECORD")
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _LONG_AGO)
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return wheel.getvalue()


def _record(members: Mapping[str, bytes], own_name: str) -> bytes:
    """Table of names, hashes and sizes: https://packaging.python.org/en/latest/specifications/recording-installed-packages/."""
    rows = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in members.items()]
    return "\n".join([*rows, f"{own_name},,", ""]).encode()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
