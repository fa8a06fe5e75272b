"""Checks of single fields, shared by all messages: types, sizes and bounds, each under its rule id.

Rules:
    MSG-01  the type number is a known one
    MSG-02  no longer than the limit of its type
    MSG-03  the fields of its type, no more and no less
    MSG-04  numbers are whole and within bounds
    MSG-05  byte strings have their length
    MSG-06  texts are short
    MSG-07  lists are no longer than their limit, and in order where they have one
"""

from __future__ import annotations

from typing import Any, Final

from light_client.rules.errors import RuleViolation
from light_client.rules.units import HASH_BYTES

MAX_NUMBER: Final = (1 << 62) - 1
"""Largest height, round, identity or amount on the wire."""
MAX_BODY_BYTES: Final = 16 << 20
"""Longest body of a block on the wire, bytes; the genesis of a chain allows less."""
MAX_PROOF_HASHES: Final = 256
"""Most hashes of one proof: the depth of the state tree; a Merkle proof takes at most 64."""


def fields_of(wire: Any, count: int, what: str) -> tuple[Any, ...]:
    """MSG-03: ``wire`` is a list of ``count`` fields."""
    if type(wire) is not tuple or len(wire) != count:
        raise RuleViolation("MSG-03", f"fields of {what}", got=wire, expected=f"{count} fields")
    return wire


def check_number(what: str, value: object, low: int = 0, high: int = MAX_NUMBER) -> None:
    """MSG-04: a whole number from ``low`` to ``high``."""
    if type(value) is not int or not low <= value <= high:
        raise RuleViolation("MSG-04", what, got=value, expected=f"{low}..{high}")


def check_bytes(what: str, value: object, length: int) -> None:
    """MSG-05: exactly ``length`` bytes."""
    if type(value) is not bytes or len(value) != length:
        raise RuleViolation("MSG-05", what, got=value, expected=f"{length} bytes")


def check_bytes_up_to(what: str, value: object, longest: int, shortest: int = 0) -> None:
    """MSG-05: from ``shortest`` to ``longest`` bytes."""
    if type(value) is not bytes or not shortest <= len(value) <= longest:
        raise RuleViolation("MSG-05", what, got=value, expected=f"{shortest} to {longest} bytes")


def check_text(what: str, value: object, longest: int, shortest: int = 0) -> None:
    """MSG-06: a text of ``shortest`` to ``longest`` characters."""
    if type(value) is not str or not shortest <= len(value) <= longest:
        raise RuleViolation("MSG-06", what, got=value, expected=f"{shortest} to {longest} characters")


def check_list(what: str, value: object, longest: int) -> None:
    """MSG-07: a list of at most ``longest`` items."""
    if type(value) is not tuple or len(value) > longest:
        got = len(value) if isinstance(value, tuple) else value
        raise RuleViolation("MSG-07", what, got=got, expected=f"at most {longest} items")


def check_hashes(what: str, value: object) -> None:
    """MSG-07, MSG-05: the hashes of a proof."""
    check_list(what, value, MAX_PROOF_HASHES)
    if isinstance(value, tuple):
        for item in value:
            check_bytes(what, item, HASH_BYTES)


def flag(what: str, wire: Any) -> bool:
    """MSG-04: a yes or no, which travels as 1 or 0."""
    check_number(what, wire, 0, 1)
    return bool(wire)


def optional(what: str, wire: Any) -> Any:
    """MSG-03: ``()`` for None, ``(value,)`` for a value, which the caller goes on to check."""
    if type(wire) is not tuple or len(wire) > 1:
        raise RuleViolation("MSG-03", what, got=wire, expected="() or (value,)")
    return wire[0] if wire else None
