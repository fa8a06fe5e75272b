"""A plan: how much each class trades in each interval. Classes only; what each member gets is derived by everyone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from light_client.rules.errors import RuleViolation
from light_client.rules.market.intervals import Ranges, cut_before
from light_client.rules.market.offer import ClassKey
from light_client.rules.units import MAX_INTERVAL

Entries = tuple[tuple[int, int], ...]
"""``((interval, energy_j), ...)``, intervals strictly ascending, energies positive."""

MAX_PLAN_ENTRIES = 1 << 20
MAX_WIRE_NUMBER = 1 << 60
"""Above every energy that 2^20 offers can hold together, so that no peer can send huge integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Traded energy per class and interval, from ``first_interval`` on.

    In a uniform market the classes of buyers left with one interval are not stated: their part follows from the rest
    (see ``levelling``), so no solver can favour anybody.
    """

    first_interval: int
    flows: dict[ClassKey, Entries]

    def without(self, interval: int) -> Plan:
        """The same plan once ``interval`` is final: later intervals only, classes cut to what is left of them.

        Classes that the cut makes equal are added up; the sum stays within their joined energy.
        """
        merged: dict[ClassKey, dict[int, int]] = {}
        for key, entries in self.flows.items():
            if key.last <= interval:
                continue
            cut = key
            if key.ranges[0][0] <= interval:
                cut = key._replace(ranges=cut_before(key.ranges, interval + 1))
            later = merged.setdefault(cut, {})
            for t, energy_j in entries:
                if t > interval:
                    later[t] = later.get(t, 0) + energy_j
        flows = {key: tuple(sorted(later.items())) for key, later in sorted(merged.items()) if later}
        return Plan(first_interval=interval + 1, flows=flows)

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form: ``(first_interval, ((side, feeder, price, ranges, entries), ...))``, times relative."""
        base = self.first_interval
        rows = tuple(
            (
                int(key.side),
                key.feeder,
                key.price_uc_per_kwh,
                tuple(value for first, last in key.ranges for value in (first - base, last - first)),
                tuple(value for t, energy_j in entries for value in (t - base, energy_j)),
            )
            for key, entries in sorted(self.flows.items())
        )
        return (base, rows)


def plan_from_wire(wire: Any) -> Plan:
    """Read the canonical form back; the energies, classes and limits are judged elsewhere (``feasibility``).

    Raises:
        RuleViolation: MKT-10 for any other shape: wrong types, classes or intervals not strictly ascending,
            energies not positive, too many entries.
    """
    if type(wire) is not tuple or len(wire) != 2 or type(wire[0]) is not int or type(wire[1]) is not tuple:
        raise RuleViolation(
            "MKT-10",
            "a plan is a first interval and rows",
            got=wire,
            expected="(int, rows)",
        )
    base, rows = wire
    if not 0 <= base < MAX_INTERVAL:
        raise RuleViolation(
            "MKT-10",
            "first interval of a plan",
            got=base,
            expected=f"0..{MAX_INTERVAL - 1}",
        )
    flows: dict[ClassKey, Entries] = {}
    previous: ClassKey | None = None
    total = 0
    for row in rows:
        if type(row) is not tuple or len(row) != 5:
            raise RuleViolation(
                "MKT-10",
                "a row of a plan has five fields",
                got=row,
                expected="5 fields",
            )
        side, feeder, price, flat_ranges, flat_entries = row
        if not (_is_number(side) and _is_number(feeder) and _is_number(price)) or side > 1:
            raise RuleViolation("MKT-10", "class of a plan", got=row[:3], expected="side, feeder, price")
        key = ClassKey(side, feeder, price, _ranges(flat_ranges, base))
        if previous is not None and key <= previous:
            raise RuleViolation(
                "MKT-10",
                "classes of a plan are not strictly ascending",
                got=key,
                expected=previous,
            )
        previous = key
        entries = _entries(flat_entries, base)
        total += len(entries)
        if total > MAX_PLAN_ENTRIES:
            raise RuleViolation("MKT-10", "entries in a plan", got=total, expected=MAX_PLAN_ENTRIES)
        flows[key] = entries
    return Plan(first_interval=base, flows=flows)


def _ranges(flat: Any, base: int) -> Ranges:
    ranges: list[tuple[int, int]] = []
    for offset, length in _pairs(flat):
        first = base + offset
        if (
            offset < 0
            or length < 0
            or first + length >= MAX_INTERVAL
            or (ranges and first < ranges[-1][1] + 2)
        ):
            raise RuleViolation(
                "MKT-10",
                "interval ranges of a class",
                got=flat,
                expected="ascending and apart",
            )
        ranges.append((first, first + length))
    return tuple(ranges)


def _entries(flat: Any, base: int) -> Entries:
    entries = []
    previous = -1
    for offset, energy_j in _pairs(flat):
        if offset <= previous or base + offset >= MAX_INTERVAL or energy_j <= 0:
            raise RuleViolation(
                "MKT-10",
                "entries of a class",
                got=(offset, energy_j),
                expected="ascending, positive",
            )
        previous = offset
        entries.append((base + offset, energy_j))
    return tuple(entries)


def _pairs(flat: Any) -> Iterable[tuple[int, int]]:
    """Pairs of whole numbers out of a flat list. Plain loops: a solution holds thousands of lists of one pair."""
    if type(flat) is not tuple or not flat or len(flat) % 2:
        raise RuleViolation("MKT-10", "pairs of whole numbers in a plan", got=flat, expected="pairs")
    for value in flat:
        if type(value) is not int or not -MAX_WIRE_NUMBER <= value <= MAX_WIRE_NUMBER:
            expected = f"at most {MAX_WIRE_NUMBER}"
            raise RuleViolation("MKT-10", "whole numbers of a plan", got=flat, expected=expected)
    return (flat,) if len(flat) == 2 else zip(flat[::2], flat[1::2], strict=True)


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_WIRE_NUMBER
