"""What the counter guard has to be told about a meter: from its profile, and from who connected the house."""

from dataclasses import dataclass
from typing import Final

from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, Obis

_LEAST_EVIDENCE_J: Final = 72_000
_EVIDENCE_STEPS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterSpec:
    """One energy counter of a meter.

    Attributes:
        codes: registers whose sum it is: one, or the tariffs of a meter that gives no total.
        resolution_j: smallest step, joules; 1 Wh is 3600.
        modulus_j: joules after which it is 0 again (65,536 or 2^32 steps, 10^6 kWh); None where it never was seen to
            and nobody documents it: a roll-over is then taken for a reset, and not booked.
    """

    codes: tuple[Obis, ...]
    resolution_j: int = 3_600
    modulus_j: int | None = None

    def __post_init__(self) -> None:
        if not self.codes:
            raise ValueError("a counter has at least one register, got none")
        if self.resolution_j < 1:
            raise ValueError(f"the resolution of a counter is at least 1 J, got {self.resolution_j}")
        if self.modulus_j is not None and self.modulus_j < 1_000 * self.resolution_j:
            raise ValueError(f"a counter has at least 1000 steps, got {self.modulus_j} J in all")


IMPORT_WH: Final = CounterSpec(codes=(IMPORT_TOTAL,))
EXPORT_WH: Final = CounterSpec(codes=(EXPORT_TOTAL,))


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardParams:
    """What may happen at one meter.

    Attributes:
        connection_w: the most that can flow in either direction, watts: fuses and inverter, with a margin of half for
            what a fuse carries before it blows. 3 x 63 A at 230 V is 43,470 W. Every bound of the guard scales with it.
        counters: (import, export); None where the meter has no such counter. At least one.
        needs_power: whether the profile promises active power.
        confirm: consecutive samples that have to agree before a counter is given a new base.
        trust_gap_ms: longest time over which a single sample is believed; after a longer one `confirm` samples are
            needed. Its energy at `connection_w` tells a small back-step from a large one. At least twice the polling.
        timing_ms: by how much the time of a measurement may be off, milliseconds.
        jitter_ms: by how much a telegram with its own time may be delivered late, milliseconds.
        idle_w: power below which a meter need not count, watts.
    """

    connection_w: int = 65_000
    counters: tuple[CounterSpec | None, CounterSpec | None] = (IMPORT_WH, None)
    needs_power: bool = False
    confirm: int = 3
    trust_gap_ms: int = 300_000
    timing_ms: int = 1_000
    jitter_ms: int = 10_000
    idle_w: int = 25

    def __post_init__(self) -> None:
        if self.counters == (None, None):
            raise ValueError("the guard watches counters: use PowerIntegrator for a meter that has none")
        if self.connection_w < 1:
            raise ValueError(f"a connection carries at least 1 W, got {self.connection_w}")
        if not 2 <= self.confirm <= 16:
            raise ValueError(f"a new base needs 2 to 16 samples that agree, got {self.confirm}")
        if self.trust_gap_ms < 1_000:
            raise ValueError(f"the trust gap is at least 1000 ms, got {self.trust_gap_ms}")
        if min(self.timing_ms, self.jitter_ms, self.idle_w) < 0:
            raise ValueError("timing, jitter and idle power are not below 0")

    def most_j(self, counter: CounterSpec, duration_ms: int) -> int:
        """The most that a counter can move in a time, joules: the bound on what one wrong sample can book."""
        return self.connection_w * (duration_ms + self.timing_ms) // 1_000 + counter.resolution_j

    def evidence_j(self, counter: CounterSpec) -> int:
        """Energy that has to contradict a counter before it is called frozen or reversed, joules."""
        return max(_LEAST_EVIDENCE_J, _EVIDENCE_STEPS * counter.resolution_j)
