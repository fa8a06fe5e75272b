"""Reading a decoded record field by field: FLT-02 for whatever has not the form that docs/protocol.md states."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from light_client.rules.errors import RuleViolation

FORM_RULE: Final = "FLT-02"
MAX_NUMBER: Final = 1 << 62
"""Bound of versions and times."""


def form(what: str, got: object, expected: object) -> RuleViolation:
    """The error for something that has not its form."""
    return RuleViolation(FORM_RULE, what, got=got, expected=expected)


def record(what: str, wire: Any, size: int) -> tuple[Any, ...]:
    """A tuple of so many fields.

    Raises:
        RuleViolation: FLT-02.
    """
    if type(wire) is not tuple or len(wire) != size:
        raise form(what, wire, f"{size} fields")
    return wire


def rows(what: str, wire: Any, fewest: int, most: int) -> tuple[Any, ...]:
    """A tuple of so many to so many items.

    Raises:
        RuleViolation: FLT-02.
    """
    if type(wire) is not tuple or not fewest <= len(wire) <= most:
        raise form(what, wire, f"{fewest} to {most} items")
    return wire


def whole(what: str, wire: Any, low: int, high: int) -> int:
    """A whole number within its bounds.

    Raises:
        RuleViolation: FLT-02.
    """
    if type(wire) is not int or not low <= wire <= high:
        raise form(what, wire, f"{low} to {high}")
    return wire


def text(what: str, wire: Any, most: int = 255) -> str:
    """A text that is not empty.

    Raises:
        RuleViolation: FLT-02.
    """
    if type(wire) is not str or not 0 < len(wire) <= most:
        raise form(what, wire, f"a text of 1 to {most} characters")
    return wire


def octets(what: str, wire: Any, fewest: int, most: int) -> bytes:
    """A byte string of so many to so many bytes.

    Raises:
        RuleViolation: FLT-02.
    """
    if type(wire) is not bytes or not fewest <= len(wire) <= most:
        raise form(what, wire, f"{fewest} to {most} bytes")
    return wire


def ascending(what: str, items: tuple[Any, ...]) -> None:
    """Items of one type, strictly ascending: none twice, and one spelling only.

    Raises:
        RuleViolation: FLT-02.
    """
    for before, after in pairwise(items):
        if not before < after:
            raise form(what, after, "strictly ascending")
