"""A miner that plays false and is elected in a later epoch: it plays from then on, and is convicted like any other."""

from __future__ import annotations

from functools import cache

import pytest

from light_client.rules.errors import LocalError
from testbed.adversaries.disguise import HostileSeat, Window
from testbed.adversaries.troupe import Part, hostile_seat, troupe_of
from testbed.cast import Cast
from testbed.miner.ledger import Ledger
from testbed.miner.seat import Seat
from testbed.network.memory import MemoryStorage
from testbed.scenarios import catalogue
from testbed.scenarios.faults import FaultKind
from testbed.simulation.campaign import Verdict, convictions_of, judge, patient_cast, run_seed
from testbed.simulation.day import SimulatedDay, run_day
from testbed.simulation.schedule import draw
from testbed.simulation.watch import SignatureWatch
from tests.testbed.adversaries.stage import played

SIEGE = catalogue.find("siege-elections")
NEWCOMERS = ("miner-4", "miner-5")
"""Candidates without a seat in the beginning."""


def grid(seed: int) -> Cast:
    return patient_cast(SIEGE, seed)


def sat_at(ledger: Ledger, key: bytes) -> list[int]:
    """The heights that somebody signed for, up to the newest."""
    heights = range(1, ledger.height + 1)
    return [height for height in heights if ledger.committee_at(height).index_of(key) is not None]


def longest(day: SimulatedDay) -> Ledger:
    return max(day.miners, key=lambda miner: miner.ledger.height).ledger


@cache
def two_faced() -> tuple[SimulatedDay, Verdict]:
    return played(grid(3), (FaultKind.MINER_TWO_FACED, "miner-4"))


@pytest.mark.parametrize(
    "kind", [FaultKind.MINER_EQUIVOCATES, FaultKind.MINER_LIES, FaultKind.MINER_FORKS], ids=lambda k: k.value
)
def test_whoever_is_elected_later_and_plays_false_then_is_convicted(kind: FaultKind) -> None:
    """It has to lead a round for that, a liar one that clears: until it does, another seed is played."""
    for seed in range(1, 8):
        for name in NEWCOMERS:
            cast = grid(seed)
            day, verdict = played(cast, (kind, name))
            assert verdict.complaints == (), (seed, name)
            accused = cast.miner_keys[cast.miner_names.index(name)]
            found = convictions_of(day)
            assert set(found) <= {accused}
            if found:
                assert found[accused].fault_height in sat_at(longest(day), accused)
                return
    pytest.fail(f"{kind.value} was never convicted")


def test_it_is_honest_before_it_is_elected_and_out_of_office_after_it_was_convicted() -> None:
    day, verdict = two_faced()
    assert verdict.complaints == ()
    assert verdict.convictions == 1
    ((accused, conviction),) = convictions_of(day).items()
    ledger = longest(day)
    seats = sat_at(ledger, accused)
    assert ledger.genesis.committee.index_of(accused) is None
    assert conviction.fault_height == seats[0], "it contradicts itself at once"
    ends = next(height for height in ledger.store.turns if height >= conviction.height)
    assert seats[-1] <= ends, "it keeps its seat to the end of the epoch, and gets none after it"
    assert ledger.height > ends


def test_an_adversary_that_does_not_follow_elections_never_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what a campaign would overlook."""

    def stays(self: HostileSeat, height: int) -> Seat:
        del height
        return self.first

    monkeypatch.setattr(HostileSeat, "at", stays)
    _, verdict = played(grid(3), (FaultKind.MINER_TWO_FACED, "miner-4"))
    assert verdict.convictions == 0


def test_an_honest_miner_that_contradicts_itself_in_a_later_committee_is_seen() -> None:
    """The watch of a campaign knows who sat where: an adversary taken for honest fails it."""
    day, _ = two_faced()
    cast = day.cast
    whole = Window(from_ms=cast.start_ms, to_ms=cast.end_ms + 1)
    troupe = troupe_of([Part(kind=FaultKind.MINER_TWO_FACED, name="miner-4", window=whole)], cast)
    watch = SignatureWatch(dict(zip(cast.miner_names, cast.miner_keys, strict=True)))
    verdict = judge(run_day(grid(3), troupe=troupe, on_send=watch), watch, seed=3, crashes=0)
    assert any(line.startswith("miner-4 signed two") for line in verdict.safety)
    assert not any(line.startswith("miner-") and "miner-4" not in line for line in verdict.safety)


def test_a_campaign_draws_adversaries_that_are_elected_later() -> None:
    drawn = [part.name for seed in range(40) for part in draw(SIEGE.campaign, grid(seed), seed).troupe.parts]
    assert set(NEWCOMERS) < set(drawn)


def test_a_day_of_the_campaign_passes() -> None:
    """A seed whose adversary has no seat in the beginning."""
    verdict = run_seed(SIEGE, 10)
    assert verdict.complaints == ()
    assert verdict.parts[0].startswith("miner-")


def test_only_a_miner_can_be_put_into_the_disguise_of_one() -> None:
    cast = grid(1)
    with pytest.raises(LocalError, match="a miner's part"):
        hostile_seat(cast, cast.operator(MemoryStorage()))
