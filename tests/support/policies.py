"""Judges what IAM policies allow, by the rules of AWS's "Policy evaluation logic": written without looking at ours."""

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

ALLOWED, NOT_ALLOWED, FORBIDDEN = "allowed", "implicitDeny", "explicitDeny"


def decide(
    documents: Iterable[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str] | None = None
) -> str:
    """What AWS would answer to a request; `context` holds its condition keys."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _list(document["Statement"])
        if _concerns(statement, action, resource, context or {})
    }
    return FORBIDDEN if "Deny" in effects else ALLOWED if "Allow" in effects else NOT_ALLOWED


def _concerns(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    return (
        any(_like(action.lower(), pattern.lower()) for pattern in _list(statement["Action"]))
        and any(_like(resource, pattern) for pattern in _list(statement["Resource"]))
        and all(
            _holds(operator, context.get(key), _list(wanted))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, told: str | None, wanted: list[str]) -> bool:
    if told is None:
        return False
    if operator == "StringEquals":
        return told in wanted
    assert operator in {"StringLike", "ArnLike"}, operator
    return any(_like(told, pattern) for pattern in wanted)


def _like(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _list(told: Any) -> list[Any]:
    return told if isinstance(told, list) else [told]
