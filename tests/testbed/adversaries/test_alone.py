"""Each adversary by itself, in a small grid: what it does is seen, what it wants does not come about."""

from __future__ import annotations

import pytest

from firmware_app.trading.orders import Stage
from light_client.rules.crypto import public_key_of
from light_client.rules.ledger.accountability import Fault
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.transactions import GrantAssets, PostOffer, decode_transaction
from testbed.adversaries.troupe import MINERS, SPAMMER
from testbed.cast import DSO
from testbed.scenarios.faults import FaultKind
from testbed.simulation.campaign import convictions_of
from testbed.simulation.day import SimulatedDay
from tests.testbed.adversaries.stage import grid, played

CONVICTED = {
    FaultKind.MINER_EQUIVOCATES: {Fault.CONTRADICTION},
    FaultKind.MINER_TWO_FACED: {Fault.CONTRADICTION},
    FaultKind.MINER_LIES: {Fault.UNSOUND_CLEARING},
    FaultKind.MINER_COLLUDES: {Fault.UNSOUND_CLEARING},
    FaultKind.MINER_FORKS: {Fault.CONTRADICTION},
}
"""What there is evidence of; of everything else a member may do there is none."""


def transactions_of(day: SimulatedDay) -> list[object]:
    """Everything that got into a block."""
    chain = day.genesis.chain
    return [
        decode_transaction(raw, max_bytes=chain.max_block_bytes).transaction
        for block in day.observed.record.blocks
        for raw in body_from_bytes(block.body, chain).transactions
    ]


@pytest.mark.parametrize("kind", MINERS, ids=lambda kind: kind.value)
def test_one_hostile_miner_in_four_changes_nothing_and_is_convicted_where_it_signed(kind: FaultKind) -> None:
    """Until it has led a block that clears, a liar has had no occasion: then another seed is played."""
    for seed in range(1, 10):
        cast = grid(seed)
        name = cast.miner_names[seed % 3]
        day, verdict = played(cast, (kind, name))
        assert verdict.complaints == (), f"seed {seed}"
        assert verdict.parts == (kind.value,)
        found = convictions_of(day)
        accused = public_key_of(cast.secret("miner", cast.miner_names.index(name)))
        assert set(found) <= {accused}
        assert {conviction.fault for conviction in found.values()} <= CONVICTED.get(kind, set())
        if found or kind not in CONVICTED:
            return
    pytest.fail(f"{kind.value} was never convicted")


def test_a_lying_solver_gets_nothing_through_and_an_honest_one_does() -> None:
    cast = grid(3)
    day, verdict = played(cast, (FaultKind.SOLVER_LIES, "solver-0"))
    assert verdict.complaints == ()
    finals = day.observed.record.finals
    assert finals[Cleared.PROVEN] + finals[Cleared.VACUOUS] == finals.total()
    refused = [
        seen for seen in day.observed.notable if seen.name == "solution-refused" and seen.node == "solver-0"
    ]
    assert refused


def test_with_liars_alone_the_kept_plan_clears() -> None:
    cast = grid(3)
    day, verdict = played(cast, (FaultKind.SOLVER_LIES, "solver-0"), (FaultKind.SOLVER_LIES, "solver-1"))
    assert verdict.complaints == ()
    finals = day.observed.record.finals
    assert finals[Cleared.KEPT] > 0
    assert finals[Cleared.PROVEN] == 0


def test_a_dso_that_grants_twice_grants_each_address_once() -> None:
    day, verdict = played(grid(2), (FaultKind.DSO_GRANTS_TWICE, DSO))
    assert verdict.complaints == ()
    batches = [tx for tx in transactions_of(day) if isinstance(tx, GrantAssets)]
    assert [batch.sequence for batch in batches] == list(range(len(batches)))
    granted = [asset.address for batch in batches for asset in batch.assets]
    assert granted
    assert len(granted) == len(set(granted))


def differing(day: SimulatedDay) -> list[tuple[str, object]]:
    return [(seen.node, seen.value) for seen in day.observed.notable if seen.name == "balance-differs"]


def test_a_dso_that_grants_more_than_asked_is_blamed_and_no_server_is() -> None:
    day, verdict = played(grid(2), (FaultKind.DSO_GRANTS_MORE, DSO))
    assert verdict.complaints == ()
    complaints = differing(day)
    orders = [(meter.name, order) for meter in day.meters for order in meter.orders() if order.granted]
    assert len(complaints) == len([order for _, order in orders if order.differs]) > 0, "each once"
    assert {value[:2] for _, value in complaints if isinstance(value, tuple)} == {("DSO", "LC-26")}
    for meter in day.meters:
        assert meter.client.status().switches == 0
        assert meter.checked.by_rule.keys() <= {"LC-26"}
    assert all(order.stage is Stage.DEPOSITED for _, order in orders if order.differs), "all handed back"
    offered = {order.key.address: order.wish.energy_j for _, order in orders if order.wish is not None}
    posted = {tx.offer.address: tx.offer.energy_j for tx in transactions_of(day) if isinstance(tx, PostOffer)}
    assert posted
    assert posted.items() <= offered.items(), "trading goes on with what was asked for"


def test_a_meter_that_took_it_for_its_servers_fault_would_leave_them_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("light_client.client.proofs._PROVEN_BUT_WRONG", ())
    day, _ = played(grid(2), (FaultKind.DSO_GRANTS_MORE, DSO))
    assert sum(meter.client.status().switches for meter in day.meters) > 0
    stages = {order.stage for meter in day.meters for order in meter.orders() if order.granted}
    assert Stage.DEPOSITED not in stages


def test_spam_gets_into_no_block() -> None:
    day, verdict = played(grid(4), (FaultKind.SPAM, SPAMMER))
    assert verdict.complaints == ()
    funded = {order.key.address for meter in day.meters for order in meter.orders()}
    offers = [tx.offer.address for tx in transactions_of(day) if isinstance(tx, PostOffer)]
    assert offers
    assert set(offers) <= funded


def test_an_eclipsed_meter_believes_nothing_false() -> None:
    cast = grid(5)
    name = next(iter(cast.meter_names))
    day, verdict = played(cast, (FaultKind.METER_ECLIPSED, name))
    assert verdict.safety == ()
    assert [line for line in verdict.liveness if not line.startswith(name)] == []
    eclipsed = next(meter for meter in day.meters if meter.name == name)
    assert eclipsed.client.height == 0
    assert eclipsed.checked.rejected > 0
    assert eclipsed.checked.by_rule.keys() <= {"LC-05", "CNS-05"}
