"""LED-33 and the replica: a meter re-judges every clearing from the offers, and a refusal changes nothing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import Block, Body, Clearing, Header, solution_root_of, tx_root_of
from light_client.rules.ledger.events import Cleared
from tests.ledger_kit import FIRST, KWH, Chain, check_replica_agrees, sell_everything, seller_and_buyer


@pytest.fixture
def closed() -> Chain:
    """A chain whose first gate has closed over one seller and one buyer."""
    chain = Chain()
    seller_and_buyer(chain)
    chain.close_gate()
    return chain


def refuse(chain: Chain, rule: str, block: Block) -> None:
    """Expect the replica to refuse a block whose header is taken for signed, and to stay as it was."""
    before = deepcopy(chain.replica)
    with pytest.raises(RuleViolation) as broken:
        chain.replica.follow(block.header, block.body)
    assert broken.value.rule == rule
    assert {**before.__dict__, "genesis": None} == {**chain.replica.__dict__, "genesis": None}


def signed_by_a_bad_quorum(block: Block, body: Body | None = None, **header: object) -> Block:
    """Return a block whose header a quorum would have signed although it is wrong, its body committed to."""
    kept = body or block.body
    forged: Header = replace(block.header, tx_root=tx_root_of(kept), **header)  # type: ignore[arg-type]
    return Block(header=forged, body=kept)


def test_the_replica_follows_what_the_ledger_does(closed: Chain) -> None:
    outcome = closed.add(solution=closed.solution(sell_everything(closed.problem())))
    assert closed.followed is not None
    assert closed.followed.cleared is not None
    assert closed.followed.cleared.trades == outcome.trades
    assert closed.replica.offers == {}


def test_a_replica_that_starts_late_rebuilds_the_same(closed: Chain) -> None:
    closed.add(solution=closed.solution(sell_everything(closed.problem())))
    fresh = MarketReplica(closed.genesis)
    posted = [offer for block in closed.blocks for offer in fresh.follow(block.header, block.body).posted]
    assert [offer.offer_id for offer in posted] == [1, 2]
    check_replica_agrees(closed.state, fresh)


@pytest.mark.parametrize("height", [3, 5, 9])
def test_blocks_are_followed_one_after_the_other(closed: Chain, height: int) -> None:
    block, _ = closed.make()
    assert block.header.height == 4
    refuse(closed, "LED-33", signed_by_a_bad_quorum(block, height=height))


def test_a_quorum_cannot_claim_other_trades(closed: Chain) -> None:
    block, outcome = closed.make(solution=closed.solution(sell_everything(closed.problem())))
    richer = tuple(trade._replace(amount_uc=trade.amount_uc + 1) for trade in outcome.trades)
    root = solution_root_of(block.body.solution, richer, Cleared.PROVEN)
    refuse(closed, "LED-33", signed_by_a_bad_quorum(block, solution_root=root))


@pytest.mark.parametrize("change", [{"traded_j": KWH + 1}, {"gap_j": 1}, {"interval": FIRST + 1}])
def test_a_quorum_cannot_claim_another_clearing(closed: Chain, change: dict[str, int]) -> None:
    block, _ = closed.make(solution=closed.solution(sell_everything(closed.problem())))
    claimed: Clearing = replace(block.header.clearing, **change)  # type: ignore[arg-type]
    refuse(closed, "LED-33", signed_by_a_bad_quorum(block, clearing=claimed))


def test_a_quorum_cannot_skip_a_clearing_that_is_due(closed: Chain) -> None:
    block, _ = closed.make()
    refuse(closed, "LED-21", signed_by_a_bad_quorum(block, time_ms=closed.deadline()))


def test_a_quorum_cannot_sign_an_unproven_solution(closed: Chain) -> None:
    solved = sell_everything(closed.problem())
    block, _ = closed.make(solution=closed.solution(solved))
    lesser = closed.solution(replace(solved, certificates=solved.certificates[::-1]))
    refuse(closed, "MKT-28", signed_by_a_bad_quorum(block, Body(solution=lesser, transactions=())))
    foreign = Chain(replace(closed.genesis, name="test-other"))
    refuse(
        closed,
        "LED-03",
        signed_by_a_bad_quorum(block, Body(solution=foreign.solution(solved), transactions=())),
    )


def test_a_body_that_cannot_be_read_is_refused(closed: Chain) -> None:
    block, _ = closed.make()
    refuse(closed, "ENC-02", signed_by_a_bad_quorum(block, Body(solution=b"", transactions=(b"\x83\x02",))))
    refuse(closed, "LED-32", replace(block, body=Body(solution=b"", transactions=(b"\x83\x02",))))
