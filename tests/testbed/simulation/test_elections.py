"""A day on which committees come and go: everybody follows, the best deliver and lead, the late ones join."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from light_client.rules.ledger.events import Cleared
from testbed.cast import Cast
from testbed.miner.params import MinerParams
from testbed.network.faults import Crash, Faults
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import SimulatedDay, cast_of, run_day
from testbed.simulation.recheck import recheck
from tests.epoch_kit import broken_succession

FILE = catalogue.find("village-elections")
PARAMS = MinerParams(
    batch_ms=60_000, checkpoint_blocks=3, snapshot_blocks=6, chunk_records=16, snapshot_gap=6
)
NEW, ABSENT = "miner-6", "miner-1"


def cast() -> Cast:
    """The village around noon."""
    part = part_of(catalogue.build(FILE, seed=1), skip=44, intervals=9)
    return replace(cast_of(FILE, part, 1), miner_params=PARAMS)


@cache
def day() -> SimulatedDay:
    """A day with a miner that is new, and one that is away for hours."""
    who = cast()
    length_ms = who.scenario.interval_s * 1_000
    faults = Faults(
        crashes=(
            Crash(node=NEW, at_ms=who.start_ms + 1, down_ms=14 * length_ms),
            Crash(node=ABSENT, at_ms=who.start_ms + 3 * length_ms, down_ms=10 * length_ms),
        )
    )
    return run_day(who, faults=faults)


def test_everybody_follows_from_committee_to_committee() -> None:
    played, record = day(), day().observed.record
    headers = [block.header for block in record.blocks]
    epochs = played.genesis.epochs
    assert headers[-1].height > 2 * epochs.blocks
    assert len({header.committee_hash for header in headers}) >= 3
    assert list(broken_succession(headers, epochs)) == []
    check = recheck(played.genesis, record.blocks, record.committees)
    assert check.refused is None
    assert check.headers == len(headers)
    for meter in played.meters:
        assert meter.client.belief.trusted.height >= headers[-1].height - 2
    names = {seen.name for seen in played.observed.notable}
    assert not names & {"halted", "block-refused", "blame"}
    assert record.finals[Cleared.PROVEN] >= 3


def test_who_delivers_is_elected() -> None:
    """The emulated miners are the less reliable the higher their number, so reports tell them apart."""
    played = day()
    longest = max(played.miners, key=lambda miner: miner.ledger.height)
    state = longest.ledger.state
    keys = played.cast.miner_keys
    assert set(state.deliveries) == set(keys)
    assert state.meta.next_report > played.genesis.first_interval
    shortfalls = {
        key: sum(delivery.deviation_j for _, delivery in record.epochs)
        for key, record in state.deliveries.items()
    }
    worst = max(keys, key=lambda key: shortfalls[key])
    assert keys.index(worst) >= 3
    sitting = [member.public_key for member in state.committee.members]
    assert len(sitting) == 4
    assert worst not in sitting


def test_the_new_and_the_long_absent_join_by_snapshot() -> None:
    played = day()
    heights = {miner.name: miner.ledger.height for miner in played.miners}
    assert max(heights.values()) - min(heights.values()) <= 1, heights
    joined = {seen.node for seen in played.observed.notable if seen.name == "joined"}
    assert joined == {NEW, ABSENT}
    roots = {
        miner.ledger.state.root() for miner in played.miners if miner.ledger.height == max(heights.values())
    }
    assert len(roots) == 1
