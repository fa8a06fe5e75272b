"""The counter guard: from what a meter said to what is believed of it. One guard for each meter; no I/O, no clock.

What each step of a counter means and what is decided stands in the tables of `steps` and `crosscheck`. The order of
the questions, and the first one answered decides:

| question                                              | if so        | base             |
|-------------------------------------------------------|--------------|------------------|
| is a promised value missing, or not a number?         | INCOMPLETE   | stays            |
| is there no base yet?                                 | FIRST        | this sample      |
| is it as old as, or older than, the last sample?      | STALE        | stays            |
| does it continue samples that are held back?          | held as they | stays, until confirmed |
| does a counter not fit the base?                      | its step's   | stays            |
| does power say that a counter stands?                 | FROZEN       | stays            |
| do power and counters disagree about the direction?   | WRONG_SIGN   | this sample, the span is unknown |
| none of these                                         | GOOD         | this sample      |

The bound. A single wrong sample that looks plausible is believed; it books at most `GuardParams.most_j` of the time
since the base, and what it books too much is missing from the next good readings, so that the sum is right again once
the true counter has caught up. Nothing else is ever booked beyond what the counter counted.
"""

from dataclasses import replace
from typing import NamedTuple

from meter_io.guard.crosscheck import CrossCheck
from meter_io.guard.measure import Measured, measure, phases_of
from meter_io.guard.params import CounterSpec, GuardParams
from meter_io.guard.state import Base, Candidate, GuardState, dump, load
from meter_io.guard.steps import DECISIONS, Step, classify, energy_j, worst
from meter_io.reading import MeterId, Quality, Reading, Sample, TimeBasis
from meter_io.span import Basis, Instant, Pair, Span, elapsed_ms

_NAMES = ("import", "export")
_PACE = 4
"""By how much the energy between two held samples may exceed what their power says, besides the evidence."""
_FITS = (Step.PLAUSIBLE, Step.PLAUSIBLE)
_BELOW = frozenset(Step) - {Step.UNCONFIRMED, Step.UNTIMED, Step.SCALED, Step.IMPOSSIBLE}
_REACHES = frozenset((Step.PLAUSIBLE, Step.UNCONFIRMED))


class Judgement(NamedTuple):
    """What became of a sample.

    Attributes:
        reading: the sample, judged.
        spans: the time that it settles, in order; empty while it is held back.
    """

    reading: Reading
    spans: tuple[Span, ...] = ()


class CounterGuard:
    """Judges the samples of one meter in the order in which they arrive."""

    def __init__(self, meter: MeterId, params: GuardParams, stored: bytes | None = None) -> None:
        """Begin with no history, or with what `dump` returned before the board's last start.

        Raises:
            GuardStateError: `stored` is damaged.
        """
        self.meter = meter
        self.params = params
        self._state = None if stored is None else load(stored)
        self._latest_basis: TimeBasis | None = None
        if self._state is not None and not self._same_counters(self._state.base.values_j):
            self._state = None  # another profile: its counters are not those that were stored

    def dump(self) -> bytes | None:
        """Return what to store, at most `MAX_STATE_BYTES`; None before the first reading."""
        return None if self._state is None else dump(self._state)

    def clock_trusted(self, utc_ms: int, monotonic_ms: int) -> None:
        """Learn that the board's clock can be trusted from now on: what was timed without it gets its UTC time."""
        if self._state is not None:
            self._state = self._state.stamped(utc_ms - monotonic_ms)

    def accept(self) -> None:
        """Take the next reading for a first one: somebody confirmed a new meter, or a new scale."""
        self._state = None

    def judge(self, sample: Sample) -> Judgement:
        """Judge the next sample.

        Raises:
            ValueError: the sample is another meter's.
        """
        if sample.meter != self.meter:
            raise ValueError(f"this guard watches {self.meter!r}, got a sample of {sample.meter!r}")
        measured = measure(sample, self.params)
        at = Instant.of(sample.moment)
        state = self._state
        if measured.missing:
            return self._held(sample, measured, Quality.INCOMPLETE, measured.missing)
        if state is None:
            self._rebase(measured, at)
            reason = "no earlier reading to judge by: its counters are the base"
            return self._reading(sample, measured, Quality.FIRST, reason)
        if self._is_stale(state, at, sample.moment.basis):
            return self._held(sample, measured, Quality.STALE, "not newer than what is known already")
        self._latest_basis = sample.moment.basis
        steps = self._steps(state, measured.values_j, at)
        power_w = _whole_w(measured)
        candidate = self._continued(state.candidate, measured.values_j, power_w, at)
        if candidate is not None and not _came_back(candidate, steps):
            return self._hold(sample, measured, state, candidate, steps)
        if steps != _FITS:
            fresh = Candidate(
                steps=steps,
                first_j=measured.values_j,
                first_at=at,
                last_j=measured.values_j,
                last_at=at,
                power_w=power_w,
                count=1,
            )
            return self._hold(sample, measured, state, fresh, steps)
        return self._cross_check(sample, measured, state)

    # -- questions ---------------------------------------------------------------------------------------------------

    def _same_counters(self, values_j: Pair) -> bool:
        return [value is None for value in values_j] == [spec is None for spec in self.params.counters]

    def _is_stale(self, state: GuardState, at: Instant, basis: TimeBasis) -> bool:
        """Whether a sample brings nothing new: handed over out of order, or a telegram of a time that is past.

        Only a meter's own time makes a telegram late: ours is that of its arrival, and goes back when the board's clock
        is set.
        """
        latest = state.check.at if state.candidate is None else state.candidate.last_at
        if latest.monotonic_ms is not None and at.monotonic_ms is not None:
            if at.monotonic_ms <= latest.monotonic_ms:
                return True
            if not basis is self._latest_basis is TimeBasis.METER:
                return False
        return at.utc_ms is not None and latest.utc_ms is not None and at.utc_ms <= latest.utc_ms

    def _steps(self, state: GuardState, values_j: Pair, at: Instant) -> tuple[Step, Step]:
        since = state.base.at
        finding = state.check.finding(self.params)
        if finding is not None and finding.quality is Quality.FROZEN:
            since = finding.since  # it may have stood, unnoticed, for longer than the base is old
        elapsed = elapsed_ms(since, at, self.params.jitter_ms)
        steps = [
            Step.PLAUSIBLE
            if base_j is None or value_j is None or counter is None
            else classify(
                base_j,
                value_j,
                elapsed,
                counter,
                self.params,
                risen_j=state.base.risen_j(way, self.params.confirm),
            )
            for way, (base_j, value_j, counter) in enumerate(
                zip(state.base.values_j, values_j, self.params.counters, strict=True)
            )
        ]
        return steps[0], steps[1]

    def _continued(
        self, candidate: Candidate | None, values_j: Pair, power_w: int | None, at: Instant
    ) -> Candidate | None:
        """The candidate with one more sample, if this one agrees with it in every counter, and with its power."""
        if candidate is None:
            return None
        elapsed = elapsed_ms(candidate.last_at, at, self.params.jitter_ms)
        if elapsed is None or elapsed > self.params.trust_gap_ms:
            return None
        for last_j, value_j, counter in zip(candidate.last_j, values_j, self.params.counters, strict=True):
            if last_j is None or value_j is None or counter is None:
                continue
            most_j = self.params.most_j(counter, elapsed)
            if candidate.power_w is not None and power_w is not None:
                # a register in another scale grows at another pace than power says
                paced_j = _PACE * max(abs(candidate.power_w), abs(power_w)) * elapsed // 1_000
                most_j = min(most_j, paced_j + self.params.evidence_j(counter))
            if not 0 <= value_j - last_j <= most_j:
                return None
        return replace(candidate, last_j=values_j, last_at=at, power_w=power_w, count=candidate.count + 1)

    def _is_confirmed(self, candidate: Candidate, steps: tuple[Step, Step]) -> bool:
        """Whether enough samples agree, and a counter in question has moved: one that stands proves no new base.

        The latest sample has to be worth it on its own (`steps`): the first may have been a wrong one, from which
        right ones happened to go on.
        """
        suspects = [way for way, step in enumerate(candidate.steps) if step not in _REACHES]
        return (
            candidate.count >= self.params.confirm
            and all(DECISIONS[step].confirmed is not None for step in (*candidate.steps, *steps))
            and (not suspects or any(_grew(candidate, way) for way in suspects))
        )

    # -- answers -----------------------------------------------------------------------------------------------------

    def _cross_check(self, sample: Sample, measured: Measured, state: GuardState) -> Judgement:
        """Every counter fits the base; now power has its say."""
        base, at = state.base, Instant.of(sample.moment)
        check = state.check.after(measured.values_j, _whole_w(measured), at, self.params)
        finding = check.finding(self.params)
        if finding is not None and finding.quality is Quality.FROZEN:
            self._state = GuardState(base=base, check=check)
            return self._reading(sample, measured, Quality.FROZEN, finding.reason)
        self._state = GuardState(base=base.next(measured.values_j, at, self.params.confirm), check=check)
        if finding is not None:
            span = self._span(base.at, at, (None, None), Basis.UNKNOWN, finding.reason)
            return self._reading(sample, measured, finding.quality, finding.reason, span)
        energy = self._difference(_FITS, base.values_j, measured.values_j)
        stood = base.at != state.check.at
        span = (
            self._span(base.at, at, energy, Basis.ESTIMATED, "the counter stood for a part of it")
            if stood
            else self._span(base.at, at, energy, Basis.MEASURED, "")
        )
        return self._reading(sample, measured, Quality.GOOD, "", span)

    def _hold(
        self,
        sample: Sample,
        measured: Measured,
        state: GuardState,
        candidate: Candidate,
        steps: tuple[Step, Step],
    ) -> Judgement:
        """Samples that do not fit the base: hold this one back, or confirm them all."""
        step = worst(candidate.steps)
        way = candidate.steps.index(step)
        decision = DECISIONS[step]
        what = f"the {_NAMES[way]} counter {decision.words}"
        if decision.confirmed is None or not self._is_confirmed(candidate, steps):
            self._state = GuardState(base=state.base, check=state.check, candidate=candidate)
            reason = (
                f"{what}: {_kwh(candidate.first_j[way])} after {_kwh(state.base.values_j[way])}, held back"
            )
            return self._held(sample, measured, decision.held, reason, candidate.steps)
        spans = self._settle(state.base, candidate, what)
        self._rebase(measured, candidate.last_at)
        reason = f"{what}: {candidate.count} samples agree, it counts on from {_kwh(measured.values_j[way])}"
        return self._reading(sample, measured, decision.confirmed, reason, *spans)

    def _settle(self, base: Base, candidate: Candidate, reason: str) -> tuple[Span, ...]:
        """Book a confirmed candidate: up to its first sample what its steps tell, from there what it counted."""
        if all(DECISIONS[step].energy_known for step in candidate.steps):
            energy = self._difference(candidate.steps, base.values_j, candidate.last_j)
            return (self._span(base.at, candidate.last_at, energy, Basis.ESTIMATED, reason),)
        before = self._difference(candidate.steps, base.values_j, candidate.first_j)
        after = self._difference(_FITS, candidate.first_j, candidate.last_j)
        return (
            self._span(base.at, candidate.first_at, before, Basis.UNKNOWN, reason),
            self._span(candidate.first_at, candidate.last_at, after, Basis.ESTIMATED, reason),
        )

    def _difference(self, steps: tuple[Step, Step], from_j: Pair, to_j: Pair) -> Pair:
        import_j, export_j = (
            None
            if before is None or after is None or counter is None
            else energy_j(step, before, after, counter)
            for step, before, after, counter in zip(steps, from_j, to_j, self.params.counters, strict=True)
        )
        return import_j, export_j

    def _rebase(self, measured: Measured, at: Instant) -> None:
        self._state = GuardState(
            base=Base(values_j=measured.values_j, at=at),
            check=CrossCheck(values_j=measured.values_j, power_w=_whole_w(measured), at=at),
        )

    def _span(self, start: Instant, end: Instant, energy: Pair, basis: Basis, reason: str) -> Span:
        return Span(meter=self.meter, start=start, end=end, energy_j=energy, basis=basis, reason=reason)

    def _held(
        self,
        sample: Sample,
        measured: Measured,
        quality: Quality,
        reason: str,
        steps: tuple[Step | None, Step | None] = (None, None),
    ) -> Judgement:
        """A reading that shows only the counters that are not in question."""
        import_j, export_j = (
            value_j if step is Step.PLAUSIBLE else None
            for value_j, step in zip(measured.values_j, steps, strict=True)
        )
        shown = measured._replace(values_j=(import_j, export_j))
        return self._reading(sample, shown, quality, reason)

    def _reading(
        self, sample: Sample, measured: Measured, quality: Quality, reason: str, *spans: Span
    ) -> Judgement:
        import_j, export_j = measured.values_j
        reading = Reading(
            meter=self.meter,
            moment=sample.moment,
            import_j=import_j,
            export_j=export_j,
            power_w=measured.power_w,
            phases=phases_of(sample),
            quality=quality,
            reason=reason,
        )
        return Judgement(reading, spans)


def most_overbooked_j(params: GuardParams, counter: CounterSpec, longest_gap_ms: int) -> int:
    """The stated bound: what one wrong sample can book too much where samples are at most this far apart, joules."""
    return params.most_j(counter, min(longest_gap_ms, params.trust_gap_ms))


def _whole_w(measured: Measured) -> int | None:
    return None if measured.power_w is None else int(measured.power_w)


def _grew(candidate: Candidate, way: int) -> bool:
    return (candidate.last_j[way] or 0) > (candidate.first_j[way] or 0)


def _came_back(candidate: Candidate, steps: tuple[Step, Step]) -> bool:
    """Whether samples that were below the base have reached it again: they grew up to it, they did not replace it."""
    return _BELOW.issuperset(candidate.steps) and _REACHES.issuperset(steps)


def _kwh(value_j: int | None) -> str:
    return "nothing" if value_j is None else f"{value_j // 3_600_000}.{value_j % 3_600_000 // 3_600:03d} kWh"
