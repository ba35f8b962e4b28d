import pytest

from glacierctl.cli.deploy_image import _parted
from glacierctl.errors import UsageError

OWN = "123456789012.dkr.ecr.us-west-2.amazonaws.com/glacier"
DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("reference", "uri", "word"),
    [
        ("lean-x86_64-0123456789abcdef", OWN, "lean-x86_64-0123456789abcdef"),
        (DIGEST, OWN, DIGEST),
        ("localhost:5000/glacier:v1", "localhost:5000/glacier", "v1"),
        (f"localhost:5000/glacier@{DIGEST}", "localhost:5000/glacier", DIGEST),
        (f"{OWN}:v1", OWN, "v1"),
    ],
)
def test_an_image_is_named_by_tag_or_digest_in_the_own_repository_or_any_other(
    reference: str, uri: str, word: str
) -> None:
    assert _parted(reference, OWN) == (uri, word)


@pytest.mark.parametrize(
    "reference", ["", "localhost:5000/glacier", "glacier:v1", f"{OWN}@sha256:12", f"{OWN}:v 1", "sha256:12", "a/b@v1"]
)
def test_what_ends_in_neither_tag_nor_digest_names_no_image(reference: str) -> None:
    with pytest.raises(UsageError, match="names no image"):
        _parted(reference, OWN)
