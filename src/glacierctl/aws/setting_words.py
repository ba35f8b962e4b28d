"""Settings of a deployment, and how they differ, in words."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

Field = tuple[str, str, str]
"""A setting, what it is now, what it will be: as text."""


def differing_fields(now: Any, then: Any) -> tuple[Field, ...]:
    """Fields of two dataclass instances of one kind that differ: now and then."""
    pairs = ((field.name, getattr(now, field.name), getattr(then, field.name)) for field in fields(then))
    return tuple((name, *_texts(there, wanted)) for name, there, wanted in pairs if there != wanted)


def _texts(now: Any, then: Any) -> tuple[str, str]:
    """Two values as text; of two that are too long to read, only that they differ."""
    there, wanted = as_text(now), as_text(then)
    return (there, wanted) if there != wanted else ("another", wanted)


def as_text(value: Any) -> str:
    """A setting's value as text."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case {"Statement": _} | {"rules": _}:
            return "as glacierctl writes it"
        case Mapping():
            return ", ".join(f"{name}={as_text(one)}" for name, one in sorted(value.items())) or "none"
        case tuple():
            return " ".join(map(str, value)) or "none"
    return str(value) or "none"
