"""More than f: what cannot be prevented any more is seen, kept and shown by whoever is honest."""

from __future__ import annotations

from functools import cache

from light_client.rules.ledger.evidence import Contradiction
from testbed.scenarios.faults import FaultKind
from testbed.simulation.campaign import broken_safety, convictions_of, false_accusations, keys_of
from testbed.simulation.day import SimulatedDay
from tests.testbed.adversaries.stage import grid, played


@cache
def forked() -> SimulatedDay:
    """Two of four members show each of the others another block; a meter follows either, to begin with."""
    for seed in range(1, 8):
        cast = grid(seed)
        ring = cast.miner_names[1::2]
        day, _ = played(cast, *((FaultKind.MINER_FORKS, name) for name in ring))
        if len({miner.ledger.history.root(1) for miner in day.miners}) > 1 or "fork" in names_in(day):
            return day
    raise AssertionError("nobody was ever shown another block")


def names_in(day: SimulatedDay) -> set[str]:
    return {seen.name for seen in day.observed.notable if seen.node not in day.troupe.hostile}


def test_a_fork_is_seen_by_an_honest_miner_and_its_evidence_names_the_ring_alone() -> None:
    day = forked()
    assert "fork" in names_in(day)
    ring = keys_of(day.cast, day.troupe.hostile)
    accused = {
        seen.value.public_key
        for seen in day.observed.notable
        if isinstance(seen.value, Contradiction) and seen.node not in day.troupe.hostile
    }
    assert accused
    assert accused <= ring.keys()
    assert list(false_accusations(day)) == []
    assert convictions_of(day).keys() <= ring.keys()
    assert list(broken_safety(day)), "a campaign would not pass it"


def test_honest_meters_that_see_both_sides_stop_trading_and_keep_the_evidence() -> None:
    day = forked()
    told = {seen.node: seen.value for seen in day.observed.notable if seen.name == "halted"}
    kept = {
        seen.node for seen in day.observed.notable if seen.name == "fork" and seen.node.startswith("meter")
    }
    assert told.keys() <= day.cast.meter_names.keys()
    assert told
    assert kept == told.keys()
    for meter in day.meters:
        assert meter.client.may_trade == (meter.name not in told)


def liars() -> SimulatedDay:
    """Three of four finalise a clearing that does not hold, as soon as one of them leads one that could."""
    for seed in range(1, 8):
        cast = grid(seed)
        day, verdict = played(cast, *((FaultKind.MINER_COLLUDES, name) for name in cast.miner_names[:3]))
        if any("halted" in line for line in verdict.safety):
            return day
    raise AssertionError("no false block was ever certified")


def test_a_quorum_of_liars_is_refused_by_every_honest_meter_that_judges_for_itself() -> None:
    day = liars()
    halted = {seen.node for seen in day.observed.notable if seen.name == "halted"}
    assert halted <= day.cast.meter_names.keys()
    for meter in day.meters:
        if meter.name in halted:
            assert meter.checked.rejected > 0
            assert not meter.client.may_trade
    assert list(false_accusations(day)) == []
