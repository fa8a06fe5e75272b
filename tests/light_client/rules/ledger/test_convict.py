"""Convictions: who is convicted by which evidence, for how long, and that no honest signature ever convicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from light_client.rules.crypto import public_key_of, verify
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger import accountability as accountability_module
from light_client.rules.ledger import convict as convict_module
from light_client.rules.ledger.accountability import (
    GATES_KEPT,
    Accountability,
    Conviction,
    Fault,
    problem_bytes,
)
from light_client.rules.ledger.block import Block, Clearing, solution_root_of
from light_client.rules.ledger.chain import make_block
from light_client.rules.ledger.events import Cleared, MinerConvicted
from light_client.rules.ledger.evidence import Evidence, UnsoundClearing, contradiction
from light_client.rules.ledger.genesis import ChainParams
from light_client.rules.market.clearing import Solution
from light_client.rules.market.plan import Plan
from tests.evidence_kit import (
    PREVOTE,
    accuse,
    forged,
    key_of,
    two_votes,
    unsound,
    vote,
    with_header,
    with_solution,
)
from tests.ledger_kit import (
    BUY,
    FIRST,
    KWH,
    SELL,
    Chain,
    Person,
    genesis,
    secret,
    sell_everything,
    seller_and_buyer,
)

SHORT = ChainParams(evidence_blocks=4, exclusion_intervals=2)


def refuse(chain: Chain, evidence: Evidence, rule: str) -> None:
    """The evidence breaks this rule, and the block that carries it cannot be made."""
    root = chain.state.root()
    with pytest.raises(RuleViolation) as broken:
        chain.make(accuse(chain, evidence))
    assert broken.value.rule == rule
    assert chain.state.root() == root


@pytest.fixture
def closed() -> Chain:
    """A gate has closed: one seller and one buyer wait to be cleared."""
    chain = Chain(genesis(chain=SHORT))
    seller_and_buyer(chain)
    chain.close_gate()
    return chain


def good(chain: Chain) -> Block:
    """What an honest miner proposes."""
    return chain.make(solution=chain.solution(sell_everything(chain.problem())))[0]


# -- contradictions --------------------------------------------------------------------------------------------------


def test_a_contradiction_convicts_its_signer_alone() -> None:
    chain = Chain()
    outcome = chain.add(accuse(chain, two_votes(chain, 2, height=1)))
    conviction = Conviction(
        public_key=key_of(2),
        fault=Fault.CONTRADICTION,
        fault_height=1,
        height=1,
        until_interval=FIRST + chain.genesis.chain.exclusion_intervals,
    )
    assert outcome.events == (MinerConvicted(conviction=conviction),)
    assert chain.state.accountability.convictions == (conviction,)
    draft = chain.state.draft()
    assert [draft.is_convicted(key_of(seat)) for seat in range(4)] == [False, False, True, False]


def test_convictions_stand_in_the_order_of_keys() -> None:
    chain = Chain()
    chain.add(*(accuse(chain, two_votes(chain, seat, height=1)) for seat in (3, 1, 0)))
    keys = [found.public_key for found in chain.state.accountability.convictions]
    assert keys == sorted(key_of(seat) for seat in (3, 1, 0))


def test_a_conviction_ends_with_its_intervals(closed: Chain) -> None:
    closed.add(
        accuse(closed, two_votes(closed, 0, height=2)),
        solution=closed.solution(sell_everything(closed.problem())),
    )
    (conviction,) = closed.state.accountability.convictions
    assert conviction.until_interval == FIRST + 1 + 2
    for interval, convicted in ((FIRST + 2, True), (FIRST + 3, False)):
        assert closed.state.accountability.is_convicted(key_of(0), interval) is convicted


def test_who_has_no_seat_cannot_be_accused() -> None:
    chain = Chain()
    stranger = replace(two_votes(chain, 0, height=1), public_key=public_key_of(secret(5)))
    refuse(chain, stranger, "EVI-04")


def test_a_fault_must_be_recent_and_cannot_be_of_the_future() -> None:
    chain = Chain(genesis(chain=SHORT))
    refuse(chain, two_votes(chain, 0, height=2), "EVI-05")
    refuse(chain, two_votes(chain, 0, height=0), "EVI-05")
    for _ in range(5):
        chain.add()
    refuse(chain, two_votes(chain, 0, height=1), "EVI-05")
    chain.add(accuse(chain, two_votes(chain, 0, height=2)))


def test_one_fault_is_punished_once() -> None:
    chain = Chain(genesis(chain=SHORT))
    chain.add()
    evidence = two_votes(chain, 0, height=2)
    refuse(chain, replace(evidence, first=forged(evidence.first)), "EVI-03")
    with pytest.raises(RuleViolation, match="EVI-06"):
        chain.make(accuse(chain, evidence), accuse(chain, two_votes(chain, 0, height=1)))
    chain.add(accuse(chain, evidence))
    refuse(chain, two_votes(chain, 0, height=3), "EVI-06")
    for interval in (FIRST, FIRST + 1):
        chain.add(at_ms=chain.gate(interval))
    refuse(chain, two_votes(chain, 0, height=2), "EVI-06")
    chain.add(accuse(chain, two_votes(chain, 0, height=3)))
    (conviction,) = chain.state.accountability.convictions
    assert (conviction.fault_height, conviction.height) == (3, 5)


# -- unsound clearings -----------------------------------------------------------------------------------------------


def worse(chain: Chain) -> Block:
    """Half of what could be traded, with the certificate of the best plan."""
    solved = sell_everything(chain.problem())
    half = {key: tuple((t, q // 2) for t, q in entries) for key, entries in solved.plan.flows.items()}
    plan = Plan(first_interval=solved.plan.first_interval, flows=half)
    lie = Solution(plan=plan, certificates=solved.certificates)
    return with_solution(good(chain), chain.solution(lie))


def unsigned(chain: Chain) -> Block:
    """A solution that its solver did not sign."""
    raw = good(chain).body.solution
    return with_solution(good(chain), raw[:-1] + bytes((raw[-1] ^ 1,)))


def boasting(chain: Chain) -> Block:
    """A good solution under a header that claims more."""
    clearing = replace(good(chain).header.clearing, traded_j=2 * KWH)
    return with_header(good(chain), clearing=clearing)


def misrooted(chain: Chain) -> Block:
    return with_header(good(chain), solution_root=b"\x07" * 32)


def too_early(chain: Chain) -> Block:
    """The kept plan before the deadline."""
    clearing = Clearing(how=Cleared.KEPT, interval=FIRST, traded_j=0, gap_j=0)
    return with_header(with_solution(good(chain), b""), clearing=clearing)


def vacuous(chain: Chain) -> Block:
    """Nothing to trade, says the header, though there is."""
    clearing = Clearing(how=Cleared.VACUOUS, interval=FIRST, traded_j=0, gap_j=0)
    root = solution_root_of(b"", (), Cleared.VACUOUS)
    return with_header(with_solution(good(chain), b""), clearing=clearing, solution_root=root)


def idle(chain: Chain) -> Block:
    """Clears nothing, long after the deadline."""
    block, _ = chain.make(at_ms=chain.tip.time_ms + 1)
    return with_header(block, time_ms=chain.deadline() + 1)


def before_the_gate(chain: Chain) -> Block:
    return with_header(good(chain), time_ms=chain.gate() - 1)


LIES: list[Callable[[Chain], Block]] = [
    worse,
    unsigned,
    boasting,
    misrooted,
    too_early,
    vacuous,
    idle,
    before_the_gate,
]


@pytest.mark.parametrize("lie", LIES)
def test_a_clearing_that_does_not_hold_convicts_who_proposed_it(
    closed: Chain, lie: Callable[[Chain], Block]
) -> None:
    closed.add(accuse(closed, unsound(closed, 1, lie(closed))))
    (conviction,) = closed.state.accountability.convictions
    assert (conviction.public_key, conviction.fault) == (key_of(1), Fault.UNSOUND_CLEARING)


def test_who_voted_for_it_is_as_guilty_and_later_as_well(closed: Chain) -> None:
    block = worse(closed)
    height, problem = block.header.height, problem_bytes(closed.problem())
    closed.add(solution=closed.solution(sell_everything(closed.problem())))
    closed.add()
    statement = vote(closed.chain_id, 3, block.header.hash(), height=height, round_=2, kind=PREVOTE)
    evidence = unsound(closed, 3, block, statement=statement, problem=problem)
    closed.add(accuse(closed, evidence))
    assert closed.state.draft().is_convicted(key_of(3))


def test_a_clearing_that_holds_convicts_nobody(closed: Chain) -> None:
    refuse(closed, unsound(closed, 1, good(closed)), "EVI-09")
    nothing, _ = closed.make(at_ms=closed.tip.time_ms + 1)
    refuse(closed, unsound(closed, 1, nothing), "EVI-09")
    kept, _ = closed.make(at_ms=closed.deadline())
    assert kept.header.clearing.how is Cleared.KEPT
    refuse(closed, unsound(closed, 1, kept), "EVI-09")


def test_the_accused_must_have_signed_it(closed: Chain) -> None:
    evidence = unsound(closed, 1, worse(closed))
    refuse(closed, replace(evidence, public_key=key_of(2)), "EVI-03")
    refuse(closed, replace(evidence, statement=forged(evidence.statement)), "EVI-03")


def test_another_solution_cannot_be_put_into_its_mouth(closed: Chain) -> None:
    honest = unsound(closed, 1, good(closed))
    refuse(closed, replace(honest, solution=worse(closed).body.solution), "EVI-08")


def test_another_problem_cannot_be_put_before_it(closed: Chain) -> None:
    honest = unsound(closed, 1, good(closed))
    fuller = Chain(genesis(chain=SHORT))
    seller_and_buyer(fuller, sells_j=2 * KWH, buys_j=2 * KWH)
    refuse(closed, replace(honest, problem=problem_bytes(fuller.close_gate())), "EVI-07")
    refuse(closed, replace(honest, problem=b""), "EVI-07")


def test_a_header_of_another_branch_convicts_nobody(closed: Chain) -> None:
    """Its signer may have had other offers before it: where the chain has forked, honest members sit on both sides."""
    elsewhere = with_header(worse(closed), previous_hash=b"\x09" * 32)
    refuse(closed, unsound(closed, 1, elsewhere), "EVI-07")


def test_the_last_gates_are_kept_with_the_headers_before_each() -> None:
    chain = Chain()
    for interval in range(FIRST, FIRST + GATES_KEPT + 3):
        head = chain.state.head
        chain.add(at_ms=chain.gate(interval))
        assert chain.state.accountability.gate_after(head) == chain.state.accountability.gates[-1]
    gates = chain.state.accountability.gates
    assert [gate.interval for gate in gates] == list(range(FIRST + 3, FIRST + GATES_KEPT + 3))
    assert chain.state.accountability.gate_after(b"\x01" * 32) is None


def test_only_so_many_headers_of_a_gate_are_kept(closed: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accountability_module, "PARENTS_KEPT", 3)
    for _ in range(4):
        closed.add()
    (gate,) = closed.state.accountability.gates
    assert len(gate.parents) == 3


# -- nobody honest ---------------------------------------------------------------------------------------------------


def honest_proposals(chain: Chain, rng: Random) -> list[Block]:
    """What honest miners could propose next, at different times, with and without what waits."""
    solution = b""
    if chain.state.meta.gate_offer is not None:
        solution = chain.solution(sell_everything(chain.problem()))
    times = {chain.tip.time_ms + 1 + rng.randrange(600_000) for _ in range(3)}
    return [
        make_block(
            chain.state,
            chain.tip,
            round_=0,
            time_ms=time_ms,
            solution=solution,
            transactions=(),
            verify_signature=verify,
        )[0]
        for time_ms in sorted(times)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_honest_miners_propose_convicts_none_of_them(seed: int) -> None:
    """Every proposal of a short day, shown with every problem that was ever recorded, at every later height."""
    rng = Random(seed)
    chain = Chain(genesis(chain=ChainParams(solve_deadline_ms=400_000)))
    seller_and_buyer(chain, intervals=(FIRST, FIRST + 1))
    proposals: list[Block] = []
    problems: set[bytes] = set()
    for number in range(8):
        proposals += honest_proposals(chain, rng)
        decided = rng.choice(proposals[-3:])
        chain.take(decided)
        if number == 3:
            seller, buyer = Person(7), Person(8, feeder=2)
            chain.add(chain.grant(seller.asset(sells_j=KWH), buyer.asset(buys_j=KWH, money_uc=KWH)))
            chain.add(
                chain.post(seller, seller.offer(SELL, KWH, 100_000, FIRST + 4)),
                chain.post(buyer, buyer.offer(BUY, KWH, 200_000, FIRST + 4)),
            )
        if chain.state.meta.gate_offer is not None:
            problems.add(problem_bytes(chain.problem()))
        for block in proposals:
            for problem in problems:
                with pytest.raises(RuleViolation, match=r"EVI-0[79]"):
                    chain.make(accuse(chain, unsound(chain, 0, block, problem=problem)))
    assert problems
    assert chain.state.accountability.convictions == ()


def test_without_the_gates_of_this_chain_an_honest_miner_would_be_convicted(
    closed: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin that judges a header by whatever problem it is shown."""
    fuller = Chain(genesis(chain=SHORT))
    seller_and_buyer(fuller, sells_j=2 * KWH, buys_j=2 * KWH)
    framed = replace(unsound(closed, 1, good(closed)), problem=problem_bytes(fuller.close_gate()))

    def credulous(draft: object, evidence: UnsoundClearing) -> object:
        del draft, evidence
        return fuller.problem()

    monkeypatch.setattr(convict_module, "_problem_of", credulous)
    chain_events = closed.add(accuse(closed, framed)).events
    assert [type(event) for event in chain_events] == [MinerConvicted]


def test_without_the_check_of_signatures_an_honest_miner_would_be_convicted(
    closed: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin that believes statements: what an honest member said in two rounds is relabelled into one."""
    one = vote(closed.chain_id, 0, b"\x01" * 32, height=2)
    other = vote(closed.chain_id, 0, b"\x02" * 32, height=2, round_=1)
    framed = contradiction(key_of(0), 2, one, replace(other, round_=0))
    refuse(closed, framed, "EVI-03")
    monkeypatch.setattr(convict_module, "statements_are_signed", lambda *_: None)
    closed.add(accuse(closed, framed))
    assert closed.state.draft().is_convicted(key_of(0))


def test_an_empty_record_convicts_nobody() -> None:
    assert not Accountability().is_convicted(key_of(0), FIRST)
    assert Accountability().conviction_of(key_of(0)) is None
