"""The run that a command is about: its ledger is looked for where results go."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from glacierctl.cli import selection as select
from glacierctl.cli import show
from glacierctl.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glacierctl.config import Settings
    from glacierctl.runs.reader import LedgerReader
    from glacierctl.runs.submission import Submission
    from glacierctl.storage import Store

_NAMED = 5
"""How many runs an error names."""

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it or of its last digits.")
]
LedgerOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="DIR|URL",
        help="Where the run's results go.  [default: ./results if the run is there, else the bucket]",
    ),
]


def bucket_url(settings: "Settings") -> str:
    """Where results of runs on AWS go."""
    return f"s3://{settings.bucket}/{settings.prefix}".rstrip("/")


def ledgers(settings: "Settings") -> "Iterator[Store]":
    """Stores that may hold a run: the one that was named; by default the folder `results`, then the bucket."""
    yield select.open_store(settings)
    if settings.origin("output") == "default":
        yield select.open_store(settings, bucket_url(settings))


def find_run(settings: "Settings", text: str) -> "LedgerReader":
    """The ledger of the run that `text` means.

    Raises:
        UsageError: no run is meant, or several.
        StoreError: a store cannot be listed.
    """
    from glacierctl.runs.reader import LedgerReader, find_runs

    searched = []
    for store in ledgers(settings):
        found = find_runs(store, text)
        if len(found) == 1:
            return LedgerReader(store, found[0])
        if found:
            raise _ambiguous(text, found)
        searched.append(store.url)
    raise UsageError(
        f"there is no run {text}",
        why=f"none in {' and none in '.join(searched)}",
        hint="`glacierctl runs list` names all runs; --output says where else to look.",
    )


def known_runs(settings: "Settings") -> "Iterator[LedgerReader]":
    """Every run in every store that may hold one.

    A bucket that cannot be reached is said, and no error, where the folder has runs.

    Raises:
        StoreError: a store cannot be listed.
    """
    from glacierctl.runs.reader import LedgerReader, run_ids

    any_found = False
    for store in ledgers(settings):
        try:
            for run_id in run_ids(store):
                any_found = True
                yield LedgerReader(store, run_id)
        except StoreError as error:
            if not any_found:
                raise
            show.say(f"Runs on AWS are not shown: {error.why}.")


def first_page(reader: "LedgerReader") -> "Submission | None":
    """What a run among others began with; why there is nothing is said, for the others are shown all the same.

    Raises:
        StoreError: the store does not answer.
    """
    from glacierctl.runs.reader import LedgerError

    try:
        return reader.submission()
    except UsageError:
        show.say(f"{reader.run_id} in {reader.store.url} has not begun; submit it again.")
    except LedgerError as error:
        show.say(f"{reader.run_id} is left out: {error}.")
    return None


@contextmanager
def going_on(reader: "LedgerReader") -> "Iterator[None]":
    """Say at Ctrl-C that it ends the looking on only, and what would end the run."""
    try:
        yield
    except KeyboardInterrupt:
        show.say(f"The run goes on without this; `glacierctl cancel {reader.run_id}` would end it.")
        raise


def _ambiguous(text: str, found: tuple[str, ...]) -> UsageError:
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return UsageError(
        f"{text} means {len(found)} runs",
        why=", ".join(found[:_NAMED]) + more,
        hint="Say more of the id; `glacierctl runs list` shows them all.",
    )
