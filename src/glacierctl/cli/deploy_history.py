"""`glacierctl deploy history` and `glacierctl deploy rollback`: the versions there are, and which of them runs use."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacierctl.cli import deployment as dep
from glacierctl.cli import show
from glacierctl.cli.table import Column

if TYPE_CHECKING:
    from glacierctl.aws.history import Release

_COLUMNS = (
    Column("version", numeric=True),
    Column("alias"),
    Column("published", whole=True),
    Column("glacierctl", whole=True),
    Column("image", whole=True),
    Column("state"),
)


def history(
    *,
    function_name: dep.FunctionOption = None,
    alias: dep.AliasOption = None,
    aws_region: dep.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """List the versions that were deployed, the newest first.

    Examples:
      glacierctl deploy history
      glacierctl deploy history --json
    """
    from glacierctl.aws.history import read_history
    from glacierctl.config import current_settings

    flags = dep.Deployment(function_name=function_name, alias=alias, aws_region=aws_region).flags()
    aws, names = dep.reach(current_settings(flags))
    releases = read_history(aws, names)
    if as_json:
        show.print_json({"function": names.function, "alias": names.alias, "versions": [*map(_document, releases)]})
        return
    if not releases:
        show.print_line(f"No version of {names.function} was deployed yet: `glacierctl deploy` makes the first.")
        return
    show.print_table(_COLUMNS, [_row(one) for one in releases], caption=f"versions of {names.function}")


def rollback(
    version: Annotated[
        int | None, typer.Argument(metavar="VERSION", help="One of `deploy history`; by default the one before.")
    ] = None,
    *,
    function_name: dep.FunctionOption = None,
    alias: dep.AliasOption = None,
    aws_region: dep.AwsRegionOption = None,
    as_json: show.Json = False,
) -> None:
    """Let runs use an earlier version again.

    Moves the alias and nothing else, so it takes seconds. Runs stay with the version they were submitted to.

    Examples:
      glacierctl deploy rollback
      glacierctl deploy rollback 7
    """
    from glacierctl.aws.rollback import roll_back
    from glacierctl.config import current_settings

    flags = dep.Deployment(function_name=function_name, alias=alias, aws_region=aws_region).flags()
    aws, names = dep.reach(current_settings(flags))
    done = roll_back(aws, names, version)
    if as_json:
        show.print_json(
            {
                "function": names.function,
                "alias": names.alias,
                "before": done.before,
                "version": done.version,
                "image": done.image,
            }
        )
        return
    if done.before == done.version:
        show.print_line(f"{names.alias} is version {done.version} of {names.function} already.")
        return
    before = "not a published version" if done.before is None else f"version {done.before}"
    show.print_line(f"{names.alias} is version {done.version} of {names.function} now; before it was {before}.")


def _document(release: "Release") -> dict[str, Any]:
    return {
        "version": release.version,
        "published_at": _published_at(release).isoformat(),
        "digest": release.digest,
        "tag": release.tag,
        "worker_version": release.worker_version,
        "description": release.description,
        "state": release.state,
        "for_retry": release.is_resized,
        "aliases": list(release.aliases),
        "live": release.is_live,
    }


def _row(release: "Release") -> list[str]:
    return [
        str(release.version),
        ", ".join(release.aliases) or ("for a retry" if release.is_resized else ""),
        f"{_published_at(release):%Y-%m-%d %H:%M} UTC",
        release.worker_version or "unknown",
        release.tag or release.digest or "a Zip package",
        release.state,
    ]


def _published_at(release: "Release") -> dt.datetime:
    """Lambda writes times with a zone."""
    return dt.datetime.fromisoformat(release.published).astimezone(dt.UTC)
