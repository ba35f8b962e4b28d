"""Imports point one way (docs/architecture.md, "Rooms"). Read from the source: nothing is imported to know it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.paths import REPO

PACKAGE = "glacierctl"
SOURCE = REPO / "src" / PACKAGE

WORDS = {"model", "errors", "choices"}
MAY_IMPORT = {
    "choices": set(),
    "errors": set(),
    "model": {"choices", "errors"},
    "config": WORDS,
    "regions": WORDS,
    "storage": WORDS,
    "demo": WORDS | {"regions", "storage"},
    "runs": WORDS | {"regions", "storage"},
    "planning": WORDS | {"regions", "storage"},
    "processing": WORDS | {"regions", "storage"},
    "aws": WORDS | {"regions", "storage"},
    "image": WORDS | {"regions", "storage"},
    "results": WORDS | {"regions", "storage", "aws"},
    "cli": WORDS
    | {"config", "regions", "storage", "demo", "runs", "planning", "processing", "aws", "image", "results"},
    "worker": WORDS | {"config", "regions", "storage", "runs", "planning", "processing", "aws", "image"},
    "__init__": set(),
    "__main__": {"cli"},
}
"""Which rooms each room may import, beside itself and the package's version."""

ONLY_IN = {
    "docker": {"image"},
    "boto3": {"aws", "storage"},
    "botocore": {"aws", "storage"},
    "typer": {"cli"},
    "click": {"cli"},
    "rich": {"cli"},
}
"""Packages that stay behind one room's door."""

MOST_LINES = 60
"""Of a function, its docstring included."""
READS_ENVIRONMENT = {"config", "worker"}
HEAVY = {"rasterio", "geopandas", "pandas", "boto3", "botocore", "docker", "pystac", "pystac_client", "tifffile", "odc"}
"""Too slow to load for `--help`."""
ACTS = {"open", "print", "input", "urlopen", "Popen", "run", "check_output", "client", "resource", "sleep"}
"""Calls that at module level would read, write, wait or reach out."""


@dataclass(frozen=True)
class Import:
    """One import of one module."""

    module: str
    """Absolute and dotted."""
    line: int
    """Where."""


def room_of(module: Path, root: Path) -> str:
    return module.relative_to(root).with_suffix("").parts[0]


def imports_of(tree: ast.Module, package: tuple[str, ...]) -> Iterator[Import]:
    """All imports, those inside functions included; the ones only for type checkers left out."""
    for_types = {id(node) for guard in type_guards_of(tree) for part in guard.body for node in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) not in for_types:
            for module in modules_of(node, package):
                yield Import(module, node.lineno)


def modules_of(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else ()
        base = ".".join([*above, *([node.module] if node.module else [])])
        # `from glacierctl import planning` names a room, too.
        return [f"{base}.{alias.name}" for alias in node.names] if base == PACKAGE else [base]
    if isinstance(node, ast.Call) and called_name(node) == "import_module":
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
    return []


def functions_of(tree: ast.Module) -> list[ast.AST]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]


def type_guards_of(tree: ast.Module) -> list[ast.If]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test).endswith("TYPE_CHECKING")]


def called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def faults(module: Path, root: Path) -> list[str]:
    """What a module does that its room may not, one line each."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    room = room_of(module, root)
    where = module.relative_to(root)
    package = (PACKAGE, *where.parent.parts)
    found = [f"{where}:{one.line} imports {one.module}: {why}" for one, why in import_faults(tree, room, package)]
    if room not in READS_ENVIRONMENT:
        found += [f"{where}:{line} reads the environment" for line in environment_reads(tree)]
    found += [f"{where}:{line} {name} has above {MOST_LINES} lines" for line, name in long_functions(tree)]
    return found + [f"{where}:{line} runs {name}() at import" for line, name in acts_at_import(tree)]


def import_faults(tree: ast.Module, room: str, package: tuple[str, ...]) -> Iterator[tuple[Import, str]]:
    for one in imports_of(tree, package):
        top, *rest = one.module.split(".")
        if top == PACKAGE and rest and rest[0] != "__version__":
            target = rest[0]
            if target not in {room} | MAY_IMPORT[room]:
                yield one, f"{room} may import {sorted(MAY_IMPORT[room])}"
        if room not in ONLY_IN.get(top, {room}):
            yield one, f"only {sorted(ONLY_IN[top])} may"


def environment_reads(tree: ast.Module) -> Iterator[int]:
    """Lines with `os.environ`, `os.getenv` and the like, or that import them by name."""
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(tree):
        is_attribute = isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os"
        is_import = (
            isinstance(node, ast.ImportFrom) and node.module == "os" and bool(names & {a.name for a in node.names})
        )
        if is_attribute or is_import:
            yield node.lineno


def long_functions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in functions_of(tree):
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MOST_LINES:
            yield node.lineno, node.name


def acts_at_import(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Calls outside functions that do more than make a value."""
    in_functions = {id(node) for function in functions_of(tree) for node in ast.walk(function)}
    guarded = {
        id(node)
        for part in tree.body
        if isinstance(part, ast.If) and "__name__" in ast.unparse(part.test)
        for node in ast.walk(part)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in in_functions | guarded and called_name(node) in ACTS:
            yield node.lineno, called_name(node)


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_keeps_to_its_room(module: Path) -> None:
    assert faults(module, SOURCE) == []


def loaded_by(code: str) -> set[str]:
    """Top packages in memory after some code ran in a Python of its own."""
    report = "import sys; sys.stderr.write(' '.join({name.partition('.')[0] for name in sys.modules}))"
    script = f"import atexit\natexit.register(lambda: exec({report!r}))\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    help_ = "import sys; sys.argv = ['glacierctl', '--help']; from glacierctl.cli import main; main()"
    assert loaded_by(help_) & HEAVY == set()


def test_heavy_packages_would_be_seen() -> None:
    assert "odc" in loaded_by("import glacierctl.regions.grid")


def test_every_room_has_its_rule() -> None:
    assert {room_of(module, SOURCE) for module in modules()} <= MAY_IMPORT.keys()


@pytest.mark.parametrize(
    ("room", "code", "fault"),
    [
        ("processing", "from glacierctl.aws import lambdas", "imports glacierctl.aws"),
        ("processing", "from glacierctl import cli", "imports glacierctl.cli"),
        ("processing", "from ..image import build", "imports glacierctl.image"),
        ("processing", "def f():\n    import glacierctl.cli.show", "imports glacierctl.cli.show"),
        ("processing", "import importlib\nimportlib.import_module('glacierctl.aws')", "imports glacierctl.aws"),
        ("processing", "import docker", "only ['image'] may"),
        ("planning", "import boto3.session", "only ['aws', 'storage'] may"),
        ("runs", "from rich.table import Table", "only ['cli'] may"),
        ("aws", "from glacierctl.processing import process", "imports glacierctl.processing"),
        ("image", "from glacierctl.processing import process", "imports glacierctl.processing"),
        ("storage", "from glacierctl.regions import grid", "imports glacierctl.regions"),
        ("demo", "from glacierctl.planning import plan", "imports glacierctl.planning"),
        ("processing", "from glacierctl.config import Settings", "imports glacierctl.config"),
        ("processing", "import os\nHOME = os.environ['HOME']", "reads the environment"),
        ("processing", "import os\ndef f(): return os.getenv('HOME')", "reads the environment"),
        ("processing", "from os import environ", "reads the environment"),
        ("planning", "import pystac_client\nC = pystac_client.Client.open('x')", "runs open() at import"),
        ("planning", "class A:\n    text = open('x').read()", "runs open() at import"),
        ("planning", "def f():\n" + "    pass\n" * 60, "f has above 60 lines"),
    ],
)
def test_a_module_that_does_not_is_found(room: str, code: str, fault: str, tmp_path: Path) -> None:
    module = tmp_path / room / "bad.py"
    module.parent.mkdir()
    module.write_text(code)
    assert [fault in line for line in faults(module, tmp_path)] == [True]


@pytest.mark.parametrize(
    ("room", "code"),
    [
        (
            "processing",
            "from glacierctl.model import Task\nfrom glacierctl.storage.interface import Store\nimport rasterio",
        ),
        ("processing", "from .reading import read\nfrom . import warp"),
        ("processing", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from glacierctl.runs import Ledger"),
        ("cli", "def run():\n    from glacierctl.processing import process\n    import rasterio"),
        ("config", "import os\nHOME = os.environ.get('HOME')"),
        ("aws", "import boto3"),
        ("runs", "def f(path): return open(path)"),
        ("runs", "def f():\n" + "    pass\n" * 59),
    ],
)
def test_a_module_that_does_is_let_be(room: str, code: str, tmp_path: Path) -> None:
    module = tmp_path / room / "good.py"
    module.parent.mkdir()
    module.write_text(code)
    assert faults(module, tmp_path) == []
