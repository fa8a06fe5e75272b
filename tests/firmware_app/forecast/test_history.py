"""What is remembered: the last days and no more, whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_app.forecast.history import MISSING, History

_SLOTS, _DAYS = 4, 7
_SIZE = _SLOTS * _DAYS


def _by_the_book(events: list[tuple[int, int | None]]) -> dict[int, int]:
    """What should be remembered: an independent account with a dictionary and no ring."""
    known: dict[int, int] = {}
    for interval, energy_j in events:
        known = {then: value for then, value in known.items() if interval - _SIZE < then < interval}
        if energy_j is not None:
            known[interval] = energy_j
    return known


_EVENTS = st.lists(
    st.tuples(st.integers(0, 3 * _SIZE), st.none() | st.integers(MISSING + 1, -MISSING - 1)), max_size=60
)


@given(_EVENTS)
def test_whatever_the_clock_does_the_ring_holds_what_a_dictionary_would(
    events: list[tuple[int, int | None]],
) -> None:
    history = History(_SLOTS, _DAYS)
    for interval, energy_j in events:
        history.record(interval, energy_j)
    known = _by_the_book(events)
    assert dict(history.intervals()) == known
    assert history.measured == len(known)
    assert {i: history.energy(i) for i in range(-1, 4 * _SIZE)} == {
        i: known.get(i) for i in range(-1, 4 * _SIZE)
    }


@given(_EVENTS)
def test_packed_and_unpacked_it_is_the_same(events: list[tuple[int, int | None]]) -> None:
    history, again = History(_SLOTS, _DAYS), History(_SLOTS, _DAYS)
    for interval, energy_j in events:
        history.record(interval, energy_j)
    again.unpack(history.last, history.packed())
    assert (list(again.intervals()), again.measured) == (list(history.intervals()), history.measured)


def test_packed_bytes_are_the_same_on_every_processor() -> None:
    history = History(1, 2)
    history.record(0, 1)
    assert history.packed() == b"\x00\x00\x00\x01\x80\x00\x00\x00"


def test_a_jump_of_ten_years_costs_no_more_than_the_ring() -> None:
    history = History(_SLOTS, _DAYS)
    history.record(10, 5)
    history.record(10 + 350_000_000, 6)  # would take minutes if each interval between were visited
    assert list(history.intervals()) == [(10 + 350_000_000, 6)]
    history.record(10, 7)
    assert list(history.intervals()) == [(10, 7)]
