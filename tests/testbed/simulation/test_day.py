"""Simulated days.

What a day of the village shows, what mishaps do to it, and an oracle that clears each interval anew.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from firmware_app.trading.orders import Stage
from light_client.rules.crypto import verify
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.clear import read_solution
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.state import check_state_conserves
from light_client.rules.market.levelling import complete
from light_client.rules.market.objective import objective_values
from testbed.cast import Cast
from testbed.network.faults import Crash, Faults
from testbed.scenarios import catalogue
from testbed.scenarios.errors import ScenarioFileError
from testbed.scenarios.faults import Fault, FaultKind
from testbed.scenarios.files import ScenarioFile
from testbed.scenarios.part import part_of
from testbed.simulation.campaign import broken_safety, run_seed
from testbed.simulation.day import SimulatedDay, cast_of, run_day
from testbed.simulation.mishaps import mishaps_of
from testbed.simulation.offline import offline_optimum
from testbed.simulation.recheck import recheck
from testbed.simulation.report import expectations, trading_day
from tests.oracles.pairwise import optimum
from tests.oracles.translate import class_market

FILE = catalogue.find("village")


def noon(seed: int = 1, intervals: int = 14) -> Cast:
    """The village around noon, when everything happens."""
    part = part_of(catalogue.build(FILE, seed=seed), skip=44, intervals=intervals)
    return cast_of(FILE, part, seed)


@cache
def quiet_day() -> SimulatedDay:
    """A day on which nothing goes wrong."""
    return run_day(noon())


def test_a_quiet_day_meets_every_expectation() -> None:
    day = quiet_day()
    check = recheck(day.genesis, day.observed.record.blocks)
    rows = expectations(day, check, undisturbed=True)
    assert [row for row in rows if not row.passed] == []
    assert day.observed.record.finals[Cleared.PROVEN] >= 10
    for miner in day.miners:
        check_state_conserves(miner.ledger.state)


def test_every_proven_clearing_is_as_good_as_an_independent_pairwise_program() -> None:
    """The replica's problems, solved by an oracle that shares no code with the rules."""
    day = quiet_day()
    genesis = day.genesis
    replica = MarketReplica(genesis)
    judged = 0
    for block in day.observed.record.blocks:
        body = body_from_bytes(block.body, genesis.chain)
        closed = replica.closed
        if block.header.clearing.how == Cleared.PROVEN and closed is not None:
            solution, _ = read_solution(genesis, replica.chain_id, body.solution, verify)
            values = objective_values(closed, complete(closed, solution.plan))
            best = optimum(class_market(closed))
            assert values[0] == best.energy, "the most energy"
            judged += 1
        replica.follow(block.header, body)
    assert judged >= 10


def test_meters_end_with_everything_handed_back_or_still_waiting_for_a_block() -> None:
    day = quiet_day()
    stages = [order.stage for meter in day.meters for order in meter.orders()]
    assert stages.count(Stage.DEPOSITED) > len(stages) // 2
    assert not {Stage.PLANNED, Stage.POSTED} & set(stages), "nothing is left halfway"
    assert sum(meter.checked.balances for meter in day.meters) >= stages.count(Stage.DEPOSITED)


def test_the_same_seed_gives_the_same_chain() -> None:
    again = run_day(noon())
    assert [block.header.hash() for block in again.observed.record.blocks] == [
        block.header.hash() for block in quiet_day().observed.record.blocks
    ]


def test_a_report_can_be_made_of_a_day() -> None:
    day = quiet_day()
    best = offline_optimum(day.cast.scenario, day.cast.market)
    check = recheck(day.genesis, day.observed.record.blocks)
    report = trading_day(day, best, check, title="noon", command="x", undisturbed=True)
    assert report.passed
    assert 0 < report.summary.traded_j <= best.bound_j == best.traded_j
    assert report.summary.finals == day.observed.record.finals.total()
    assert report.prosumer is not None


def test_without_a_solver_the_kept_plan_clears_and_the_header_says_so() -> None:
    cast = noon()
    stop_ms = (cast.scenario.first_interval + 6) * 900_000
    dead = Faults(crashes=(Crash(node="solver-0", at_ms=stop_ms, down_ms=None),))
    day = run_day(cast, faults=dead)
    record = day.observed.record
    assert record.finals[Cleared.KEPT] >= 4
    assert record.finals.total() >= cast.scenario.intervals, "every interval still becomes final"
    kept = [
        t
        for block in record.blocks
        if block.header.clearing.how == Cleared.KEPT
        for t in [block.header.clearing]
    ]
    assert any(clearing.gap_j > 0 for clearing in kept), "a kept plan is not passed off as proven"
    check = recheck(day.genesis, record.blocks)
    assert check.refused is None
    rows = {row.name: row.passed for row in expectations(day, check, undisturbed=True)}
    assert not rows["intervals cleared without a fresh proof"]


def test_a_meter_that_loses_power_takes_up_its_orders_again_and_offers_nothing_twice() -> None:
    cast = noon()
    name = next(iter(cast.meter_names))
    at_ms = (cast.scenario.first_interval + 3) * 900_000 + 200_000
    day = run_day(cast, faults=Faults(crashes=(Crash(node=name, at_ms=at_ms, down_ms=1_500_000),)))
    (meter,) = [meter for meter in day.meters if meter.name == name]
    assert meter.checked.rejected == 0
    posted = [offer.address for offer in day.observed.record.offers.values()]
    assert len(posted) == len(set(posted)), "one address, one offer"
    assert any(order.stage is Stage.DEPOSITED for order in meter.orders())


def test_a_forged_block_is_noticed_by_the_last_look() -> None:
    day = quiet_day()
    blocks = list(day.observed.record.blocks)
    at = next(i for i, block in enumerate(blocks) if block.header.clearing.how == Cleared.PROVEN)
    blocks[at] = replace(blocks[at], body=blocks[at - 1].body)
    assert "LED-32" in str(recheck(day.genesis, blocks).refused)


def test_a_day_in_which_things_go_wrong() -> None:
    """One of `gridlight-testbed run village --campaign 200`; shorter ones are run in ``test_campaign``."""
    verdict = run_seed(FILE, 5)
    assert verdict.complaints == ()
    assert verdict.crashes >= 1


def test_a_split_chain_would_be_seen() -> None:
    """Show the campaign a miner with another history: it must not pass."""
    day, other = run_day(noon()), run_day(noon(seed=2))
    mixed = replace(day, miners=(day.miners[0], other.miners[0]))
    assert any("different chains" in line for line in broken_safety(mixed))


def faulty(fault: Fault) -> ScenarioFile:
    """The village file with one fault."""
    return replace(FILE, faults=(fault,))


def test_faults_of_a_scenario_file_become_crashes_and_losses() -> None:
    cast = cast_of(FILE, catalogue.build(FILE), 1)
    fault = Fault(kind=FaultKind.MINER_DOWN, from_interval=4, to_interval=7, target=2)
    (crash,) = mishaps_of(faulty(fault), cast).faults.crashes
    assert (crash.node, crash.down_ms) == ("miner-2", 4 * 900_000)
    loss = mishaps_of(faulty(Fault(kind=FaultKind.LINK_LOSS, percent=3)), cast)
    assert loss.link is not None
    assert loss.link.loss_ppm == 30_000


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.SOLVER_LIES, target=4),
        Fault(kind=FaultKind.MINER_DOWN, target=9),
        Fault(kind=FaultKind.LINK_LOSS, percent=3, to_interval=40),
    ],
    ids=lambda fault: fault.kind.value,
)
def test_a_fault_that_cannot_be_played_is_refused(fault: Fault) -> None:
    cast = cast_of(FILE, catalogue.build(FILE), 1)
    with pytest.raises(ScenarioFileError, match=r"\[\[faults\]\]"):
        mishaps_of(faulty(fault), cast)
