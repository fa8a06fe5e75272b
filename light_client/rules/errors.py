"""The error tree of `light_client`, typed by who is to blame.

    LightClientError
        RuleViolation       a peer's data breaks a named rule
            MalformedError  the bytes cannot even be read
        LocalError          our own bug: the caller broke a contract of this package
        TransportError      nobody's fault, or not known yet: try again

A message is derived from its parts, `MKT-03: prices do not cross (got 12, expected at most 9)`, so that
programs read the attributes and people the sentence. Values are shortened, and no caller passes a secret.
"""

from enum import Enum
from reprlib import Repr
from typing import Final

_SHOWN_BYTES: Final = 4
_SHOWN_TEXT: Final = 80
_SHOWN_BITS: Final = 128  # Python refuses to print very long integers, and nobody would read them


class _Unsaid(Enum):
    """Stands for "no value given", since `None` is a value that a field may wrongly hold."""

    UNSAID = "unsaid"


UNSAID: Final = _Unsaid.UNSAID


class _Picture(Repr):
    """A repr that stays short and never fails on integers too long for Python to print, however deep they sit."""

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002 (its place in the base class)
        """Return the decimal form of an integer, or only its length."""
        return repr(x) if x.bit_length() <= _SHOWN_BITS else f"an integer of {x.bit_length()} bits"


_PICTURE: Final = _Picture()
_PICTURE.maxother = 2 * _SHOWN_TEXT


def shown(value: object) -> str:
    """Return a short, one-line picture of `value`: bytes by their first four and their length."""
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        if len(raw) <= 2 * _SHOWN_BYTES:
            return f"0x{raw.hex()}" if raw else "no bytes"
        return f"0x{raw[:_SHOWN_BYTES].hex()}… ({len(raw)} bytes)"
    text = value if isinstance(value, str) else _PICTURE.repr(value)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}…"


class LightClientError(Exception):
    """Root of every error that `light_client` raises on purpose.

    Attributes:
        reason: one clear sentence without a full stop.
        got: the value found, or `UNSAID`.
        expected: the value, bound or description that would have been right, or `UNSAID`.
    """

    def __init__(self, reason: str, got: object = UNSAID, expected: object = UNSAID) -> None:
        super().__init__(reason, got, expected)
        self.reason: Final = reason
        self.got: Final = got
        self.expected: Final = expected

    def __str__(self) -> str:
        """Return the reason, followed by what was got and expected where that was said."""
        parts = [
            f"{word} {shown(value)}"
            for word, value in (("got", self.got), ("expected", self.expected))
            if value is not UNSAID
        ]
        return f"{self.reason} ({', '.join(parts)})" if parts else self.reason


class RuleViolation(LightClientError):
    """Data from a peer breaks a rule of the protocol. The sender is at fault, we are well.

    Attributes:
        rule: the id of the rule, as in `docs/protocol.md`, for example `MKT-03`.
    """

    def __init__(self, rule: str, reason: str, got: object = UNSAID, expected: object = UNSAID) -> None:
        super().__init__(reason, got, expected)
        self.args = (
            rule,
            reason,
            got,
            expected,
        )  # what pickle and copy rebuild the error from
        self.rule: Final = rule

    def __str__(self) -> str:
        """Return the sentence with the rule id in front."""
        return f"{self.rule}: {super().__str__()}"


class MalformedError(RuleViolation):
    """The bytes are not the one canonical spelling of anything: refused before their meaning is asked."""


class LocalError(LightClientError):
    """We were called wrongly or reached a state that cannot be: a bug on this side, never a peer's fault."""


class TransportError(LightClientError):
    """A connection, a server or a file did not answer: the same request may succeed later."""
