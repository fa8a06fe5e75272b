"""Meters that give power and no counter: their energy is summed up, and marked as estimated for ever.

The rule: between two samples at most `straight_ms` apart, power is a straight line (the trapezoid, half of both powers
times the time; drawn and fed in apart, and where the sign turns, each side of the crossing). Over a longer gap nothing
is known. What is less than a joule is kept for the next sample.
"""

from meter_io.guard.guard import Judgement
from meter_io.guard.measure import phases_of, power_of
from meter_io.reading import MeterId, Quality, Reading, Sample
from meter_io.span import Basis, Instant, Span, elapsed_ms

_PER_J = 2_000
"""Half watts times milliseconds in a joule."""


class PowerIntegrator:
    """Sums up the power of one meter. Give it every sample in order."""

    def __init__(self, meter: MeterId, *, straight_ms: int = 60_000) -> None:
        """Begin with nothing; `straight_ms` is the longest time over which power counts as a straight line."""
        if straight_ms < 1:
            raise ValueError(f"a straight line lasts at least 1 ms, got {straight_ms}")
        self.meter = meter
        self.straight_ms = straight_ms
        self._last: tuple[Instant, int] | None = None
        self._rest = [0, 0]

    def clock_trusted(self, utc_ms: int, monotonic_ms: int) -> None:
        """Learn that the board's clock can be trusted from now on."""
        if self._last is not None:
            at, power_w = self._last
            self._last = at.stamped(utc_ms - monotonic_ms), power_w

    def judge(self, sample: Sample) -> Judgement:
        """Judge the next sample: GOOD is about its power, the energy of its span is ESTIMATED.

        Raises:
            ValueError: the sample is another meter's.
        """
        if sample.meter != self.meter:
            raise ValueError(f"this sums up {self.meter!r}, got a sample of {sample.meter!r}")
        at, power = Instant.of(sample.moment), power_of(sample)
        if power is None:
            return self._reading(sample, Quality.INCOMPLETE, "active power is missing or has no usable value")
        power_w = int(power)
        if self._last is None:
            self._last = at, power_w
            return self._reading(sample, Quality.FIRST, "no earlier power to draw a line from")
        before, before_w = self._last
        duration_ms = elapsed_ms(before, at)
        if duration_ms is None or duration_ms <= 0:
            return self._reading(sample, Quality.STALE, "not newer than what is known already")
        self._last = at, power_w
        if duration_ms > self.straight_ms:
            span = Span(
                meter=self.meter,
                start=before,
                end=at,
                energy_j=(None, None),
                basis=Basis.UNKNOWN,
                reason=f"no power for {duration_ms // 1_000} s",
            )
            return self._reading(sample, Quality.GOOD, "", span)
        areas = _areas(before_w, power_w, duration_ms)
        energy = []
        for way, area in enumerate(areas):
            joules, self._rest[way] = divmod(self._rest[way] + area, _PER_J)
            energy.append(joules)
        span = Span(
            meter=self.meter,
            start=before,
            end=at,
            energy_j=(energy[0], energy[1]),
            basis=Basis.ESTIMATED,
            reason="summed up from power: the meter has no counter",
        )
        return self._reading(sample, Quality.GOOD, "", span)

    def _reading(self, sample: Sample, quality: Quality, reason: str, *spans: Span) -> Judgement:
        reading = Reading(
            meter=self.meter,
            moment=sample.moment,
            import_j=None,
            export_j=None,
            power_w=power_of(sample),
            phases=phases_of(sample),
            quality=quality,
            reason=reason,
        )
        return Judgement(reading, spans)


def _areas(start_w: int, end_w: int, duration_ms: int) -> tuple[int, int]:
    """Twice the area under the line, (drawn, fed in), in watt milliseconds; rounded down where the sign turns."""
    if start_w >= 0 and end_w >= 0:
        return (start_w + end_w) * duration_ms, 0
    if start_w <= 0 and end_w <= 0:
        return 0, -(start_w + end_w) * duration_ms
    height_w = abs(start_w) + abs(end_w)
    first, second = start_w**2 * duration_ms // height_w, end_w**2 * duration_ms // height_w
    return (first, second) if start_w > 0 else (second, first)
