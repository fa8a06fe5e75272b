"""Handing in transactions, signed solutions among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from light_client.messages.shape import (
    check_bytes,
    check_bytes_up_to,
    check_list,
    check_number,
    check_text,
    fields_of,
    flag,
)
from light_client.rules.errors import RuleViolation
from light_client.rules.units import HASH_BYTES

MAX_RAW_BYTES: Final = 4 << 20
"""Longest transaction on the wire, bytes: a solution; the genesis of a chain allows less."""
MAX_TOGETHER: Final = 1_024
"""Most transactions in one submission."""
MAX_RETRY_MS: Final = 3_600_000
"""Longest pause that a miner asks for, ms."""
MAX_RULE_CHARACTERS: Final = 16
MAX_REASON_CHARACTERS: Final = 60
"""Even in four-byte characters within the 255 bytes of an encoded text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTx:
    """Anybody -> miner, and miner -> miner: take these signed transactions in, each judged by itself."""

    raw: bytes
    """The first, or only, transaction."""
    more: tuple[bytes, ...] = ()
    """Those that come with it: a miner passes on in one message what came in within a moment."""

    def __post_init__(self) -> None:
        check_list("transactions after the first", self.more, MAX_TOGETHER - 1)
        for raw in self.all:
            check_bytes_up_to("transaction", raw, MAX_RAW_BYTES, 1)

    @property
    def all(self) -> tuple[bytes, ...]:
        """All transactions in order."""
        return (self.raw, *self.more)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.raw, *self.more)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        if type(wire) is not tuple or not wire:
            raise RuleViolation("MSG-03", "fields of a submission", got=wire, expected="1 or more")
        return cls(raw=wire[0], more=wire[1:])


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
    retry_ms: int = 0
    """For a refusal that is a matter of time: after how many ms to hand it in again; 0: never, as it is."""

    def __post_init__(self) -> None:
        check_bytes("identity of a transaction", self.tx_id, HASH_BYTES)
        check_text("rule", self.rule, MAX_RULE_CHARACTERS)
        check_text("reason", self.reason, MAX_REASON_CHARACTERS)
        check_number("pause before the next try", self.retry_ms, 0, MAX_RETRY_MS)

    @classmethod
    def refused(cls, tx_id: bytes, broken: RuleViolation, retry_ms: int = 0) -> Self:
        """What a submitter is told of a refused transaction."""
        rule, reason = broken.rule[:MAX_RULE_CHARACTERS], str(broken)[:MAX_REASON_CHARACTERS]
        return cls(tx_id=tx_id, accepted=False, rule=rule, reason=reason, retry_ms=retry_ms)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order; the pause only where there is one."""
        pause = (self.retry_ms,) if self.retry_ms else ()
        return (self.tx_id, int(self.accepted), self.rule, self.reason, *pause)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        pause = 0
        if type(wire) is tuple and len(wire) == 5:
            pause = wire[4]
            check_number("pause before the next try", pause, 1, MAX_RETRY_MS)
        tx_id, accepted, rule, reason = fields_of(wire[:4] if pause else wire, 4, "a result")
        return cls(tx_id=tx_id, accepted=flag("accepted", accepted), rule=rule, reason=reason, retry_ms=pause)
