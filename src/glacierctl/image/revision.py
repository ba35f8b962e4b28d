"""Which commit the running glacierctl comes from."""

import importlib.metadata
import json
import shutil
import subprocess
from pathlib import Path


def source_revision(package: Path) -> str:
    """Commit of the checkout that holds the package, or of the one it was installed from; empty if neither is known.

    With `-dirty` at its end where tracked files differ from that commit.
    """
    if _git(package, "ls-files", "__init__.py"):
        commit = _git(package, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(package, "status", "--porcelain", "--untracked-files=no") else commit
    return _installed_from()


def _git(folder: Path, *words: str) -> str:
    """What git says; nothing if it is not there or the folder is none of its own."""
    program = shutil.which("git")
    if program is None:
        return ""
    done = subprocess.run(  # noqa: S603 (the words are this file's own)
        [program, "-C", folder, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def _installed_from() -> str:
    """The commit that pip noted (https://packaging.python.org/en/latest/specifications/direct-url/)."""
    try:
        noted = importlib.metadata.distribution("glacierctl").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return ""
    commit: str = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id", "")
    return commit
