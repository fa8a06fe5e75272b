"""Interval energy: exact division, gaps, clocks, and not a joule lost or made."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.intervals import MAX_INTERVALS, MAX_WAITING, IntervalBook, IntervalEnergy
from meter_io.reading import MeterId
from meter_io.span import Basis, Instant, Pair, Span, elapsed_ms
from tests.meter_io.samples import METER, START_MS

QUARTER_MS = 900_000
FIRST = START_MS // QUARTER_MS


def span(
    start_ms: int,
    end_ms: int,
    energy: Pair = (0, 0),
    basis: Basis = Basis.MEASURED,
    *,
    monotonic_ms: tuple[int | None, int | None] | None = None,
) -> Span:
    """A span of UTC times counted from `START_MS`, on a monotonic clock that agrees unless it is given."""
    began, over = (start_ms, end_ms) if monotonic_ms is None else monotonic_ms
    return Span(
        meter=METER,
        start=Instant(START_MS + start_ms, began),
        end=Instant(START_MS + end_ms, over),
        energy_j=energy,
        basis=basis,
        reason="" if basis is Basis.MEASURED else "because",
    )


def shown(ended: list[IntervalEnergy]) -> list[tuple[int, Pair, Basis]]:
    """What is asserted of intervals most often."""
    return [(interval.interval - FIRST, interval.energy_j, interval.basis) for interval in ended]


def add_all(book: IntervalBook, *spans: Span) -> list[IntervalEnergy]:
    """Add spans in order."""
    return [interval for one in spans for interval in book.add(one)]


def test_an_interval_of_whole_spans() -> None:
    book = IntervalBook(METER)
    assert book.add(span(0, 400_000, (700, 30))) == []
    assert book.pending_j == (700, 30)
    ended = book.add(span(400_000, 900_000, (11, 0)))
    assert ended == [
        IntervalEnergy(
            meter=METER, interval=FIRST, energy_j=(711, 30), basis=Basis.MEASURED, covered_ms=QUARTER_MS
        )
    ]
    assert ended[0].tradable
    assert book.pending_j == (0, 0)
    assert book.settled_ms == START_MS + QUARTER_MS


def test_a_boundary_divides_by_time_rounded_down() -> None:
    book = IntervalBook(METER)
    ended = add_all(book, span(0, 880_000), span(880_000, 910_000, (100, 1)), span(910_000, 1_800_000))
    # two thirds of 100 are 66 before the boundary; of 1 there is nothing before it
    assert shown(ended) == [(0, (66, 0), Basis.MEASURED), (1, (34, 1), Basis.MEASURED)]


def test_a_long_way_over_a_boundary_is_an_estimate() -> None:
    for length_ms, basis in [(60_000, Basis.MEASURED), (60_001, Basis.ESTIMATED)]:
        book = IntervalBook(METER)
        ended = add_all(book, span(0, 890_000), span(890_000, 890_000 + length_ms, (60, 0)))
        assert [interval.basis for interval in ended] == [basis]
        assert ended[0].tradable == (basis is Basis.MEASURED)


def test_a_gap_of_known_energy_is_spread_and_marked() -> None:
    book = IntervalBook(METER)
    gap = span(450_000, 3_150_000, (3_000, 7), Basis.ESTIMATED)
    ended = add_all(book, span(0, 450_000, (40, 0)), gap, span(3_150_000, 4_500_000, (9, 0)))
    assert shown(ended) == [
        (0, (540, 1), Basis.ESTIMATED),
        (1, (1_000, 2), Basis.ESTIMATED),
        (2, (1_000, 2), Basis.ESTIMATED),
        (3, (500 + 3, 2), Basis.ESTIMATED),
        (4, (6, 0), Basis.ESTIMATED),
    ]
    assert not any(interval.tradable for interval in ended)
    assert ended[0].reason == "because"


def test_a_gap_of_unknown_energy_gets_nothing_and_is_marked() -> None:
    book = IntervalBook(METER)
    gap = span(450_000, 1_350_000, (None, 5), Basis.UNKNOWN)
    ended = add_all(book, span(0, 450_000, (40, 0)), gap, span(1_350_000, 1_800_000, (9, 0)))
    assert shown(ended) == [(0, (40, 2), Basis.UNKNOWN), (1, (9, 3), Basis.UNKNOWN)]
    assert [interval.covered_ms for interval in ended] == [450_000, 450_000]


def test_the_interval_in_which_it_all_began_is_not_complete() -> None:
    book = IntervalBook(METER)
    ended = add_all(book, span(1_000, 900_000, (40, 0)), span(900_000, 1_800_000, (50, 0)))
    assert shown(ended) == [(0, (40, 0), Basis.UNKNOWN), (1, (50, 0), Basis.MEASURED)]
    assert ended[0].reason == "begins before the first reading"


def test_a_hole_between_spans_is_seen() -> None:
    """Spans touch each other, unless the guard began anew."""
    book = IntervalBook(METER)
    ended = add_all(book, span(0, 450_000, (40, 0)), span(1_000_000, 2_700_000, (9, 0)))
    assert [interval.basis for interval in ended] == [Basis.UNKNOWN, Basis.UNKNOWN, Basis.ESTIMATED]
    assert sum(interval.energy_j[0] or 0 for interval in ended) == 49


def test_a_meter_without_an_export_counter() -> None:
    book = IntervalBook(METER, counters=(True, False))
    ended = add_all(book, span(0, 900_000, (40, None)), span(900_000, 1_800_000, (None, None), Basis.UNKNOWN))
    assert [interval.energy_j for interval in ended] == [(40, None), (0, None)]


# -- clocks ----------------------------------------------------------------------------------------------------------


def test_spans_wait_for_the_clock() -> None:
    book = IntervalBook(METER)
    untimed = [
        Span(
            meter=METER,
            start=Instant(None, at_ms),
            end=Instant(None, at_ms + 300_000),
            energy_j=(10, 1),
            basis=Basis.MEASURED,
        )
        for at_ms in range(0, 900_000, 300_000)
    ]
    assert add_all(book, *untimed) == []
    assert book.add(span(900_000, 1_200_000, (5, 5))) == []  # after what waits, not before it
    assert book.pending_j == (35, 8)
    ended = book.clock_trusted(START_MS + 1_200_000, 1_200_000)
    assert shown(ended) == [(0, (30, 3), Basis.MEASURED)]


def test_no_more_spans_wait_than_there_is_room_for() -> None:
    book = IntervalBook(METER)
    for n in range(MAX_WAITING + 1_000):
        book.add(
            Span(
                meter=METER,
                start=Instant(None, n * 1_000),
                end=Instant(None, n * 1_000 + 1_000),
                energy_j=(1, 0),
                basis=Basis.MEASURED,
            )
        )
    assert len(book._waiting) == MAX_WAITING
    ended = book.clock_trusted(START_MS + 10**7, 10**7)
    total = sum(interval.energy_j[0] or 0 for interval in ended) + (book.pending_j[0] or 0)
    assert total == MAX_WAITING + 1_000
    assert [interval.basis for interval in ended[:2]] == [Basis.ESTIMATED] * 2


def test_a_clock_set_forward() -> None:
    book = IntervalBook(METER)
    ended = add_all(
        book,
        span(0, 450_000, (40, 0)),
        span(450_000, 1_360_000, (7, 0), monotonic_ms=(450_000, 460_000)),
        span(1_360_000, 2_700_000, (9, 0), monotonic_ms=(460_000, 1_800_000)),
    )
    assert [interval.basis for interval in ended] == [Basis.ESTIMATED] * 3
    assert ended[0].reason == "the clock was set"
    assert sum(interval.energy_j[0] or 0 for interval in ended) == 56


def test_a_clock_set_back_carries_energy_until_it_is_past_again() -> None:
    book = IntervalBook(METER)
    ended = add_all(book, span(0, 900_000, (40, 0)), span(900_000, 1_350_000, (3, 0)))
    assert len(ended) == 1
    assert book.add(span(1_350_000, 960_000, (7, 1), monotonic_ms=(1_350_000, 1_360_000))) == []
    assert book.add(span(960_000, 1_300_000, (8, 0))) == []
    assert book.carried == ((15, 1), "the clock was set")
    assert book.pending_j == (18, 1)
    ended = add_all(book, span(1_300_000, 1_360_000, (5, 0)), span(1_360_000, 1_800_000, (2, 0)))
    assert shown(ended) == [(1, (25, 1), Basis.ESTIMATED)]
    assert ended[0].reason == "the clock was set"
    assert shown(book.add(span(1_800_000, 2_700_000, (1, 0)))) == [(2, (1, 0), Basis.MEASURED)]


def test_a_small_correction_of_the_clock_does_no_harm() -> None:
    book = IntervalBook(METER)
    ended = add_all(
        book,
        span(0, 450_000, (40, 0)),
        span(450_000, 470_000, (7, 0), monotonic_ms=(450_000, 460_000)),
        span(470_000, 900_000, (9, 0)),
    )
    assert shown(ended) == [(0, (56, 0), Basis.MEASURED)]


# -- bounds and mistakes ---------------------------------------------------------------------------------------------


def test_a_span_of_many_years_is_bounded() -> None:
    book = IntervalBook(METER)
    ended = book.add(span(0, QUARTER_MS * 200_000, (10**9, 0), Basis.ESTIMATED))
    assert len(ended) == MAX_INTERVALS + 1
    assert sum(interval.energy_j[0] or 0 for interval in ended) == 10**9


def test_mistakes_of_ours() -> None:
    with pytest.raises(ValueError, match="intervals of 'house'"):
        IntervalBook(METER).add(replace(span(0, 1), meter=MeterId("pv")))
    with pytest.raises(ValueError, match="at least 1 s"):
        IntervalBook(METER, interval_s=0)
    with pytest.raises(ValueError, match="not below 0, got -1"):
        span(0, 1, (-1, 0))
    book = IntervalBook(METER)
    book.add(span(0, 1))
    with pytest.raises(ValueError, match="only a fresh book"):
        book.restore(settled_ms=None, carried=((0, 0), ""), open_interval=None)


def test_elapsed() -> None:
    assert elapsed_ms(Instant(None, 5), Instant(None, 7)) == 2
    assert elapsed_ms(Instant(100, 5), Instant(90, 7)) == 2
    assert elapsed_ms(Instant(100, 5), Instant(105, 7), jitter_ms=3) == 5
    assert elapsed_ms(Instant(100, 5), Instant(106, 7), jitter_ms=3) == 2
    assert elapsed_ms(Instant(100, None), Instant(106, 7)) == 6
    assert elapsed_ms(Instant(None, 5), Instant(106, None)) is None
    assert Instant(None, None).stamped(5) == Instant(None, None)


# -- nothing is lost or made -----------------------------------------------------------------------------------------


class Truncates(IntervalBook):
    """Divides by rounding each share on its own."""

    def _divide(self, whole: Span, start_ms: int, end_ms: int) -> list[IntervalEnergy]:
        cut, ended = start_ms, []
        while cut < end_ms:
            until = min(end_ms, (cut // self.interval_ms + 1) * self.interval_ms)
            share = tuple(
                None if j is None else j * (until - cut) // (end_ms - start_ms) for j in whole.energy_j
            )
            ended += super()._divide(replace(whole, energy_j=(share[0], share[1])), cut, until)
            cut = until
        return ended


class ForgetsWhatItCarries(IntervalBook):
    """Drops what cannot be placed."""

    def add(self, one: Span) -> list[IntervalEnergy]:
        self._carried = (0, 0)
        return super().add(one)


def check_conservation(book: IntervalBook, seed: int) -> None:
    """Random spans on a clock that is set now and then: the intervals and what is pending are the sum, always."""
    chance = random.Random(seed)
    utc_ms, monotonic_ms, total, seen = chance.randrange(QUARTER_MS), 0, [0, 0], [0, 0]
    trusted = chance.random() < 0.7
    last = -1
    for _ in range(60):
        duration_ms = chance.choice((1, 10_000, 50_000, 333_333, 2_000_000))
        step_ms = chance.choice((0, 0, 0, 0, chance.randrange(-3_000_000, 3_000_000)))
        energy = (chance.randrange(10**6), chance.choice((0, 1, 10**9)))
        one = span(
            utc_ms,
            utc_ms + duration_ms + step_ms,
            energy,
            chance.choice(list(Basis)),
            monotonic_ms=(monotonic_ms, monotonic_ms + duration_ms),
        )
        if not trusted:
            one = replace(
                one, start=Instant(None, monotonic_ms), end=Instant(None, monotonic_ms + duration_ms)
            )
        utc_ms, monotonic_ms = utc_ms + duration_ms + step_ms, monotonic_ms + duration_ms
        total = [a + b for a, b in zip(total, energy, strict=True)]
        ended = book.add(one)
        if not trusted and chance.random() < 0.1:
            ended, trusted = book.clock_trusted(START_MS + utc_ms, monotonic_ms), True
        for interval in ended:
            assert interval.interval == last + 1 or last == -1
            last = interval.interval
            seen = [a + (b or 0) for a, b in zip(seen, interval.energy_j, strict=True)]
        assert [a + (b or 0) for a, b in zip(seen, book.pending_j, strict=True)] == total


@given(st.integers(0, 1 << 64))
def test_energy_is_conserved_over_any_chain(seed: int) -> None:
    check_conservation(IntervalBook(METER), seed)


@pytest.mark.parametrize("broken", [Truncates, ForgetsWhatItCarries])
def test_a_book_that_loses_energy_is_found_out(broken: type[IntervalBook]) -> None:
    def survives(seed: int) -> bool:
        try:
            check_conservation(broken(METER), seed)
        except AssertionError:
            return False
        return True

    assert not all(survives(seed) for seed in range(30))


def test_years_without_a_reading_end_the_open_interval_and_cover_none_twice() -> None:
    book = IntervalBook(METER)
    length_ms = (MAX_INTERVALS + 5) * QUARTER_MS
    ended = add_all(book, span(0, 450_000, (7, 0)), span(450_000, length_ms, (10**9, 0), Basis.ESTIMATED))
    assert [interval.interval - FIRST for interval in ended[:2]] == [0, 4]
    assert ended[0].energy_j == (7, 0)
    assert max(interval.covered_ms for interval in ended) == QUARTER_MS
    assert sum(interval.energy_j[0] or 0 for interval in ended) == 10**9 + 7
