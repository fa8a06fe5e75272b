"""Counting pulses: debounced, bounded by what the connection can carry, with phantom pulses told from real ones.

A pulse is the wire at its active level for a time within limits, no sooner after the last pulse than the greatest power
allows. A level counts only once it has stood for the debounce time, so that one is known with the next edge or `tick`.
Nothing here waits or reads a clock: edges carry the time at which they were noticed, best by the kernel.

Source: IEC 62053-31 (S0): a pulse lasts at least 30 ms, so does the pause between two.
"""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final, NamedTuple

from meter_io.obis import IMPORT_TOTAL, POWER_NET, Obis
from meter_io.reading import MeterId, Moment, Sample, Unit, Value

_MS: Final = 1_000_000
"""Nanoseconds in a millisecond."""
_WINDOW: Final = 64
"""How many of the last pulses, real and phantom, are looked at."""
_NOISY: Final = 8
"""So many phantoms among them mean that the wiring, not the meter, is counted."""


class Edge(NamedTuple):
    """A change of the wire.

    Attributes:
        at_ns: when, on any clock that never goes back.
        high: the level since then.
    """

    at_ns: int
    high: bool


class Verdict(Enum):
    """What a pulse turned out to be. Only COUNTED ones are energy."""

    COUNTED = "counted"
    TOO_SHORT = "too-short"
    """Above the debounce time, below what a meter sends: interference from a neighbouring wire."""
    TOO_LONG = "too-long"
    """The wire stood active: a short circuit, or the other polarity."""
    TOO_SOON = "too-soon"
    """More power than the connection can carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseInput:
    """What is known of a meter and its wire.

    Attributes:
        pulses_per_kwh: as printed on the meter, 1 to 1,000,000.
        max_power_w: more than this cannot flow: fuses, or the inverter's nominal power.
        active_high: the level during a pulse; false with the usual pull-up.
        debounce_ms: shorter changes are contacts bouncing.
        min_pulse_ms: the shortest pulse that is believed, a little below the meter's.
        max_pulse_ms: the longest.
        total: which counter the pulses are, import or export.
    """

    pulses_per_kwh: int
    max_power_w: int
    active_high: bool = False
    debounce_ms: int = 3
    min_pulse_ms: int = 20
    max_pulse_ms: int = 2_000
    total: Obis = IMPORT_TOTAL

    def __post_init__(self) -> None:
        for name, low, high in (("pulses_per_kwh", 1, 1_000_000), ("max_power_w", 1, 10_000_000)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {low} to {high}, got {getattr(self, name)}")
        if not 0 <= self.debounce_ms <= self.min_pulse_ms < self.max_pulse_ms:
            raise ValueError(
                f"0 <= debounce_ms <= min_pulse_ms < max_pulse_ms is needed,"
                f" got {self.debounce_ms}, {self.min_pulse_ms}, {self.max_pulse_ms}"
            )

    @property
    def min_period_ns(self) -> int:
        """Time between two pulses at the greatest power, nanoseconds, rounded down."""
        return 3_600_000 * 1_000 * _MS // (self.pulses_per_kwh * self.max_power_w)


class PulseCounter:
    """Counts the pulses of one wire."""

    def __init__(self, settings: PulseInput, pulses: int = 0) -> None:
        """Begin with the wire at rest.

        Args:
            settings: of the wire.
            pulses: the total so far, from before the last restart.

        Raises:
            ValueError: the total is negative.
        """
        if pulses < 0:
            raise ValueError(f"a total of pulses is not negative, got {pulses}")
        self.settings: Final = settings
        self._pulses = pulses
        self._phantoms = dict.fromkeys(Verdict, 0)
        self._recent: deque[Verdict] = deque(maxlen=_WINDOW)
        self._raw_active = False
        self._raw_since_ns: int | None = None
        self._active_since_ns: int | None = None
        self._last_pulse_ns: int | None = None
        self._period_ns: int | None = None
        self._lost_edges = 0

    @property
    def pulses(self) -> int:
        """The total."""
        return self._pulses

    @property
    def lost_edges(self) -> int:
        """Edges that repeat the level before them or go back in time: some between were missed."""
        return self._lost_edges

    @property
    def is_noisy(self) -> bool:
        """Whether so many of the last pulses were phantoms that the total is not to be believed."""
        return sum(verdict is not Verdict.COUNTED for verdict in self._recent) >= _NOISY

    def phantoms(self) -> dict[Verdict, int]:
        """How many pulses were not counted, by reason."""
        return {verdict: count for verdict, count in self._phantoms.items() if verdict is not Verdict.COUNTED}

    def edge(self, edge: Edge) -> Verdict | None:
        """Take an edge; return what the pulse was that it proves to be over, if it does."""
        active = edge.high is self.settings.active_high
        if self._raw_since_ns is not None and edge.at_ns < self._raw_since_ns:
            self._lost_edges += 1
            return None
        if active is self._raw_active:
            self._lost_edges += self._raw_since_ns is not None
            return None
        verdict = self.tick(edge.at_ns)
        self._raw_active, self._raw_since_ns = active, edge.at_ns
        return verdict

    def tick(self, now_ns: int) -> Verdict | None:
        """Take notice of the time: a level that has stood long enough counts. Call it now and then between edges."""
        since_ns = self._raw_since_ns
        if since_ns is None or now_ns - since_ns < self.settings.debounce_ms * _MS:
            return None
        if self._raw_active:
            if self._active_since_ns is None:
                self._active_since_ns = since_ns
            return None
        if self._active_since_ns is None:
            return None
        began_ns, self._active_since_ns = self._active_since_ns, None
        return self._judge(began_ns, since_ns)

    def _judge(self, began_ns: int, ended_ns: int) -> Verdict:
        settings, last_ns = self.settings, self._last_pulse_ns
        if ended_ns - began_ns < settings.min_pulse_ms * _MS:
            verdict = Verdict.TOO_SHORT
        elif ended_ns - began_ns > settings.max_pulse_ms * _MS:
            verdict = Verdict.TOO_LONG
        elif last_ns is not None and began_ns - last_ns < settings.min_period_ns:
            verdict = Verdict.TOO_SOON
        else:
            verdict = Verdict.COUNTED
            self._pulses += 1
            self._period_ns = None if last_ns is None else began_ns - last_ns
            self._last_pulse_ns = began_ns
        self._phantoms[verdict] += verdict is not Verdict.COUNTED
        self._recent.append(verdict)
        return verdict

    def power_w(self, now_ns: int) -> Decimal | None:
        """Return the mean power of the last period, or less where the next pulse is overdue; None before two pulses."""
        if self._period_ns is None or self._last_pulse_ns is None:
            return None
        period_ns = max(self._period_ns, now_ns - self._last_pulse_ns, 1)
        return Decimal(3_600_000 * 1_000 * _MS) / (self.settings.pulses_per_kwh * period_ns)

    def sample(self, *, meter: MeterId, moment: Moment, now_ns: int) -> Sample:
        """Return the total and the power as a sample; export has negative power, as in the shared model.

        Args:
            meter: its name on this board.
            moment: now.
            now_ns: now, on the clock of the edges.
        """
        settings = self.settings
        energy = Decimal(self._pulses * 1_000) / settings.pulses_per_kwh
        values = {settings.total: Value(energy, Unit.WATT_HOUR)}
        power = self.power_w(now_ns)
        if power is not None:
            values[POWER_NET] = Value(power if settings.total == IMPORT_TOTAL else -power, Unit.WATT)
        return Sample(meter=meter, moment=moment, model=f"S0, {settings.pulses_per_kwh}/kWh", values=values)
