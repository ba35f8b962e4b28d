"""The docs are in step with the program; and a page, a command or a setting that is not would be found."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import docs_check
from tests.support.docs_check import documented
from tests.support.paths import REPO

from glacierctl.config import load_settings

GOOD = """# Title

## A heading

[here](#a-heading) and [there](other.md#over-there)

```sh
glacierctl regions list
```
"""


@pytest.fixture(scope="module")
def commands_page() -> str:
    return docs_check.commands_page()


@pytest.fixture
def checkout(tmp_path: Path, commands_page: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the docs, to be spoiled. The help of all commands is asked for once only, since that takes seconds."""
    monkeypatch.setattr(docs_check, "commands_page", lambda: commands_page)
    shutil.copytree(REPO / "docs", tmp_path / "docs")
    for page in REPO.glob("*.md"):
        shutil.copy(page, tmp_path)
    return tmp_path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "other.md").write_text("# Over there\n")
    (tmp_path / "page.md").write_text(GOOD)
    return tmp_path / "page.md"


def told(page: Path, text: str) -> list[str]:
    page.write_text(text)
    checks = (docs_check.broken_links, docs_check.machine_paths, docs_check.wrong_examples)
    found = [line for check in checks for line in check(page)]
    return [*found, *docs_check.missing_files(page, page.parent)]


@pytest.mark.slow
def test_the_docs_are_in_step() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.docs_check"], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_page_that_is_right_is_let_be(page: Path) -> None:
    assert told(page, GOOD) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("(#a-heading)", "(#no-heading)", "#no-heading names a heading"),
        ("other.md#over-there", "other.md#nowhere", "other.md#nowhere names a heading"),
        ("other.md#over-there", "gone.md", "gone.md is not there"),
        ("here", "`tests/unit/test_gone.py`", "tests/unit/test_gone.py is not there"),
        ("# Title", "# /home/somebody/results", "/home/somebody is a folder of somebody's machine"),
        ("# Title", "# `/mnt/disk/docs`", "/mnt/disk is a folder"),
        ("regions list", "regions lost", "there is no command lost"),
        ("regions list", "regions list --jsn", "No such option: --jsn"),
        ("regions list", "regions show", "Missing argument"),
        ("regions list", "plan --satellite sentinel3", "sentinel3"),
        ("glacierctl regions list", "$ TMPDIR=/scratch glacierctl \\\n  plan --satelite landsat", "--satelite"),
    ],
)
def test_a_page_that_is_wrong_is_found(page: Path, right: str, wrong: str, said: str) -> None:
    (line,) = told(page, GOOD.replace(right, wrong, 1))
    assert str(page) in line
    assert said in line


@pytest.mark.parametrize(
    "line",
    [
        "glacierctl",
        "glacierctl --version",
        "glacierctl plan --help",
        "glacierctl regions list '*Brae' --json | head  # a pipe",
        "$ A=1 glacierctl regions import x.csv > out.txt",
        "glacierctl run-local --satellite landsat --bbox -1,-2,3,4 --start-date 2024-07-01 --end-date 2024-07-02",
    ],
)
def test_what_a_shell_understands_is_let_be(page: Path, line: str) -> None:
    assert told(page, GOOD.replace("glacierctl regions list", line)) == []


@pytest.mark.slow
def test_a_copy_of_the_docs_is_in_step(checkout: Path) -> None:
    assert [line for line in docs_check.problems(checkout) if "is not there" not in line] == []


def test_stale_help_is_found(checkout: Path) -> None:
    commands = checkout / "docs/commands.md"
    commands.write_text(commands.read_text().replace("--max-cloud", "--cloud-max"))
    assert list(docs_check.stale_pages(checkout)) == [f"{commands} is stale: {docs_check.WRITE_HINT}"]
    commands.unlink()
    assert list(docs_check.stale_pages(checkout)) == [f"{commands} is stale: {docs_check.WRITE_HINT}"]


def test_a_setting_that_is_told_otherwise_is_found(checkout: Path) -> None:
    settings = checkout / "docs/settings.md"
    settings.write_text(settings.read_text().replace("`0.5`", "`0.6`"))
    assert list(docs_check.stale_pages(checkout)) == [f"{settings} is stale: {docs_check.WRITE_HINT}"]
    settings.write_text(settings.read_text().replace("`min_coverage`", "`coverage`"))
    assert any("no row for min_coverage" in line for line in docs_check.unmentioned(checkout))


def test_a_command_that_no_page_tells_of_is_found(checkout: Path) -> None:
    regions = checkout / "docs/regions.md"
    regions.write_text(regions.read_text().replace("glacierctl regions show", "it"))
    assert [line for line in docs_check.unmentioned(checkout) if "`glacierctl regions show`" in line]


def test_a_schema_that_no_page_links_to_is_found(checkout: Path) -> None:
    (checkout / "docs/schemas/new.json").write_text("{}")
    assert list(docs_check.unmentioned(checkout)) == ["no page links to docs/schemas/new.json"]


def test_commands_and_settings_are_all_found() -> None:
    assert {("run-local",), ("plan",), ("demo",), ("regions", "import")} < set(documented().commands)
    assert {"output", "min_coverage", "read_attempts"} < set(documented().settings)


def test_lists_of_commands_are_not_cut_at_80_columns(commands_page: str) -> None:
    lists = re.findall(r"^Commands:\n(.*?)\n```", commands_page, re.MULTILINE | re.DOTALL)
    assert len(lists) == len({command[:-1] for command in documented().commands if command})
    assert all(line.endswith(".") and not line.endswith("...") for text in lists for line in text.splitlines())


def test_the_example_of_a_configuration_file_is_accepted(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", (REPO / docs_check.SETTINGS).read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "glacierctl.toml").write_text(example)
    settings = load_settings({}, {}, tmp_path, user_config_dir=tmp_path / "own")
    said = re.findall(r"^(\w+) = ", example, re.MULTILINE)
    assert said
    assert all(settings.origin(name).startswith("file ") for name in said)


def test_the_readme_is_one_screen() -> None:
    assert len((REPO / "README.md").read_text().splitlines()) <= 50
