"""Interval energy in joules, out of the spans of one meter.

An interval is `interval_s` long and has the index UTC seconds // `interval_s`; daylight saving does not exist here.

The rule of division: a span [a, b) with e joules has at a time x counted `e * (x - a) // (b - a)` joules, and an
interval receives the difference of that at its two ends. Whole numbers, rounded down at each boundary, what is left
goes to the next interval: over any chain of intervals nothing is lost or made.

| what the interval holds                                             | basis     | traded |
|---------------------------------------------------------------------|-----------|--------|
| measured spans only; those across a boundary at most `straight_ms`  | MEASURED  | yes    |
| any part estimated, or divided over a boundary by a longer span     | ESTIMATED | never  |
| any part of which the energy is unknown, or before the first span   | UNKNOWN   | never  |

A gap whose energy is known is spread evenly, and marked; a gap whose energy is not known gets nothing, and is marked.

Time never runs backwards here. When the board's clock was set back, the energy of a span that ends before what is
settled already is carried until the clock is past it again, and then marked as estimated. A span without UTC times
waits for `clock_trusted`.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from meter_io.reading import MeterId
from meter_io.span import Basis, Pair, Span

MAX_WAITING: Final = 4_096
"""Spans that may wait for the clock; the oldest two are joined when there are more."""
MAX_INTERVALS: Final = 40_000
"""Intervals that one span may cover: more than a year of quarter hours."""
_SET: Final = "the clock was set"
_OTHER_LENGTH: Final = "the length of an interval was changed"
_ORDER: Final = (Basis.MEASURED, Basis.ESTIMATED, Basis.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalEnergy:
    """What one meter counted in one interval.

    Attributes:
        meter: whose.
        interval: index, UTC seconds // interval_s.
        energy_j: (import, export) joules; None where the meter has no such counter.
        basis: how it is known, the worst of its parts.
        covered_ms: how much of the interval has a known energy, milliseconds.
        reason: of the worst part, empty for MEASURED.
    """

    meter: MeterId
    interval: int
    energy_j: Pair
    basis: Basis
    covered_ms: int
    reason: str = ""

    @property
    def tradable(self) -> bool:
        """Whether a trade may be settled with it."""
        return self.basis is Basis.MEASURED


class IntervalBook:
    """The intervals of one meter. Give it every span in order; it returns each interval once, when it is over."""

    def __init__(
        self,
        meter: MeterId,
        *,
        interval_s: int = 900,
        straight_ms: int = 60_000,
        counters: tuple[bool, bool] = (True, True),
    ) -> None:
        """Begin with nothing.

        Args:
            meter: whose spans these will be.
            interval_s: length of an interval, seconds.
            straight_ms: longest span of which the value at a boundary inside it counts as measured.
            counters: whether there is an (import, export) counter.
        """
        if interval_s < 1 or straight_ms < 0:
            raise ValueError("an interval has at least 1 s, and a straight line no negative length")
        self.meter = meter
        self.interval_ms = interval_s * 1_000
        self.straight_ms = straight_ms
        self._none: Pair = (0 if counters[0] else None, 0 if counters[1] else None)
        self._open: IntervalEnergy | None = None
        self._settled_ms: int | None = None
        self._carried = self._none
        self._carried_why = ""
        self._waiting: deque[Span] = deque()

    @property
    def settled_ms(self) -> int | None:
        """Until when everything is known that ever will be, UTC ms; None before the first span."""
        return self._settled_ms

    @property
    def pending_j(self) -> Pair:
        """Energy that is in no finished interval yet: of the open one, carried, or waiting for the clock."""
        total = self._carried if self._open is None else _sum(self._carried, self._open.energy_j)
        for span in self._waiting:
            total = _sum(total, span.energy_j)
        return total

    @property
    def open_interval(self) -> IntervalEnergy | None:
        """The interval that is not over, as far as it is known."""
        return self._open

    @property
    def carried(self) -> tuple[Pair, str]:
        """Energy for which the clock was set back too far, and why it is carried; an empty string if there is none."""
        return self._carried, self._carried_why

    def restore(
        self, *, settled_ms: int | None, carried: tuple[Pair, str], open_interval: IntervalEnergy | None
    ) -> None:
        """Go on where an earlier book stopped: `settled_ms`, `carried` and `open_interval` of then.

        Where intervals were of another length then, what the open one held is carried into the next of today.

        Raises:
            ValueError: this book has begun already, or these do not belong together.
        """
        if self._settled_ms is not None or self._waiting:
            raise ValueError("only a fresh book can be restored")
        self._settled_ms, self._open = settled_ms, open_interval
        self._carried, self._carried_why = carried
        if open_interval is None:
            return
        if settled_ms is None:
            raise ValueError("an interval is open, and nothing is settled")
        if not 0 < settled_ms - open_interval.interval * self.interval_ms < self.interval_ms:
            self._open = None
            self._carried = _sum(self._carried, open_interval.energy_j)
            self._carried_why = self._carried_why or _OTHER_LENGTH

    def add(self, span: Span) -> list[IntervalEnergy]:
        """Take in the next span; returns the intervals that it ends, in order.

        Raises:
            ValueError: the span is another meter's.
        """
        if span.meter != self.meter:
            raise ValueError(f"these are the intervals of {self.meter!r}, got a span of {span.meter!r}")
        if self._waiting or span.start.utc_ms is None or span.end.utc_ms is None:
            self._wait(span)
            return []
        return self._place(span, span.start.utc_ms, span.end.utc_ms)

    def clock_trusted(self, utc_ms: int, monotonic_ms: int) -> list[IntervalEnergy]:
        """Learn the UTC time of spans that were measured without it; returns the intervals that they end."""
        ended: list[IntervalEnergy] = []
        waiting, self._waiting = self._waiting, deque()
        offset_ms = utc_ms - monotonic_ms
        for span in waiting:
            ended += self.add(
                replace(span, start=span.start.stamped(offset_ms), end=span.end.stamped(offset_ms))
            )
        return ended

    # -- placing -----------------------------------------------------------------------------------------------------

    def _wait(self, span: Span) -> None:
        self._waiting.append(span)
        if len(self._waiting) > MAX_WAITING:
            first, second = self._waiting.popleft(), self._waiting.popleft()
            self._waiting.appendleft(
                Span(
                    meter=self.meter,
                    start=first.start,
                    end=second.end,
                    energy_j=_sum(first.energy_j, second.energy_j),
                    basis=max(first.basis, second.basis, Basis.ESTIMATED, key=_ORDER.index),
                    reason=first.reason or second.reason or "too many readings waited for the clock",
                )
            )

    def _place(self, span: Span, start_ms: int, end_ms: int) -> list[IntervalEnergy]:
        """Put a span behind what is settled."""
        ended: list[IntervalEnergy] = []
        settled_ms = start_ms if self._settled_ms is None else self._settled_ms
        if start_ms > settled_ms:
            hole = replace(span, energy_j=self._none, basis=Basis.UNKNOWN, reason="no readings")
            ended += self._divide(hole, settled_ms, start_ms)
            settled_ms = start_ms
        energy = _sum(self._carried, span.energy_j)
        reason = self._carried_why or self._doubt(span, start_ms, end_ms, settled_ms)
        if end_ms <= settled_ms:
            self._carried, self._carried_why, self._settled_ms = energy, reason or _SET, settled_ms
            return ended
        self._carried, self._carried_why, self._settled_ms = self._none, "", end_ms
        if reason and span.basis is Basis.MEASURED:
            span = replace(span, basis=Basis.ESTIMATED, reason=reason)
        return ended + self._divide(replace(span, energy_j=energy), settled_ms, end_ms)

    def _doubt(self, span: Span, start_ms: int, end_ms: int, settled_ms: int) -> str:
        """Why the UTC times of a span are not to be relied on to within `straight_ms`, or an empty string."""
        began, over = span.start.monotonic_ms, span.end.monotonic_ms
        if start_ms < settled_ms:
            return _SET
        if began is None or over is None:
            return ""
        return _SET if abs((end_ms - start_ms) - (over - began)) > self.straight_ms else ""

    def _divide(self, span: Span, start_ms: int, end_ms: int) -> list[IntervalEnergy]:
        """Give each interval its share of a span; returns those that are over."""
        ended: list[IntervalEnergy] = []
        first, last = start_ms // self.interval_ms, (end_ms - 1) // self.interval_ms
        if last - first > MAX_INTERVALS:
            first = last - MAX_INTERVALS  # before that, everything goes to the first of them
            if self._open is not None:
                ended.append(self._finished(self._open))
                self._open = None
        if span.basis is Basis.MEASURED and first != last and end_ms - start_ms > self.straight_ms:
            span = replace(span, basis=Basis.ESTIMATED, reason="divided within a long time without readings")
        for interval in range(first, last + 1):
            begin_ms = start_ms if interval == first else interval * self.interval_ms
            until_ms = min(end_ms, (interval + 1) * self.interval_ms)
            share = _share(span.energy_j, begin_ms - start_ms, until_ms - start_ms, end_ms - start_ms)
            within_ms = min(until_ms - begin_ms, self.interval_ms)
            self._open = self._filled(interval, replace(span, energy_j=share), within_ms)
            if until_ms == (interval + 1) * self.interval_ms:
                ended.append(self._finished(self._open))
                self._open = None
        return ended

    def _filled(self, interval: int, part: Span, duration_ms: int) -> IntervalEnergy:
        """The open interval with one more part."""
        current = self._open or IntervalEnergy(
            meter=self.meter, interval=interval, energy_j=self._none, basis=Basis.MEASURED, covered_ms=0
        )
        worse = _ORDER.index(part.basis) > _ORDER.index(current.basis)
        return replace(
            current,
            energy_j=_sum(current.energy_j, part.energy_j),
            basis=part.basis if worse else current.basis,
            reason=part.reason if worse else current.reason,
            covered_ms=current.covered_ms + (0 if part.basis is Basis.UNKNOWN else duration_ms),
        )

    def _finished(self, interval: IntervalEnergy) -> IntervalEnergy:
        """What is handed out: an interval of which a part is missing is not measured."""
        if interval.basis is Basis.UNKNOWN or interval.covered_ms >= self.interval_ms:
            return interval
        return replace(interval, basis=Basis.UNKNOWN, reason="begins before the first reading")


def _sum(left: Pair, right: Pair) -> Pair:
    """Add energies; a counter that one of them does not know counts as it stands."""
    import_j, export_j = (
        None if a is None and b is None else (a or 0) + (b or 0) for a, b in zip(left, right, strict=True)
    )
    return import_j, export_j


def _share(energy: Pair, begin_ms: int, until_ms: int, length_ms: int) -> Pair:
    """The part of an energy between two times of a span, by the rule of division."""
    import_j, export_j = (
        None if total is None else total * until_ms // length_ms - total * begin_ms // length_ms
        for total in energy
    )
    return import_j, export_j
