"""What a meter believes: what it counts, what it refuses, and that a refusal changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.client.belief import Belief, Checked
from light_client.rules import merkle
from light_client.rules.holdings import TradeProof
from light_client.rules.ledger.audit import Followed
from light_client.rules.ledger.block import solution_leaves
from light_client.rules.light import LightParams, Update
from light_client.rules.verdict import Accepted, Rejected, Undecided
from tests.ledger_kit import (
    FIRST,
    KWH,
    SELL,
    Chain,
    Person,
    certificate_of,
    sell_everything,
    seller_and_buyer,
)


@pytest.fixture
def traded() -> Chain:
    """A chain that has cleared one trade in its fourth block."""
    chain = Chain()
    seller_and_buyer(chain)
    problem = chain.close_gate()
    chain.add(solution=chain.solution(sell_everything(problem)))
    return chain


def update_of(chain: Chain, height: int) -> Update:
    """Return the header of a height with its certificate."""
    header = chain.blocks[height - 1].header
    return Update(header=header, certificate=chain.certificate(header))


def follow(belief: Belief, chain: Chain, upto: int) -> None:
    """Take in headers and bodies from the first on."""
    for height in range(1, upto + 1):
        assert belief.take_update(update_of(chain, height), chain.tip.time_ms) == Accepted()
        assert isinstance(
            belief.take_body(chain.blocks[height - 1].header, chain.blocks[height - 1].body.encode()),
            Followed,
        )


def test_a_meter_checks_headers_clearings_and_its_own_trades(traded: Chain) -> None:
    belief = Belief(traded.genesis)
    follow(belief, traded, 4)
    block = traded.blocks[3]
    followed = traded.followed
    assert followed is not None
    assert followed.cleared is not None
    trades = followed.cleared.trades
    leaves = solution_leaves(block.body.solution, trades)
    proof = TradeProof(1, len(leaves), merkle.inclusion_proof(leaves, 1))
    offer = Person(1, feeder=1).offer(SELL, KWH, 100_000, FIRST)
    assert belief.take_trade(block.header, 1, offer, trades[0], proof) == Accepted()
    assert belief.checked == Checked(headers=4, trades=1, solutions=1)
    refused = belief.take_trade(block.header, 1, offer, trades[0]._replace(amount_uc=1), proof)
    assert isinstance(refused, Rejected)
    assert refused.rule == "LC-10"
    assert (belief.checked.rejected, belief.checked.by_rule) == (1, {"LC-10": 1})


def test_a_forged_header_is_counted_and_not_trusted(traded: Chain) -> None:
    belief = Belief(traded.genesis)
    header = traded.blocks[0].header
    forged = Update(header=header, certificate=certificate_of(traded.chain_id, header, (0, 1)))
    before = belief.trusted
    assert isinstance(belief.take_update(forged, traded.tip.time_ms), Rejected)
    assert belief.trusted == before
    assert belief.checked.by_rule == {"CNS-04": 1}


def test_a_header_from_the_future_is_neither_taken_nor_held_against_anyone(traded: Chain) -> None:
    belief = Belief(traded.genesis)
    early = traded.blocks[0].header.time_ms - 10_001
    assert isinstance(belief.take_update(update_of(traded, 1), early), Undecided)
    assert belief.checked == Checked()
    assert belief.trusted.height == 0


def test_a_body_waits_for_its_header(traded: Chain) -> None:
    belief = Belief(traded.genesis)
    body = traded.blocks[0].body.encode()
    assert isinstance(belief.take_body(traded.blocks[0].header, body), Undecided)
    belief.take_update(update_of(traded, 2), traded.tip.time_ms)
    assert isinstance(belief.take_body(traded.blocks[0].header, body), Undecided), (
        "the header of height 2 was taken before the body of height 1"
    )


@pytest.mark.parametrize(
    ("raw", "rule"), [(b"", "ENC-02"), (b"\x82\x40\x81\x40", "LED-32"), (b"\x80", "LED-31")]
)
def test_a_server_that_sends_another_body_is_refused(traded: Chain, raw: bytes, rule: str) -> None:
    belief = Belief(traded.genesis)
    belief.take_update(update_of(traded, 1), traded.tip.time_ms)
    refused = belief.take_body(traded.blocks[0].header, raw)
    assert isinstance(refused, Rejected)
    assert refused.rule == rule
    assert isinstance(belief.take_body(traded.blocks[0].header, traded.blocks[0].body.encode()), Followed), (
        "the right one still counts"
    )


def test_a_false_solution_from_a_server_is_not_held_against_the_quorum(traded: Chain) -> None:
    belief = Belief(traded.genesis)
    follow(belief, traded, 3)
    belief.take_update(update_of(traded, 4), traded.tip.time_ms)
    body = traded.blocks[3].body
    refused = belief.take_body(
        traded.blocks[3].header, replace(body, solution=body.solution[:-1] + b"\x00").encode()
    )
    assert isinstance(refused, Rejected)
    assert refused.rule == "LED-32"
    assert isinstance(belief.take_body(traded.blocks[3].header, body.encode()), Followed)


def test_the_trusting_period_is_a_parameter_of_the_meter(traded: Chain) -> None:
    short = Belief(traded.genesis, LightParams(trusting_period_ms=1))
    verdict = short.take_update(update_of(traded, 1), traded.tip.time_ms)
    assert isinstance(verdict, Undecided)
    assert verdict.rule == "LC-03"
    assert short.checked.rejected == 0, "nobody is to blame for time that has passed"
