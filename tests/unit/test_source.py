"""What a file turns out to be is told by its first bytes, not by its name."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from tests.support.cogs import write_cog

from glacierctl.errors import ReadError
from glacierctl.model import SourceFile
from glacierctl.processing.source import open_raster
from glacierctl.processing.tiff import TiffRaster
from glacierctl.processing.transport import ReadPolicy, Transport
from glacierctl.storage.ranges import Piece


class Answers:
    """Gives one answer after the other."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = list(contents)
        self.asked = 0

    def get(self, href: str, start: int, stop: int) -> Piece:
        del href
        content = self.contents[min(self.asked, len(self.contents) - 1)]
        self.asked += 1
        return Piece(content[start:stop], len(content))


@pytest.fixture
def cog(tmp_path: Path) -> bytes:
    pixels = np.full((100, 100), 7, np.uint16)
    return write_cog(tmp_path / "a.tif", pixels, "EPSG:32622", Affine(10, 0, 0, 0, -10, 0), block=64).read_bytes()


def open_answers(answers: Answers, scratch: Path) -> object:
    source = SourceFile(href="mem://bucket/a.jp2", crs=None, transform=None, shape=None)
    return open_raster(source, Transport({"mem": answers}, ReadPolicy(attempts=1)), scratch)


def test_a_tiff_is_a_tiff_whatever_it_is_called(cog: bytes, tmp_path: Path) -> None:
    answers = Answers(cog)
    assert isinstance(open_answers(answers, tmp_path), TiffRaster)
    assert answers.asked == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<?xml version='1.0'?>\n<Error><Code>SlowDown</Code></Error>", "<Code>SlowDown</Code>"),
        (b"<html><body>Log in</body></html>", "Log in"),
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
        (bytes(500), "it begins with"),
    ],
    ids=["xml", "html", "empty", "png", "zeros"],
)
def test_what_is_no_image_is_read_twice_then_shown(content: bytes, said: str, tmp_path: Path) -> None:
    answers = Answers(content)
    with pytest.raises(ReadError, match=r"mem://bucket/a\.jp2 is not an image") as caught:
        open_answers(answers, tmp_path)
    assert said in caught.value.why
    assert "\n" not in caught.value.why
    assert caught.value.href == "mem://bucket/a.jp2"
    assert answers.asked == 2


def test_a_page_in_place_of_the_file_heals_when_the_file_comes(cog: bytes, tmp_path: Path) -> None:
    answers = Answers(b"<Error><Code>SlowDown</Code></Error>", cog)
    assert isinstance(open_answers(answers, tmp_path), TiffRaster)
    assert answers.asked == 2
