"""What is kept, one dataclass a table. `tables.py` derives the SQL from them, so that there is one place to change.

`at_ms` is UTC; it is None where the clock was not trusted yet, and then `boot` and `monotonic_ms` tell the moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

from light_client.rules.units import Side
from meter_io.intervals import IntervalEnergy
from meter_io.reading import MeterId, Quality, Reading, TimeBasis
from meter_io.span import Basis

_MW_PER_W = 1_000


class Answer(StrEnum):
    """The three answers of a verification."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRow:
    """A judged reading, without its phases."""

    at_ms: int | None
    meter: str
    import_j: int | None
    export_j: int | None
    power_mw: int | None
    """Active power, milliwatts, rounded towards zero; positive when drawn from the grid."""
    quality: Quality = Quality.GOOD
    reason: str = ""
    basis: TimeBasis = TimeBasis.RECEIVED
    """How the time was known; `MONOTONIC` stays when it is found out later."""
    monotonic_ms: int | None = None
    """The board's clock then; only where there is no `at_ms`, or was none."""
    boot: int = 0
    """Which start of the board `monotonic_ms` counts from; the store fills it in."""

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """Return the row of a reading."""
        moment, power_w = reading.moment, reading.power_w
        return cls(
            at_ms=moment.utc_ms,
            monotonic_ms=moment.monotonic_ms if moment.utc_ms is None else None,
            basis=moment.basis,
            meter=reading.meter,
            import_j=reading.import_j,
            export_j=reading.export_j,
            power_mw=None if power_w is None else int(power_w * _MW_PER_W),
            quality=reading.quality,
            reason=reading.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """What one meter counted in one interval; a second one of the same interval takes its place."""

    at_ms: int
    """When the interval was over."""
    meter: str
    interval: int
    import_j: int | None
    export_j: int | None
    basis: Basis
    covered_ms: int
    reason: str = ""

    @classmethod
    def of(cls, energy: IntervalEnergy, *, interval_s: int) -> Self:
        """Return the row of an interval that is over."""
        import_j, export_j = energy.energy_j
        return cls(
            at_ms=(energy.interval + 1) * interval_s * 1_000,
            meter=energy.meter,
            interval=energy.interval,
            import_j=import_j,
            export_j=export_j,
            basis=energy.basis,
            covered_ms=energy.covered_ms,
            reason=energy.reason,
        )

    def energy(self) -> IntervalEnergy:
        """Return what the row was made of."""
        return IntervalEnergy(
            meter=MeterId(self.meter),
            interval=self.interval,
            energy_j=(self.import_j, self.export_j),
            basis=self.basis,
            covered_ms=self.covered_ms,
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow:
    """One step in the life of an own offer."""

    at_ms: int
    address: bytes
    side: Side
    energy_j: int
    first_interval: int
    last_interval: int
    price_uc_per_kwh: int
    stage: str
    """Where it stands since then, such as `posted`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRow:
    """What this board concluded of one block; the header itself can be fetched and proven again."""

    at_ms: int
    """The header's time."""
    height: int
    header_hash: bytes
    interval: int
    """The interval that the block cleared; 0 if none."""
    clearing: str
    """How it cleared, such as `proven` or `kept`."""
    level: str
    """How much of it was proven to this board."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRow:
    """An own finalised trade; recorded a second time it changes nothing."""

    at_ms: int
    address: bytes
    offer_id: int
    side: Side
    interval: int
    energy_j: int
    amount_uc: int
    """Paid by a buyer, received by a seller, micro-currency."""
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRow:
    """A day's energy and money added up; a second one of the same day takes its place."""

    at_ms: int
    """When the day was over."""
    day: int
    """UTC seconds // 86,400."""
    metered_j: int
    """Export less import, J."""
    traded_j: int
    """Sold less bought, J."""
    received_uc: int
    """Money of trades, micro-currency; negative: paid."""
    owed_uc: int
    """Owed for deviations as far as they are known, micro-currency; negative: due to the home."""
    provisional: int = 0
    """How many intervals a correction may still change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """What a verification answered."""

    at_ms: int
    height: int
    interval: int
    answer: Answer
    rule: str = ""
    """The rule broken or undecided, such as `MKT-12`; empty if accepted."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something that somebody may ask about later: a gap, a fault, a decision. `name` is stable."""

    at_ms: int | None
    name: str
    detail: str = ""
    monotonic_ms: int | None = None
    boot: int = 0
    """Both as in `ReadingRow`."""


Row: TypeAlias = (
    ReadingRow | IntervalRow | OfferRow | HeaderRow | TradeRow | SettlementRow | VerdictRow | EventRow
)
