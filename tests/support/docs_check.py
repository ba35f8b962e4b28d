"""Docs that point somewhere point at something. Run: `python -m tests.support.docs_check`."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import REPO

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_ELSEWHERE = ("http://", "https://", "mailto:")


def pages(root: Path) -> list[Path]:
    """The Markdown pages of a checkout that people read."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


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


def main() -> int:
    """Check this checkout; 1 if anything is wrong."""
    wrong = [line for page in pages(REPO) for line in broken_links(page)]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
