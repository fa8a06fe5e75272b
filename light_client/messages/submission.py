"""Handing in transactions, signed solutions among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from light_client.messages.shape import (
    check_bytes,
    check_bytes_up_to,
    check_text,
    fields_of,
    flag,
)
from light_client.rules.errors import RuleViolation
from light_client.rules.units import HASH_BYTES

MAX_RAW_BYTES: Final = 4 << 20
"""Longest transaction on the wire, bytes: a solution; the genesis of a chain allows less."""
MAX_RULE_CHARACTERS: Final = 16
MAX_REASON_CHARACTERS: Final = 60
"""Even in four-byte characters within the 255 bytes of an encoded text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTx:
    """Anybody -> miner, and miner -> miner: take this signed transaction in."""

    raw: bytes

    def __post_init__(self) -> None:
        check_bytes_up_to("transaction", self.raw, MAX_RAW_BYTES, 1)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.raw,)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        (raw,) = fields_of(wire, 1, "a submission")
        return cls(raw=raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class TxResult:
    """Miner -> submitter: the transaction waits for a block (or is in one already), or was refused.

    Being accepted is no promise: what proves a transaction is its effect in the state of a signed header.
    """

    tx_id: bytes
    accepted: bool
    rule: str = ""
    """Rule that the transaction breaks; empty if accepted."""
    reason: str = ""
    """One sentence for people; empty if accepted."""

    def __post_init__(self) -> None:
        check_bytes("identity of a transaction", self.tx_id, HASH_BYTES)
        check_text("rule", self.rule, MAX_RULE_CHARACTERS)
        check_text("reason", self.reason, MAX_REASON_CHARACTERS)

    @classmethod
    def refused(cls, tx_id: bytes, broken: RuleViolation) -> Self:
        """What a submitter is told of a refused transaction."""
        rule, reason = broken.rule[:MAX_RULE_CHARACTERS], str(broken)[:MAX_REASON_CHARACTERS]
        return cls(tx_id=tx_id, accepted=False, rule=rule, reason=reason)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.tx_id, int(self.accepted), self.rule, self.reason)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        tx_id, accepted, rule, reason = fields_of(wire, 4, "a result")
        return cls(tx_id=tx_id, accepted=flag("accepted", accepted), rule=rule, reason=reason)
