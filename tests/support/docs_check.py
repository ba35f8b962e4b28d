"""The docs and the code say the same. Check: `python -m tests.support.docs_check`; write what is generated: `--write`.

Links lead somewhere; `docs/commands.md` is the help of the commands as they are, and `docs/settings.md` has every
setting; every command and every schema is named on a page that somebody wrote; every `glacierctl` line in a code
block is understood by the program; no page names a folder of the machine it was written on.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from tests.support.paths import REPO

from glacierctl import config
from glacierctl.choices import Satellite
from glacierctl.cli.app import new_program
from glacierctl.cli.deployment import Deployment
from glacierctl.cli.selection import Selection

COMMANDS, SETTINGS, SCHEMAS = "docs/commands.md", "docs/settings.md", "docs/schemas"
WRITE_HINT = "run `python -m tests.support.docs_check --write`"

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_ELSEWHERE = ("http://", "https://", "mailto:")
_FOLDERS_OF_A_MACHINE = re.compile(r"(?<![\w.~>-])/(?:work|tmp|root|home|Users|mnt|opt|var|srv)/[\w.-]+")
_EXAMPLE = re.compile(r"(?:\$ )?(?:[A-Z_]+=\S* )*glacierctl .*")
_ENDS_OF_A_COMMAND = frozenset({"|", ">", ">>", "2>", "&&", ";"})
_CITED = re.compile(r"`((?:src|tests|docs|benchmarks|requirements)/[\w./-]+)`")
_TABLE = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)
_SAID_OTHERWISE = {
    "workers": "one for each CPU",
    "data_dir": "the user's data folder",
    "reserved_concurrency": "what the account has",
    "registry": "the account's own",
    "registry_user": "not set",
    "registry_password": "not set",
    "role": "made by deploy",
    "docker_network": "Docker's own",
}
"""Defaults that depend on the machine or on the account."""


@dataclass(frozen=True)
class Documented:
    """What the docs must tell."""

    commands: tuple[tuple[str, ...], ...]
    """Words of every command and group, without those that name the program; the program itself is `()`."""
    settings: tuple[str, ...]
    """Names of all settings."""


def documented() -> Documented:
    """What the program has."""
    return Documented(tuple(_commands(typer.main.get_command(new_program()), ())), config.SETTING_NAMES)


def pages(root: Path) -> list[Path]:
    """The Markdown pages of a checkout that people read."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def problems(root: Path) -> Iterator[str]:
    """All that is wrong in a checkout's docs, one sentence each."""
    for page in pages(root):
        yield from broken_links(page)
        yield from missing_files(page, root)
        yield from machine_paths(page)
        yield from wrong_examples(page)
    yield from stale_pages(root)
    yield from unmentioned(root)


def broken_links(page: Path) -> Iterator[str]:
    """Relative links of a page to files or headings that are not there, one sentence each."""
    for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(_ELSEWHERE):
            continue
        name, _, heading = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists():
            yield f"{page}: {target} is not there"
        elif heading and file.suffix == ".md" and heading not in anchors(file):
            yield f"{page}: {target} names a heading that is not there"


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings can be reached by, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+\s+(.*?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def missing_files(page: Path, root: Path) -> Iterator[str]:
    """Files and folders of the checkout that a page names between backticks and that are not there."""
    for name in _CITED.findall(page.read_text(encoding="utf-8")):
        if not (root / name).exists():
            yield f"{page}: {name} is not there"


def machine_paths(page: Path) -> Iterator[str]:
    """Folders of the machine that a page was written on."""
    for found in _FOLDERS_OF_A_MACHINE.findall(page.read_text(encoding="utf-8")):
        yield f"{page}: {found} is a folder of somebody's machine"


def examples(page: Path) -> Iterator[str]:
    """Command lines of the program in a page's code blocks, lines that go on after a backslash joined."""
    for block in _FENCE.finditer(page.read_text(encoding="utf-8")):
        for line in block[0].replace("\\\n", " ").splitlines():
            if _EXAMPLE.fullmatch(line.strip()):
                yield line.strip().removeprefix("$ ")


def wrong_examples(page: Path) -> Iterator[str]:
    """Command lines that the program would not understand. Nothing is run."""
    for example in examples(page):
        refusal = _refusal(example)
        if refusal:
            yield f"{page}: `{example}` does not work: {refusal}"


def stale_pages(root: Path) -> Iterator[str]:
    """Generated pages that are not what would be generated now."""
    for name, text in generated(root).items():
        page = root / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            yield f"{page} is stale: {WRITE_HINT}"


def unmentioned(root: Path) -> Iterator[str]:
    """Commands that no handwritten page names, settings without a row, schemas without a link."""
    everything = {page: page.read_text(encoding="utf-8") for page in pages(root)}
    written = "\n".join(
        text for page, text in everything.items() if page not in {root / COMMANDS, root / "CHANGELOG.md"}
    )
    wanted = documented()
    for command in wanted.commands:
        spoken = " ".join(["glacierctl", *command])
        if command and not re.search(rf"{spoken}\b", written):
            yield f"no page but {COMMANDS} says `{spoken}`"
    table = _TABLE.search(everything.get(root / SETTINGS, ""))
    for name in wanted.settings:
        if table is None or f"`{name}`" not in table[0]:
            yield f"{SETTINGS} has no row for {name}: {WRITE_HINT}"
    for schema in sorted((root / SCHEMAS).glob("*.json")):
        if f"schemas/{schema.name})" not in written:
            yield f"no page links to {SCHEMAS}/{schema.name}"


def generated(root: Path) -> dict[str, str]:
    """Pages by name, as they should be."""
    page = root / SETTINGS
    settings = page.read_text(encoding="utf-8") if page.exists() else "<!-- settings -->\n<!-- end of settings -->\n"
    return {COMMANDS: commands_page(), SETTINGS: _TABLE.sub(lambda _: settings_table(), settings)}


def commands_page() -> str:
    """Help of every command, as the installed program gives it on a terminal of 80 columns."""
    head = (
        "# Commands\n\n"
        "This page is made from the program's own help, and `make check` fails when the two differ.\n"
        "What the commands are for is told in [run-local](run-local.md), [regions](regions.md) and the\n"
        "[README](../README.md); settings that stand behind the flags in [settings](settings.md).\n"
    )
    sections = [
        f"\n## {' '.join(['glacierctl', *command])}\n\n```text\n{_help(command)}\n```\n"
        for command in documented().commands
    ]
    return head + "".join(sections)


def settings_table() -> str:
    """All settings with their environment variables, flags, defaults and what is allowed."""
    selections = (Selection(satellite=one, start_date="", end_date="") for one in Satellite)
    with_flag = {name for selection in selections for name in selection.flags()} | set(Deployment().flags())
    rows = ["| setting | environment variable | flag | default | what it is |", "|---|---|---|---|---|"]
    described = config.describe_settings()
    for name in config.SETTING_NAMES:
        field = config.Settings.model_fields[name]
        flag = f"`{config._FLAGS.get(name, '--' + name.replace('_', '-'))}`" if name in with_flag else ""
        default = _SAID_OTHERWISE.get(name) or f"`{field.default}`"
        rows.append(
            f"| `{name}` | `{config.ENVIRONMENT_PREFIX}{name.upper()}` | {flag} | {default} | {described[name]} |"
        )
    return "\n".join(rows) + "\n"


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*words, name))


def _help(command: tuple[str, ...]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "glacierctl", *command, "--help"],
        env={**os.environ, "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())


def _refusal(example: str) -> str | None:
    """What the program says against a command line; None if it understands it."""
    command: Any = typer.main.get_command(new_program())
    context: Any = None
    words = _words(example)
    while hasattr(command, "commands"):
        if not words or words[0].startswith("-"):
            return None
        name = words.pop(0)
        if name not in command.commands:
            return f"there is no command {name}"
        context = typer.Context(command, info_name=name, parent=context)
        command = command.commands[name]
    try:
        if not {"-h", "--help"} & set(words):
            command.make_context(name, words, parent=context)
    except typer.TyperException as error:
        return str(error.format_message())
    return None


def _words(example: str) -> list[str]:
    """What follows the program's name, up to the end of its command."""
    words = shlex.split(example, comments=True)
    after = words[words.index("glacierctl") + 1 :]
    end = next((number for number, word in enumerate(after) if word in _ENDS_OF_A_COMMAND), len(after))
    return after[:end]


def main(arguments: list[str]) -> int:
    """Check this checkout, or write its generated pages; 1 if anything is wrong."""
    if arguments == ["--write"]:
        for name, text in generated(REPO).items():
            (REPO / name).write_text(text, encoding="utf-8")
    wrong = list(problems(REPO))
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
