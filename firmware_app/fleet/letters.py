"""Letters and receipts: what a device sends until the operator has it on disk, and the word that it has.

A letter is `(1, key, at_ms or -1, body)`, its kind the last level of its topic; a receipt is `(1, (key, ...))`, keys
ascending. A key names the same letter in every repetition, so that whoever keeps letters keeps each once.

| kind              | body                                                                           |
|-------------------|--------------------------------------------------------------------------------|
| `alarm`           | JSON, `firmware_app/fleet/telemetry.py`                                        |
| `delivery-report` | bytes that only the grid operator can open; for everybody else a lump of bytes |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from firmware_app.fleet.form import FORM_RULE, MAX_NUMBER, ascending, form, octets, record, rows, whole
from firmware_app.store.outbox import MAX_BODY_BYTES
from light_client.rules.encoding import MAX_TEXT_BYTES, decode, encode
from light_client.rules.errors import RuleViolation

ALARM: Final = "alarm"
DELIVERY_REPORT: Final = "delivery-report"
MAX_LETTER_BYTES: Final = MAX_BODY_BYTES + 512
MAX_RECEIPT_KEYS: Final = 64
MAX_RECEIPT_BYTES: Final = MAX_RECEIPT_KEYS * (MAX_TEXT_BYTES + 2) + 8
_FORMAT: Final = 1
_NO_TIME: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message out of a device's outbox.

    Raises:
        RuleViolation: FLT-02.
    """

    key: str
    """Names it: a repetition has the same."""
    at_ms: int | None
    """When it was written, UTC ms; None where the device did not know the time."""
    body: bytes

    def __post_init__(self) -> None:
        _key(self.key)
        whole("time of a letter", _NO_TIME if self.at_ms is None else self.at_ms, _NO_TIME, MAX_NUMBER)
        octets("body of a letter", self.body, 0, MAX_BODY_BYTES)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode((_FORMAT, self.key, _NO_TIME if self.at_ms is None else self.at_ms, self.body))


def letter_from_bytes(raw: bytes) -> Letter:
    """Read bytes of unknown origin.

    Raises:
        RuleViolation: FLT-02.
    """
    format_, key, at_ms, body = record("letter", _decoded("letter", raw, MAX_LETTER_BYTES), 4)
    whole("format of a letter", format_, _FORMAT, _FORMAT)
    whole("time of a letter", at_ms, _NO_TIME, MAX_NUMBER)
    return Letter(key=key, at_ms=None if at_ms == _NO_TIME else at_ms, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Letters that the operator has on disk.

    Raises:
        RuleViolation: FLT-02.
    """

    keys: tuple[str, ...]
    """Strictly ascending."""

    def __post_init__(self) -> None:
        for key in rows("keys of a receipt", self.keys, 1, MAX_RECEIPT_KEYS):
            _key(key)
        ascending("keys of a receipt", self.keys)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode((_FORMAT, self.keys))


def receipts_for(keys: Iterable[str]) -> tuple[Receipt, ...]:
    """As few receipts as name all keys, in whatever order and however often they were given."""
    names = sorted(set(keys))
    return tuple(
        Receipt(keys=tuple(names[place : place + MAX_RECEIPT_KEYS]))
        for place in range(0, len(names), MAX_RECEIPT_KEYS)
    )


def receipt_from_bytes(raw: bytes) -> Receipt:
    """Read bytes of unknown origin.

    Raises:
        RuleViolation: FLT-02.
    """
    format_, keys = record("receipt", _decoded("receipt", raw, MAX_RECEIPT_BYTES), 2)
    whole("format of a receipt", format_, _FORMAT, _FORMAT)
    return Receipt(keys=keys)


def _key(key: Any) -> str:
    if type(key) is not str or not 0 < len(key) <= MAX_TEXT_BYTES or not key.isascii():
        raise form("key of a letter", key, f"1 to {MAX_TEXT_BYTES} ASCII characters")
    return key


def _decoded(what: str, raw: bytes, max_bytes: int) -> Any:
    try:
        return decode(raw, max_bytes=max_bytes, max_depth=2, max_items=MAX_RECEIPT_KEYS + 8)
    except RuleViolation as error:
        raise RuleViolation(FORM_RULE, what, got=str(error), expected="canonical bytes") from None
