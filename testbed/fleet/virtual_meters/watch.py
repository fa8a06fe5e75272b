"""The judge of a soak: what was read of a virtual meter against what was true of it.

Four promises are kept or broken for every meter:

    delay      a meter with nothing wrong is read on time, to within one time limit for each neighbour that just died
    truth      no good reading is wrong, and no tradable energy differs from what flowed
    gaps       spans and intervals follow each other without a hole, and silence was reported
    recovery   after every fault there is a good reading again, within `RECOVERY_MS`
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from meter_io.account import Entry, MeterAccount
from meter_io.bus.events import Broken, Failed, Round
from meter_io.guard import GuardParams
from meter_io.intervals import IntervalEnergy
from meter_io.reading import Moment, Quality, Sample, TimeBasis
from meter_io.span import Basis, Instant, Span
from testbed.fleet.virtual_meters.display import WH_J, Display
from testbed.fleet.virtual_meters.household import Flow
from testbed.fleet.virtual_meters.line import LATE_MS
from testbed.fleet.virtual_meters.script import FaultKind, Script

RECOVERY_MS: Final = 900_000
"""Longest back-off of a slave, its patience, and the samples that a guard wants to see."""
_ON_TIME_MS: Final = 400
"""What rounds of healthy neighbours may take before it is a meter's turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A promise that was not kept."""

    promise: str
    meter: str
    at_ms: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.meter} at {self.at_ms / 1_000:,.1f} s: {self.sentence}"


@dataclass(kw_only=True)
class Watch:
    """What one meter did, and what is wrong with that.

    Attributes:
        display: the truth and its accidents.
        port: what goes wrong with the adapter.
        params: of the guard.
        every_ms: from one reading to the next.
        limit_ms: longest wait for an answer.
        breaches: found so far.
        qualities: how many readings had each.
        worst_delay_ms: longest that a reading was overdue with nothing wrong with the meter itself.
        on_entry: told of everything that the account makes of a sample, and when it came.
    """

    display: Display
    port: Script
    params: GuardParams
    account: MeterAccount
    every_ms: int
    limit_ms: int
    on_entry: Callable[[Entry, int], None] | None = None
    breaches: list[Breach] = field(default_factory=list)
    qualities: Counter[Quality] = field(default_factory=Counter)
    worst_delay_ms: int = 0
    intervals: Counter[Basis] = field(default_factory=Counter)
    failures: int = 0
    _last_ms: int | None = None
    _reported_ms: int = -1
    _good_ms: list[int] = field(default_factory=list)
    _last_span: Span | None = None
    _last_interval: int | None = None

    def failed(self, report: Failed | Broken, now_ms: int) -> None:
        """Take note that a round brought nothing."""
        del report
        self.failures += 1
        self._reported_ms = now_ms

    def read(self, report: Round, now_ms: int, neighbours: "list[Watch]") -> None:
        """Judge a round: first as a board would, then against the truth."""
        self._check_delay(now_ms, neighbours)
        self._last_ms = now_ms
        utc_ms = self.display.household.start_ms + now_ms
        moment = Moment(utc_ms=utc_ms, monotonic_ms=now_ms, basis=TimeBasis.RECEIVED)
        said = report.said
        entry = self.account.judge(
            Sample(meter=report.meter, moment=moment, model=said.model, values=said.values)
        )
        if self.on_entry is not None:
            self.on_entry(entry, now_ms)
        self.qualities[entry.reading.quality] += 1
        if entry.reading.quality is Quality.GOOD:
            self._good_ms.append(now_ms)
            self._check_registers((entry.reading.import_j, entry.reading.export_j), now_ms, report.began_ms)
        for span in entry.spans:
            self._check_span(span, now_ms)
        for interval in entry.intervals:
            self._check_interval(interval, now_ms)

    def finish(self, end_ms: int) -> None:
        """Look for faults that were not recovered from."""
        faults = sorted((*self.display.script.faults, *self.port.faults), key=lambda fault: fault.start_ms)
        for place, fault in enumerate(faults):
            over_ms = fault.end_ms
            for later in faults[place + 1 :]:
                if later.start_ms < over_ms + RECOVERY_MS:  # a slave backs off from one into the other
                    over_ms = max(over_ms, later.end_ms)
            if over_ms + RECOVERY_MS > end_ms:
                continue
            if not any(fault.end_ms <= good_ms <= over_ms + RECOVERY_MS for good_ms in self._good_ms):
                self._breach(
                    "recovery", over_ms, f"no good reading in {RECOVERY_MS // 1_000} s after {fault}"
                )

    # -- promises ----------------------------------------------------------------------------------------------------

    def _check_delay(self, now_ms: int, neighbours: "list[Watch]") -> None:
        last_ms = self._last_ms
        if last_ms is None:
            return
        silent_ms = now_ms - last_ms
        if silent_ms > 3 * self.every_ms and not last_ms < self._reported_ms <= now_ms:
            self._breach("gaps", now_ms, f"nothing for {silent_ms} ms, and no failure was reported")
        own = self.display.script.touches(last_ms - self.every_ms, now_ms)
        if own or self.port.touches(last_ms - RECOVERY_MS, now_ms):
            return
        died = sum(one.display.script.touches(last_ms, now_ms) for one in neighbours)
        delay_ms = silent_ms - self.every_ms
        self.worst_delay_ms = max(self.worst_delay_ms, delay_ms)
        allowed_ms = max(1, died) * self.limit_ms + _ON_TIME_MS
        if delay_ms > allowed_ms:
            self._breach("delay", now_ms, f"{delay_ms} ms late with nothing wrong, allowed are {allowed_ms}")

    def _check_registers(self, shown_j: tuple[int | None, int | None], now_ms: int, began_ms: int) -> None:
        """A good reading shows what an honest register held while it was read; a counter may just have frozen."""
        start_ms = self.display.household.start_ms
        if self.display.script.active(FaultKind.LATE, now_ms) is not None:
            began_ms -= LATE_MS  # nobody can tell when a telegram was made that carries no time
        before = self.display.honest(start_ms + began_ms)
        after = self.display.honest(start_ms + now_ms)
        slack_j = self._unnoticed_j(now_ms, now_ms + 1)
        honest = ((before.import_wh, after.import_wh), (before.export_wh, after.export_wh))
        for value_j, (low_wh, high_wh) in zip(shown_j, honest, strict=True):
            if value_j is not None and not low_wh * WH_J - slack_j <= value_j <= high_wh * WH_J:
                self._breach(
                    "truth", now_ms, f"a good reading of {value_j} J, the register held {high_wh * WH_J} J"
                )

    def _check_span(self, span: Span, now_ms: int) -> None:
        if self._last_span is not None and self._last_span.end != span.start:
            self._breach("gaps", now_ms, "two spans do not touch")
        self._last_span = span
        if span.basis is Basis.UNKNOWN:
            return
        slack_j = 2 * WH_J + self._slack_j(span.end)
        slack_j += self._unnoticed_j(self._since_ms(span.start), self._since_ms(span.end))
        for way, (got_j, true_j) in enumerate(
            zip(span.energy_j, self._true_j(span.start, span.end), strict=True)
        ):
            if got_j is not None and got_j > true_j + slack_j:
                self._breach(
                    "truth", now_ms, f"counter {way} booked {got_j} J, {true_j} J flowed ({span.basis.value})"
                )

    def _check_interval(self, interval: IntervalEnergy, now_ms: int) -> None:
        self.intervals[interval.basis] += 1
        if self._last_interval is not None and interval.interval != self._last_interval + 1:
            self._breach("gaps", now_ms, f"interval {interval.interval} follows {self._last_interval}")
        self._last_interval = interval.interval
        if not interval.tradable:
            return
        length_ms = self.account.book.interval_ms
        start = Instant(interval.interval * length_ms, None)
        end = Instant(start.utc_ms + length_ms if start.utc_ms is not None else None, None)
        slack_j = self._slack_j(start) + self._slack_j(end) + 2 * WH_J
        slack_j += self._unnoticed_j(self._since_ms(start), self._since_ms(end))
        for way, (got_j, true_j) in enumerate(zip(interval.energy_j, self._true_j(start, end), strict=True)):
            if got_j is not None and abs(got_j - true_j) > slack_j:
                self._breach(
                    "truth", now_ms, f"counter {way} traded {got_j} J, {true_j} J flowed in an interval"
                )

    # -- truth -------------------------------------------------------------------------------------------------------

    def _flow(self, at: Instant) -> Flow:
        return self.display.household.at(at.utc_ms or 0)

    def _true_j(self, start: Instant, end: Instant) -> tuple[int, int]:
        first, last = self._flow(start), self._flow(end)
        return last.import_j - first.import_j, last.export_j - first.export_j

    def _slack_j(self, at: Instant) -> int:
        """What a straight line instead of the truth, and the time that a round takes, can make of an instant."""
        straight_ms = self.account.book.straight_ms
        around = [
            abs(self.display.household.at((at.utc_ms or 0) + shift_ms).power_w)
            for shift_ms in (-straight_ms, straight_ms)
        ]
        return max(around) * (straight_ms // 4 + self.limit_ms) // 1_000 + WH_J

    def _unnoticed_j(self, start_ms: int, end_ms: int) -> int:
        """What a frozen counter may keep back, before it is noticed, and hand over later: the guard's stated bound."""
        evidence_j = max(self.params.evidence_j(spec) for spec in self.params.counters if spec is not None)
        for fault in self.display.script.faults:
            over_ms = fault.end_ms + 2 * self.every_ms
            if fault.kind is FaultKind.FROZEN and fault.start_ms < end_ms and start_ms < over_ms:
                begin_ms = self.display.household.start_ms
                powers = [
                    abs(self.display.household.at(begin_ms + at_ms).power_w)
                    for at_ms in range(fault.start_ms, over_ms, self.every_ms)
                ]
                return evidence_j + 2 * max(powers) * self.every_ms // 1_000
        return 0

    def _since_ms(self, at: Instant) -> int:
        return (at.utc_ms or 0) - self.display.household.start_ms

    def _breach(self, promise: str, at_ms: int, sentence: str) -> None:
        self.breaches.append(
            Breach(promise=promise, meter=self.account.guard.meter, at_ms=at_ms, sentence=sentence)
        )
