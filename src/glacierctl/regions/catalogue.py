"""The catalogue: built-in regions and those that the user imported."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError

from glacierctl.errors import RegionError
from glacierctl.model import Region, Value
from glacierctl.regions.builtin import builtin_regions
from glacierctl.regions.names import search_names, select_names

IMPORTED_FILE = "regions.json"
"""File in the data folder that keeps the imported regions."""


class _ImportedFile(Value):
    schema_version: Literal[1] = Field(default=1, alias="schema")
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class RegionCatalogue:
    """Regions by name. An imported one goes before a built-in one of the same name."""

    builtin: tuple[Region, ...]
    """Those that come with glacierctl."""
    imported: tuple[Region, ...] = ()
    """Those that the user imported."""

    @classmethod
    def load(cls, data_dir: Path) -> Self:
        """Built-in regions and those imported into `data_dir`.

        Raises:
            RegionError: the file of imported regions is damaged.
        """
        return cls(builtin_regions(), _read_imported(data_dir / IMPORTED_FILE))

    @property
    def regions(self) -> tuple[Region, ...]:
        """All regions, sorted by name; the order that index slices count in."""
        by_name = self._by_name()
        return tuple(by_name[name] for name in sorted(by_name))

    def origin(self, name: str) -> Literal["built-in", "imported"]:
        """Where the region `name` comes from."""
        return "imported" if any(region.name == name for region in self.imported) else "built-in"

    def select(self, expression: str) -> tuple[Region, ...]:
        """Choose regions by names, shell patterns, `all` and index slices; see `select_names`.

        Raises:
            RegionError: a name is unknown, or a pattern or a slice selects nothing.
        """
        by_name = self._by_name()
        return tuple(by_name[name] for name in select_names(expression, sorted(by_name)))

    def search(self, pattern: str) -> tuple[Region, ...]:
        """Regions whose name matches the shell pattern, or contains the text if it is none; sorted by name."""
        by_name = self._by_name()
        return tuple(by_name[name] for name in search_names(pattern, sorted(by_name)))

    def merged(self, regions: Iterable[Region], *, replace: bool) -> "Merge":
        """Add `regions` as imported ones; those that are there already, just so, stay as they are.

        Raises:
            RegionError: a name is taken by a region with other bounds or tiles, and `replace` is not asked for.
        """
        known, new = self._by_name(), tuple(regions)
        added = tuple(region.name for region in new if region.name not in known)
        replaced = tuple(region.name for region in new if known.get(region.name, region) != region)
        if replaced and not replace:
            raise RegionError(
                "regions of these names are there already, with other bounds or tiles",
                why=", ".join(f"{name} ({self.origin(name)})" for name in replaced),
                hint="Import with --replace to use the new ones instead, or rename them in the file.",
            )
        changed = {region.name: region for region in new if region.name in {*added, *replaced}}
        imported = {region.name: region for region in self.imported} | changed
        catalogue = RegionCatalogue(self.builtin, tuple(imported[name] for name in sorted(imported)))
        unchanged = tuple(region.name for region in new if region.name not in changed)
        return Merge(catalogue, added, replaced, unchanged)

    def save(self, data_dir: Path) -> Path:
        """Keep the imported regions in `data_dir`; the file there is replaced whole or not at all.

        Raises:
            RegionError: the folder cannot be written to.
        """
        path = data_dir / IMPORTED_FILE
        content = _ImportedFile(schema=1, regions=self.imported).model_dump_json(by_alias=True, indent=1)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            _write_atomically(path, content + "\n")
        except OSError as error:
            raise RegionError(
                f"the imported regions cannot be kept in {data_dir}",
                why=error.strerror or str(error),
                hint="Name a folder that is yours to write to in GLACIERCTL_DATA_DIR.",
            ) from error
        return path

    def _by_name(self) -> Mapping[str, Region]:
        return {region.name: region for region in (*self.builtin, *self.imported)}


@dataclass(frozen=True)
class Merge:
    """What adding regions to a catalogue comes to."""

    catalogue: RegionCatalogue
    """With the regions added."""
    added: tuple[str, ...]
    """Names that are new."""
    replaced: tuple[str, ...]
    """Names that had other bounds or tiles before."""
    unchanged: tuple[str, ...]
    """Names that were there already, just so."""


def _read_imported(path: Path) -> tuple[Region, ...]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _ImportedFile.model_validate(content).regions
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, ValidationError) as error:
        raise RegionError(
            f"the file of imported regions {path} cannot be used",
            why=" ".join(str(error).split()),
            hint="Move it away and import your regions again.",
        ) from error


def _write_atomically(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
        unfinished = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
