"""Random true counters with injected accidents: what is booked stays within the stated bound, and is right again.

Two worlds. In the first the meter counts rightly and says something wrong now and then, for fewer samples in a row than
a new base takes. In the second its register itself begins again or goes round. Guards that are broken in the ways of
other runtimes are run through the same worlds, and must be found out.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meter_io.guard import CounterGuard, CounterSpec, GuardParams, Judgement, most_overbooked_j
from meter_io.guard.state import Candidate, GuardState
from meter_io.guard.steps import DECISIONS, Step
from meter_io.obis import IMPORT_TOTAL
from meter_io.reading import Quality, Sample
from meter_io.span import Instant, Pair, Span
from tests.meter_io.samples import METER, booked_j, joules, tiled

WH = 3_600
PARAMS = GuardParams(connection_w=36_000)
LONGEST_MS = 20_000
TAIL = 300
"""Honest samples at the end, so that even the largest error that can be believed has been caught up with."""


@dataclass(frozen=True)
class Poll:
    """One sample: when, the true total, and what the meter says instead of it (None: nothing at all)."""

    at_ms: int
    true_j: int
    said_j: int | None


def wrong_value(chance: random.Random, true_j: int) -> int | None:
    """An accident, of the kinds that were published and some more."""
    kinds: tuple[int | None, ...] = (
        None,
        0,
        chance.randrange(200 * WH),
        max(0, true_j - chance.randrange(1, 400 * WH)),
        true_j + chance.randrange(1, 400 * WH),
        true_j * chance.choice((10, 100, 1_000)),
        true_j // chance.choice((10, 100, 1_000)),
        chance.choice((0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF)) * WH,
        chance.randrange(2 * true_j + 1),
    )
    return chance.choice(kinds)


def honest_meter(chance: random.Random, polls: int) -> Iterator[Poll]:
    """A meter that counts rightly, and does not always say so."""
    at_ms, true_j = 0, chance.choice((0, 500 * WH, 413_500 * WH, 81_250_000 * WH))
    wrong = 0
    for n in range(polls + TAIL):
        yield Poll(at_ms, true_j, wrong_value(chance, true_j) if wrong else true_j)
        if wrong:
            wrong -= 1
        elif n < polls and chance.random() < 0.1:
            wrong = chance.randint(1, PARAMS.confirm - 1)
        step_ms = chance.randint(LONGEST_MS // 2, LONGEST_MS)
        at_ms += step_ms
        flow_w = chance.choice((0, 1_000, PARAMS.connection_w // 8)) if n < polls else 4_000
        true_j += flow_w * step_ms // 1_000


def as_sample(poll: Poll) -> Sample:
    """What the guard gets."""
    sample = joules(poll.at_ms, poll.said_j or 0)
    return replace(sample, values={}) if poll.said_j is None else sample


def check_honest_meter(guard: CounterGuard, seed: int) -> None:
    """The bound at every moment, and the sum once all accidents are over."""
    polls = list(honest_meter(random.Random(seed), 60))
    spans: list[Span] = []
    allowed_j = booked_ms = 0
    judged: Judgement | None = None
    for poll in polls:
        judged = guard.judge(as_sample(poll))
        spans += judged.spans
        if judged.spans:
            if (
                poll.said_j != poll.true_j
            ):  # the stated bound: what the connection carries since the last booking
                allowed_j += guard.params.most_j(PLAIN, poll.at_ms - booked_ms)
            booked_ms = poll.at_ms
        assert booked_j(spans) <= poll.true_j - polls[0].true_j + allowed_j
    assert judged is not None
    assert judged.reading.quality is Quality.GOOD
    assert booked_j(spans) == polls[-1].true_j - polls[0].true_j
    assert tiled(spans)


PLAIN = CounterSpec(codes=(IMPORT_TOTAL,))
ROUND_J = 65_536 * WH
ROUND = GuardParams(
    connection_w=36_000, counters=(CounterSpec(codes=(IMPORT_TOTAL,), modulus_j=ROUND_J), None)
)


def check_mortal_register(guard: CounterGuard, seed: int) -> None:
    """A register that goes round at 16 bits and is reset now and then: only what flowed across a reset is missing."""
    chance = random.Random(seed)
    at_ms, true_j, zero_j, lost_j = 0, 64_000 * WH, 0, 0
    first_j = true_j
    spans: list[Span] = []
    resets = chance.sample(range(200, 400), 2)
    judged = guard.judge(joules(at_ms, true_j % ROUND_J))
    for n in range(450):
        step_ms = chance.randint(LONGEST_MS // 2, LONGEST_MS)
        flowed_j = chance.randint(WH, 9_000 * step_ms // 1_000)
        at_ms += step_ms
        true_j += flowed_j
        shown_j = (true_j - zero_j) % ROUND_J
        if (
            n in resets and 3_100 * WH < shown_j < ROUND_J // 2
        ):  # elsewhere: see the tests of what is ambiguous
            zero_j = true_j
            lost_j += flowed_j
        judged = guard.judge(joules(at_ms, (true_j - zero_j) % ROUND_J))
        spans += judged.spans
        if judged.spans:
            assert booked_j(spans) == true_j - first_j - lost_j
        assert booked_j(spans) <= true_j - first_j
    assert judged.reading.quality is Quality.GOOD
    assert tiled(spans)


@settings(max_examples=60)
@given(st.integers(0, 1 << 64))
def test_nothing_wrong_is_booked_and_nothing_right_is_lost(seed: int) -> None:
    check_honest_meter(CounterGuard(METER, PARAMS), seed)


@settings(max_examples=40)
@given(st.integers(0, 1 << 64))
def test_a_register_that_begins_again(seed: int) -> None:
    check_mortal_register(CounterGuard(METER, ROUND), seed)


@settings(max_examples=20)
@given(st.integers(0, 1 << 64))
def test_storing_and_restoring_between_any_two_samples_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    polls = list(honest_meter(chance, 40))
    straight, broken = CounterGuard(METER, PARAMS), CounterGuard(METER, PARAMS)
    for poll in polls:
        if chance.random() < 0.3:
            broken = CounterGuard(METER, PARAMS, broken.dump())
        left, right = (guard.judge(as_sample(poll)) for guard in (straight, broken))
        assert left.reading == right.reading
        assert [(span.energy_j, span.basis) for span in left.spans] == [
            (span.energy_j, span.basis) for span in right.spans
        ]


def test_a_reset_just_before_the_end_of_a_counter_costs_at_most_the_bound() -> None:
    """It looks like a roll-over, and is booked as one: by less than can have flowed."""
    guard = CounterGuard(METER, ROUND)
    values = [ROUND_J - 100 * WH, ROUND_J - 90 * WH, 0, 10 * WH, 20 * WH, 30 * WH]
    spans = [span for n, j in enumerate(values) for span in guard.judge(joules(10_000 * n, j)).spans]
    counted_j = 10 * WH + 30 * WH
    assert booked_j(spans) - counted_j == 90 * WH
    assert most_overbooked_j(ROUND, PLAIN, 10_000) >= 90 * WH


# -- broken guards -----------------------------------------------------------------------------------------------------


class Misreads(CounterGuard):
    """Takes some steps for others."""

    taken_for: ClassVar[Mapping[Step, Step]] = {}

    def _steps(self, state: GuardState, values_j: Pair, at: Instant) -> tuple[Step, Step]:
        import_step, export_step = super()._steps(state, values_j, at)
        return self.taken_for.get(import_step, import_step), export_step


class EveryRiseIsTrue(Misreads):
    """Knows no connection limit."""

    taken_for: ClassVar[Mapping[Step, Step]] = {Step.IMPOSSIBLE: Step.PLAUSIBLE}


class RollsOverAnywhere(Misreads):
    """Takes every fall for a roll-over."""

    taken_for: ClassVar[Mapping[Step, Step]] = dict.fromkeys(
        (Step.NEAR_ZERO, Step.LARGE_BACK, Step.SMALL_BACK), Step.ROLLED
    )


class NeverRollsOver(Misreads):
    """Books a roll-over as a reset, though its profile says better: loses energy."""

    taken_for: ClassVar[Mapping[Step, Step]] = {Step.ROLLED: Step.NEAR_ZERO}


class FallsAreNewBases(CounterGuard):
    """Follows a counter down at once, and books its way up again: `total_increasing` elsewhere."""

    def judge(self, sample: Sample) -> Judgement:
        judged = super().judge(sample)
        if judged.reading.quality in (Quality.FALSE_ZERO, Quality.BACK_STEP):
            self.accept()
            super().judge(sample)
        return judged


class JumpsAreBelievedAfterFalls(FallsAreNewBases, EveryRiseIsTrue):
    """Both: the way back from a false zero is booked as consumption."""


class OneSampleProves(CounterGuard):
    """Gives a counter its new base at once."""

    def _is_confirmed(self, candidate: Candidate, steps: tuple[Step, Step]) -> bool:
        return DECISIONS[candidate.steps[0]].confirmed is not None


World = Callable[[CounterGuard, int], None]


@pytest.mark.parametrize(
    ("broken", "params", "world"),
    [
        (EveryRiseIsTrue, PARAMS, check_honest_meter),
        (FallsAreNewBases, PARAMS, check_honest_meter),
        (JumpsAreBelievedAfterFalls, PARAMS, check_honest_meter),
        (OneSampleProves, PARAMS, check_honest_meter),
        (RollsOverAnywhere, ROUND, check_mortal_register),
        (NeverRollsOver, ROUND, check_mortal_register),
    ],
)
def test_broken_guards_are_found_out(broken: type[CounterGuard], params: GuardParams, world: World) -> None:
    def survives(seed: int) -> bool:
        try:
            world(broken(METER, params), seed)
        except AssertionError:
            return False
        return True

    assert not all(survives(seed) for seed in range(20))


def test_the_worlds_hold_what_they_are_meant_to() -> None:
    """Accidents of many kinds happen, and none is longer than what a new base takes."""
    seen: set[Quality] = set()
    for seed in range(20):
        polls = list(honest_meter(random.Random(seed), 60))
        wrong = [poll.said_j != poll.true_j for poll in polls]
        assert not any(all(run) for run in zip(wrong, wrong[1:], wrong[2:], strict=False))
        assert all(later.true_j >= earlier.true_j for earlier, later in pairwise(polls))
        guard = CounterGuard(METER, PARAMS)
        seen |= {guard.judge(as_sample(poll)).reading.quality for poll in polls}
    accidents = {
        Quality.FALSE_ZERO,
        Quality.BACK_STEP,
        Quality.JUMP,
        Quality.UNIT_CHANGED,
        Quality.INCOMPLETE,
    }
    assert accidents <= seen
