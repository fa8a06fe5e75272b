"""Points for refused transactions: a burst is borne, a flood is not, and time heals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from testbed.miner.params import PoolLimits
from testbed.miner.standing import Standings

LIMITS = PoolLimits(refusals=4, refusals_per_s=2)


def test_a_few_mistakes_cost_nothing() -> None:
    standings = Standings(LIMITS)
    for _ in range(3):
        standings.refused("anon-1", 1_000)
    assert standings.pause_ms("anon-1", 1_000) == 0


def test_a_flood_is_cut_off_until_its_points_have_worn_off() -> None:
    standings = Standings(LIMITS)
    for _ in range(4):
        standings.refused("anon-1", 1_000)
    pause_ms = standings.pause_ms("anon-1", 1_000)
    assert pause_ms == 500
    assert standings.pause_ms("anon-1", 1_000 + pause_ms - 1) > 0
    assert standings.pause_ms("anon-1", 1_000 + pause_ms) == 0
    assert standings.pause_ms("anon-2", 1_000) == 0, "another connection is not to blame"


@given(gaps=st.lists(st.integers(0, 400), max_size=200))
def test_no_more_is_ever_read_than_the_burst_and_the_pace_allow(gaps: list[int]) -> None:
    standings, now_ms, read = Standings(LIMITS), 0, 0
    for gap in gaps:
        now_ms += gap
        if not standings.pause_ms("anon-1", now_ms):
            standings.refused("anon-1", now_ms)
            read += 1
    assert read <= LIMITS.refusals + now_ms * LIMITS.refusals_per_s / 1_000 + 1


def test_a_clock_that_steps_back_forgives_nothing() -> None:
    standings = Standings(LIMITS)
    for _ in range(4):
        standings.refused("anon-1", 5_000)
    assert standings.pause_ms("anon-1", 1_000) == 500


def test_the_number_of_connections_remembered_is_bounded() -> None:
    standings = Standings(LIMITS)
    for number in range(4):
        standings.refused("anon-old", number)
    assert standings.pause_ms("anon-old", 3) > 0
    for number in range(4_096):
        standings.refused(f"anon-{number}", 4)
    assert standings.pause_ms("anon-old", 4) == 0
