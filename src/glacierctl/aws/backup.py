"""What is kept of a Zip function while an image takes its place: a record and its code, in a folder of its own.

The record is there from before anything is deleted until all is carried over, so that a conversion that was interrupted
anywhere can be completed. The code stays for good.
"""

import hashlib
import json
import os
import tempfile
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from glacierctl.aws.errors import AwsError
from glacierctl.aws.names import Names
from glacierctl.aws.package import Package
from glacierctl.aws.surroundings import Surroundings

Download = Callable[[str, Path], None]
"""Brings what lies at an https address to a file."""

_RECORD = "unfinished.json"
_SCHEMA = 1


class Phase(StrEnum):
    """How far it is."""

    CONVERTING = "converting"
    RESTORING = "restoring"
    """The image could not take its place, and the old function is put back."""


@dataclass(frozen=True)
class Backup:
    """All that is needed to make the function anew, as it was."""

    phase: Phase
    """How far it is."""
    package: Package
    """The function."""
    surroundings: Surroundings
    """What hangs on it."""


def place(folder: Path, names: Names) -> Path:
    """The folder of one function's backups."""
    return folder / f"{names.account}-{names.aws_region}-{names.function}"


def load(folder: Path, names: Names) -> Backup | None:
    """The backup of a conversion that is not finished; None if there is none.

    Raises:
        AwsError: it cannot be read.
    """
    record = place(folder, names) / _RECORD
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unusable(record, str(error)) from error
    if told.get("schema") != _SCHEMA:
        raise _unusable(record, f"its form is {told.get('schema')}, not {_SCHEMA}")
    return Backup(Phase(told["phase"]), Package(**told["package"]), Surroundings(**told["surroundings"]))


def save(folder: Path, names: Names, backup: Backup) -> None:
    """Write the record, whole or not at all. Only its owner can read it: environments hold secrets.

    Raises:
        AwsError: the folder cannot be written.
    """
    record = place(folder, names) / _RECORD
    _write(record, json.dumps({"schema": _SCHEMA, **asdict(backup)}, indent=2, default=str).encode())


def finish(folder: Path, names: Names, backup: Backup) -> None:
    """Nothing is left to do: keep the record beside the code, under its hash."""
    record = place(folder, names) / _RECORD
    record.replace(code_file(folder, names, backup.package).with_suffix(".json"))


def code_file(folder: Path, names: Names, package: Package) -> Path:
    """Where the code of a function lies, or shall lie."""
    name = hashlib.sha256(package.code_hash.encode()).hexdigest()[:16]
    return place(folder, names) / f"{name}.zip"


def fetch_code(folder: Path, names: Names, package: Package, location: str, download: Download) -> Path:
    """Bring the function's code here, unless it is, and see that it is the code that Lambda runs.

    Raises:
        AwsError: it does not arrive, or is something else.
    """
    file = code_file(folder, names, package)
    if file.exists() and hash_of(file) == package.code_hash:
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = file.with_suffix(".part")
        download(location, part)
        found = hash_of(part)
        part.replace(file)
    except OSError as error:
        raise AwsError(
            f"the code of {names.function} cannot be kept",
            why=str(error),
            hint="Nothing was changed. Check the network and the disk, then run `glacierctl deploy` again.",
        ) from error
    if found != package.code_hash:
        raise AwsError(
            f"the code of {names.function} did not arrive as it is",
            why=f"its hash is {found}, and Lambda says {package.code_hash}",
            hint="Nothing was changed. Run `glacierctl deploy` again.",
        )
    return file


def hash_of(file: Path) -> str:
    """As Lambda writes it: SHA-256 in base64."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(1 << 20):
            digest.update(piece)
    return b64encode(digest.digest()).decode()


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Created for its owner alone.
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        Path(name).replace(file)
    except OSError as error:
        raise AwsError(
            f"the backup {file} cannot be written", why=str(error), hint="Make room, or name another data_dir."
        ) from error


def _unusable(record: Path, why: str) -> AwsError:
    return AwsError(
        f"the backup {record} cannot be used",
        why=why,
        hint="It holds a function that was being converted. Put it right, or move it away and look at the function.",
    )
