"""Delivery reports: what registered miners promised and delivered, as the grid operator metered it.

Only candidates of the registry are reported, under the keys that the registry makes public anyway, as sums over a
stretch of intervals on a coarse grid. No address appears and nobody else is reported: a report tells nothing of a
prosumer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.registry import MAX_CANDIDATES
from light_client.rules.ledger.score import NO_DELIVERY, Delivery, delivery_of
from light_client.rules.units import JOULES_PER_KWH, MAX_INTERVAL, PUBLIC_KEY_BYTES

REPORT_STEP_J = JOULES_PER_KWH
"""Reported energies are multiples of 1 kWh: a finer sum could be matched with the trades of addresses."""
MAX_REPORT_J = JOULES_PER_KWH << 28
"""Most energy that one report states of one candidate, J: 268 GWh."""
MAX_EPOCH_J = 1 << 60
"""Most energy reported of one candidate in one epoch, J."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One candidate in one report."""

    public_key: bytes
    promised_j: int
    delivered_j: int

    def __post_init__(self) -> None:
        if type(self.public_key) is not bytes or len(self.public_key) != PUBLIC_KEY_BYTES:
            raise RuleViolation(
                "LED-50",
                "key in a delivery report",
                got=self.public_key,
                expected=f"{PUBLIC_KEY_BYTES} bytes",
            )
        for name, value in (("promised_j", self.promised_j), ("delivered_j", self.delivered_j)):
            if type(value) is not int or not 0 <= value <= MAX_REPORT_J or value % REPORT_STEP_J:
                raise RuleViolation(
                    "LED-50", f"{name} of a report", got=value, expected=f"a multiple of {REPORT_STEP_J}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDelivery:
    """Transaction: DSO -> ledger, all candidates that delivered or should have, over a stretch of past intervals.

    Reports follow each other without overlap, which numbers them: none counts twice.

    Raises:
        RuleViolation: LED-50.
    """

    first_interval: int
    last_interval: int
    rows: tuple[DeliveryRow, ...]
    """Strictly ascending by key."""

    def __post_init__(self) -> None:
        first, last = self.first_interval, self.last_interval
        if type(first) is not int or type(last) is not int or not 0 <= first <= last < MAX_INTERVAL:
            raise RuleViolation(
                "LED-50", "intervals of a report", got=(first, last), expected="first <= last"
            )
        if not 1 <= len(self.rows) <= MAX_CANDIDATES:
            raise RuleViolation(
                "LED-50", "candidates of a report", got=len(self.rows), expected=f"1..{MAX_CANDIDATES}"
            )
        previous = b""
        for row in self.rows:
            if row.public_key <= previous:
                raise RuleViolation(
                    "LED-50", "keys of a report are not ascending", got=row.public_key, expected=previous
                )
            previous = row.public_key

    def to_fields(self) -> tuple[Any, ...]:
        """The fields of the transaction after its kind."""
        rows = tuple((row.public_key, row.promised_j, row.delivered_j) for row in self.rows)
        return (self.first_interval, self.last_interval, rows)


def report_from_fields(fields: tuple[Any, ...]) -> ReportDelivery:
    """Read the fields after the kind.

    Raises:
        RuleViolation: LED-50.
    """
    first, last, rows = fields
    if type(rows) is not tuple or len(rows) > MAX_CANDIDATES:
        raise RuleViolation("LED-50", "rows of a report", got=rows, expected=f"at most {MAX_CANDIDATES}")
    if any(type(row) is not tuple or len(row) != 3 for row in rows):
        raise RuleViolation("LED-50", "a row of a report has three fields", got=rows, expected="3 fields")
    return ReportDelivery(
        first_interval=first,
        last_interval=last,
        rows=tuple(DeliveryRow(public_key=key, promised_j=p, delivered_j=d) for key, p, d in rows),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """What was reported of one candidate, epoch by epoch; a record of the ledger state."""

    epochs: tuple[tuple[int, Delivery], ...] = ()
    """(epoch in which it was reported, the sum), ascending; epochs without a report have no entry."""

    def total(self, first_epoch: int) -> Delivery:
        """The sum of all epochs from ``first_epoch`` on."""
        total = NO_DELIVERY
        for epoch, delivery in self.epochs:
            if epoch >= first_epoch:
                total = total.plus(delivery)
        return total

    def with_report(self, epoch: int, row: DeliveryRow, history: int) -> DeliveryRecord:
        """The record with one more report; epochs that will never count again are dropped.

        Raises:
            RuleViolation: LED-54 more energy in one epoch than can be added up safely.
        """
        delivery = delivery_of(row.promised_j, row.delivered_j)
        kept = dict(entry for entry in self.epochs if entry[0] > epoch - history)
        added = kept.get(epoch, NO_DELIVERY).plus(delivery)
        if max(added) > MAX_EPOCH_J:
            raise RuleViolation(
                "LED-54", "energy reported of a candidate", got=max(added), expected=f"at most {MAX_EPOCH_J}"
            )
        kept[epoch] = added
        return DeliveryRecord(epochs=tuple(sorted(kept.items())))

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return tuple((epoch, *delivery) for epoch, delivery in self.epochs)


def encode_delivery(record: DeliveryRecord) -> bytes:
    """Bytes whose hash stands in the state tree."""
    return encode(record.to_wire())


def delivery_from_bytes(raw: bytes) -> DeliveryRecord:
    """Read a record back, as a server sends it.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-38 for another shape.
    """
    wire: Any = decode(raw, max_bytes=8 << 10, max_depth=2, max_items=512)
    shaped = type(wire) is tuple and all(
        type(row) is tuple and len(row) == 4 and all(type(n) is int and n >= 0 for n in row) for row in wire
    )
    if not shaped:
        raise RuleViolation("LED-38", "a delivery record is rows of four numbers", got=wire, expected="rows")
    return DeliveryRecord(epochs=tuple((row[0], Delivery(*row[1:])) for row in wire))
