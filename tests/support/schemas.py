"""The JSON schemas of docs/schemas, and whether a command's document is what one of them describes and nothing else."""

import copy
import json
from collections.abc import Collection, Iterator
from typing import Any

import jsonschema
from tests.support.paths import REPO

Json = dict[str, Any]

SCHEMAS: dict[str, Json] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((REPO / "docs/schemas").glob("*.json"))
}


def check_document(name: str, document: Json, *, counts: Collection[str] = ()) -> None:
    """Assert that the schema `name` describes a document, and would refuse it with any one field spoiled.

    Args:
        name: of the schema, as its file is called.
        document: what a command printed.
        counts: fields whose own fields are words to be counted, so that none is required.
    """
    assert refusals(name, document) == []
    assert let_through(name, document, counts=counts) == []


def refusals(name: str, document: Json) -> list[str]:
    """Why the schema does not describe the document."""
    validator = jsonschema.Draft202012Validator(
        SCHEMAS[name], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [error.message for error in validator.iter_errors(document)]


def let_through(name: str, document: Json, *, counts: Collection[str] = ()) -> list[str]:
    """How the document can be spoiled without the schema's notice."""
    validator = jsonschema.Draft202012Validator(SCHEMAS[name])
    return [how for how, other in spoiled(document, counts) if validator.is_valid(other)]


def places(
    value: Any, counts: Collection[str] = (), path: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    """Where the objects of a document are that have fields of their own."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict) and not (path and path[-1] in counts):
        yield path
    for key, child in children:
        yield from places(child, counts, (*path, key))


def spoiled(document: Json, counts: Collection[str]) -> Iterator[tuple[str, Json]]:
    """Copies with one field left out, one added, or one of a kind that no field has."""
    for path in places(document, counts):
        for field in (*at(document, path), None):
            for kind in ("without", "of a wrong kind") if field else ("with another in",):
                other = copy.deepcopy(document)
                target = at(other, path)
                if kind == "without":
                    del target[field]
                else:
                    target[field or "unheard_of"] = [{"x": [None]}]
                yield f"{kind} {(*path, field)}", other


def at(document: Json, path: tuple[str | int, ...]) -> Json:
    """The part of a document at a path."""
    found: Any = document
    for key in path:
        found = found[key]
    return found
