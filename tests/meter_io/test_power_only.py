"""Energy of a meter that has no counter: a sum over power, and never more than an estimate."""

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.intervals import IntervalBook
from meter_io.power_only import PowerIntegrator
from meter_io.reading import MeterId, Quality, TimeBasis
from meter_io.span import Basis, Instant
from tests.meter_io.samples import METER, START_MS, facts, moment, sample


def test_the_trapezoid_and_what_is_left_of_a_joule() -> None:
    integrator = PowerIntegrator(METER)
    assert integrator.judge(sample(0, None, power_w="100")).reading.quality is Quality.FIRST
    judged = integrator.judge(sample(10, None, power_w="201"))
    assert judged.reading.quality is Quality.GOOD
    assert judged.reading.import_j is None
    assert facts(judged.spans) == [((1_505, 0), Basis.ESTIMATED)]
    small = [integrator.judge(sample(10 + n / 10, None, power_w="5")) for n in range(1, 11)]
    assert [judgement.spans[0].energy_j[0] for judgement in small][1:] == [0, 1, 0, 1, 0, 1, 0, 1, 0]


def test_where_the_sign_turns_both_sides_count() -> None:
    integrator = PowerIntegrator(METER)
    integrator.judge(sample(0, None, power_w="300"))
    down = integrator.judge(sample(40, None, power_w="-100"))
    assert facts(down.spans) == [((4_500, 500), Basis.ESTIMATED)]
    up = integrator.judge(sample(80, None, power_w="300"))
    assert facts(up.spans) == [((4_500, 500), Basis.ESTIMATED)]


def test_a_gap_is_unknown_and_everything_else_is_said() -> None:
    integrator = PowerIntegrator(METER)
    integrator.judge(sample(0, None, power_w="300"))
    assert integrator.judge(sample(10, None)).reading.quality is Quality.INCOMPLETE
    assert integrator.judge(sample(0, None, power_w="5")).reading.quality is Quality.STALE
    gap = integrator.judge(sample(61, None, power_w="300"))
    assert facts(gap.spans) == [((None, None), Basis.UNKNOWN)]
    assert gap.spans[0].reason == "no power for 61 s"
    with pytest.raises(ValueError, match="sums up 'house'"):
        PowerIntegrator(MeterId("house")).judge(
            sample(0, None, power_w="1").__class__(meter=MeterId("pv"), moment=moment(0), model="", values={})
        )
    with pytest.raises(ValueError, match="at least 1 ms"):
        PowerIntegrator(METER, straight_ms=0)


def test_it_is_never_tradable() -> None:
    integrator, book = PowerIntegrator(METER), IntervalBook(METER)
    ended = []
    for n in range(200):
        for span in integrator.judge(sample(10 * n, None, power_w="360")).spans:
            ended += book.add(span)
    assert [(interval.energy_j, interval.tradable) for interval in ended] == [((324_000, 0), False)] * 2


def test_samples_before_the_clock_was_trusted() -> None:
    integrator = PowerIntegrator(METER)
    integrator.clock_trusted(START_MS, 0)
    integrator.judge(sample(0, None, power_w="100", when=moment(5_000, TimeBasis.MONOTONIC)))
    integrator.clock_trusted(START_MS + 6_000, 6_000)
    judged = integrator.judge(sample(10, None, power_w="100"))
    assert judged.spans[0].start == Instant(START_MS + 5_000, 5_000)


@given(st.integers(0, 1 << 64))
def test_against_exact_fractions(seed: int) -> None:
    """The sum is the exact area under the straight lines, short of less than a joule for each turn of the sign."""
    chance = random.Random(seed)
    integrator = PowerIntegrator(METER)
    at_ms, step_ms, before = 0, 0, None
    exact, got, turns = [Fraction(0), Fraction(0)], [0, 0], 1
    for _ in range(50):
        power_w = chance.choice((0, 7, -7, 3_333, -11_111, 25_000))
        judged = integrator.judge(sample(at_ms / 1_000, None, power_w=str(Decimal(power_w))))
        for span in judged.spans:
            got = [a + (b or 0) for a, b in zip(got, span.energy_j, strict=True)]
        if before is not None:
            turns += before * power_w < 0
            seconds = Fraction(step_ms, 1_000)
            for way, sign in enumerate((1, -1)):
                a, b = before * sign, power_w * sign
                if a * b < 0:
                    exact[way] += Fraction(max(a, b) ** 2, abs(a) + abs(b)) * seconds / 2
                else:
                    exact[way] += Fraction(max(0, a) + max(0, b), 2) * seconds
        assert all(0 <= e - g < 1 + Fraction(turns, 1_000) for e, g in zip(exact, got, strict=True))
        step_ms = chance.choice((1, 999, 10_000, 60_000))
        at_ms += step_ms
        before = power_w
