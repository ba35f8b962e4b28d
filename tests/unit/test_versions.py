"""Which versions stay, and what an alias notes of those that it named: as values."""

from dataclasses import replace
from typing import Any

import pytest

from glacierctl.aws.versions import LATEST, Alias, Version, kept, resized_description
from glacierctl.aws.wanted import KEPT_RESIZED, KEPT_VERSIONS

LIVE = Alias("live", "3", frozenset(), "revision", before=("2", "1"))


def version(number: int, description: str = "glacierctl 1.2.3 image lean-x86_64-aaaa") -> Version:
    return Version(number, "sha256:1", description, "2026", {})


def resized(number: int) -> Version:
    return version(number, resized_description(version(1), 8192))


def numbers(versions: tuple[Version, ...], **how: Any) -> list[int]:
    return [one.number for one in kept(versions, **{"aliases": {}, **how})]


def test_the_newest_stay_and_what_an_alias_names_or_named_last() -> None:
    versions = tuple(version(number) for number in range(1, KEPT_VERSIONS + 6))
    assert numbers(versions) == list(range(6, KEPT_VERSIONS + 6))
    assert numbers(versions, aliases={"live": LIVE}) == [2, 3, *range(6, KEPT_VERSIONS + 6)]
    assert numbers(versions, coming=1) == list(range(7, KEPT_VERSIONS + 6))


def test_versions_for_a_retry_are_counted_by_themselves() -> None:
    deployed = tuple(version(number) for number in range(1, KEPT_VERSIONS + 1))
    retries = tuple(resized(number) for number in range(100, 102 + KEPT_RESIZED))
    assert numbers((*deployed, *retries)) == [*range(1, KEPT_VERSIONS + 1), *range(102, 102 + KEPT_RESIZED)]


@pytest.mark.parametrize("description", ["", "mine", "glacierctl: stacks of glaciers"])
def test_what_somebody_else_published_stays(description: str) -> None:
    own = tuple(version(number, description) for number in range(1, 30))
    assert len(numbers(own)) == len(own)


@pytest.mark.parametrize("description", ["glacierctl 1.2.3 image lean-x86_64-aaaa", "", "x" * 256])
def test_a_version_for_a_retry_says_so(description: str) -> None:
    found = version(2, resized_description(version(1, description), 8192))
    assert (found.is_resized, found.is_ours) == (True, True)
    assert len(found.description) <= 256
    assert found.tag == version(1, description).tag
    again = version(3, resized_description(found, 4096))
    assert (again.description.count("for a retry"), again.tag) == (1, found.tag)


@pytest.mark.parametrize(
    ("then", "before"), [("4", ("3", "2", "1")), ("3", ("2", "1")), ("2", ("1",)), ("1", ()), (LATEST, ("3", "2", "1"))]
)
def test_an_alias_notes_what_it_named_and_forgets_what_was_gone_back_from(then: str, before: tuple[str, ...]) -> None:
    assert LIVE.moved_to(then).before == before


def test_what_was_not_published_is_nothing_to_go_back_to() -> None:
    assert replace(LIVE, version=LATEST).moved_to("4").before == ("2", "1")


def test_the_users_words_about_an_alias_stay_and_the_note_gives_way() -> None:
    assert LIVE.description == "(glacierctl: version 3, before it 2, 1)"
    assert replace(LIVE, words="ours", before=()).description == "ours (glacierctl: version 3, before it none)"
    assert replace(LIVE, words="x" * 250).description == "x" * 250
