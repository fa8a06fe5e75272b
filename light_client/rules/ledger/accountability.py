"""What the state remembers so that misbehaviour can be judged later, and who was convicted of it.

One small record: the last closed gates, each with a hash of its market problem and the headers whose successors could
clear it; and for every member that was ever convicted, its last conviction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.market.problem import Problem, problem_to_wire
from light_client.rules.units import HASH_BYTES, PUBLIC_KEY_BYTES

GATES_KEPT = 16
"""Closed gates that are remembered: evidence of an unsound clearing has that many intervals to get into a block."""
PARENTS_KEPT = 64
"""Headers remembered of one gate; what is proposed after more blocks that did not clear it cannot be shown here."""


class Fault(IntEnum):
    """What somebody was convicted of; numbers as in evidence."""

    CONTRADICTION = 1
    """Signed two different things of one height, kind and round."""
    UNSOUND_CLEARING = 2
    """Signed a header whose clearing does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A closed gate: what waited to be cleared, and after which headers."""

    interval: int
    problem_hash: bytes
    parents: tuple[bytes, ...]
    """Hashes of the headers after which a block could clear it: the one before the gate closed, and all until it was
    cleared."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (self.interval, self.problem_hash, self.parents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conviction:
    """The last conviction of a member."""

    public_key: bytes
    fault: Fault
    fault_height: int
    """Height of what it signed."""
    height: int
    """Height of the block that convicted it: faults up to here are punished with this one."""
    until_interval: int
    """It sits in no committee that is elected before this interval."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (self.public_key, int(self.fault), self.fault_height, self.height, self.until_interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accountability:
    """The record."""

    gates: tuple[Gate, ...] = ()
    """Oldest first."""
    convictions: tuple[Conviction, ...] = ()
    """Ascending by key, one of each."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        gates = tuple(gate.to_wire() for gate in self.gates)
        return (gates, tuple(conviction.to_wire() for conviction in self.convictions))

    def gate_after(self, parent: bytes) -> Gate | None:
        """The gate that a block after the header ``parent`` found closed, or closed itself."""
        return next((gate for gate in self.gates if parent in gate.parents), None)

    def conviction_of(self, public_key: bytes) -> Conviction | None:
        """The last conviction of a member."""
        return next((found for found in self.convictions if found.public_key == public_key), None)

    def is_convicted(self, public_key: bytes, interval: int) -> bool:
        """Whether a member is to sit in no committee that is elected while ``interval`` is the next final one."""
        found = self.conviction_of(public_key)
        return found is not None and interval < found.until_interval

    def with_gate(self, interval: int, parent: bytes, problem: Callable[[], Problem]) -> Accountability:
        """The record once a block after the header ``parent`` finds the gate of ``interval`` closed, or closes it.

        Args:
            problem: what waits to be cleared; asked for once per interval, since it does not change until it is.
        """
        last = self.gates[-1] if self.gates else None
        if last is None or last.interval != interval:
            digest = problem_hash(problem_bytes(problem()))
            gate = Gate(interval=interval, problem_hash=digest, parents=(parent,))
            return replace(self, gates=(*self.gates, gate)[-GATES_KEPT:])
        if len(last.parents) == PARENTS_KEPT:
            return self
        return replace(self, gates=(*self.gates[:-1], replace(last, parents=(*last.parents, parent))))

    def with_conviction(self, conviction: Conviction) -> Accountability:
        """The record with one more conviction, which takes the place of an earlier one of that member."""
        others = [found for found in self.convictions if found.public_key != conviction.public_key]
        ordered = sorted((*others, conviction), key=lambda found: found.public_key)
        return replace(self, convictions=tuple(ordered))


def problem_bytes(problem: Problem) -> bytes:
    """The bytes of a market problem, as evidence carries them."""
    return encode(problem_to_wire(problem))


def problem_hash(raw: bytes) -> bytes:
    """What the state records of a market problem."""
    return tagged_hash("gridlight/problem/1", raw)


def accountability_from_bytes(raw: bytes) -> Accountability:
    """Read the record back, as a server sends it.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-38 for another shape.
    """
    wire: Any = decode(raw, max_bytes=1 << 20, max_depth=4)
    shaped = type(wire) is tuple and len(wire) == 2 and all(type(part) is tuple for part in wire)
    if not shaped or not all(_is_gate(row) for row in wire[0]) or not all(_is_conviction(r) for r in wire[1]):
        raise RuleViolation("LED-38", "a record of gates and convictions", got=wire, expected="two lists")
    return Accountability(
        gates=tuple(Gate(interval=row[0], problem_hash=row[1], parents=row[2]) for row in wire[0]),
        convictions=tuple(
            Conviction(
                public_key=row[0],
                fault=Fault(row[1]),
                fault_height=row[2],
                height=row[3],
                until_interval=row[4],
            )
            for row in wire[1]
        ),
    )


def _is_gate(row: Any) -> bool:
    if type(row) is not tuple or len(row) != 3 or type(row[0]) is not int or type(row[2]) is not tuple:
        return False
    return all(type(hashed) is bytes and len(hashed) == HASH_BYTES for hashed in (row[1], *row[2]))


def _is_conviction(row: Any) -> bool:
    if type(row) is not tuple or len(row) != 5 or any(type(n) is not int or n < 0 for n in row[1:]):
        return False
    return type(row[0]) is bytes and len(row[0]) == PUBLIC_KEY_BYTES and row[1] in tuple(Fault)
