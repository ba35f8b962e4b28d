"""Which lines of a log are wanted."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from glacierctl.aws.attribution import Entry
from glacierctl.choices import Level

_SEVERITY = {level: number for number, level in enumerate(Level)}


@dataclass(frozen=True, kw_only=True)
class LogFilter:
    """What a line must be to be wanted; None where anything will do."""

    run_id: str | None = None
    """Its run. Lines of invocations that failed before they named a run are wanted too: they may be this run's."""
    version: str | None = None
    """The function's version that such an invocation must have had."""
    region: str | None = None
    """Its region: a name, or a shell pattern such as '*Brae'."""
    level: Level | None = None
    """At least so serious."""
    text: str | None = None
    """It holds this text, in capitals or not."""

    def wanted(self, entries: Iterable[Entry]) -> list[Entry]:
        """The wanted ones, in the same order."""
        return [entry for entry in entries if self._wants(entry)]

    def wants_region(self, *regions: str) -> bool:
        """Whether one of these regions is wanted."""
        return self.region is None or any(fnmatchcase(region, self.region) for region in regions)

    def _wants(self, entry: Entry) -> bool:
        if self.run_id is not None and not self._may_be_of_run(entry):
            return False
        if not self.wants_region(entry.origin.region or ""):
            return False
        if self.level is not None and _SEVERITY[entry.line.level] < _SEVERITY[self.level]:
            return False
        return self.text is None or self.text.casefold() in entry.line.message.casefold()

    def _may_be_of_run(self, entry: Entry) -> bool:
        if entry.unclaimed:
            return self.version in {None, entry.version}
        return entry.origin.run_id == self.run_id
