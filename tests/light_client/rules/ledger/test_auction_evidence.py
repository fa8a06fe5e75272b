"""Evidence about auctions: who signs a wrong outcome is convicted, and nobody for limits that no gate recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.accountability import problem_bytes
from light_client.rules.ledger.block import NO_CLEARING, Block
from light_client.rules.ledger.execution import close_gate
from light_client.rules.market.mechanisms.kinds import Continuous, MechanismParams, TwoStage, UniformPrice
from light_client.rules.market.problem import problem_from_wire, problem_to_wire
from tests.evidence_kit import accuse, key_of, unsound, with_header
from tests.ledger_kit import BUY, FIRST, KWH, SELL, Chain, Person, genesis

REACTION_MS = 60_000


def waiting(mechanism: MechanismParams) -> tuple[Chain, list[Person]]:
    """Return a chain with two sellers and two buyers, of whom one pair meets at once, before the gate closes."""
    chain = Chain(genesis(mechanism=mechanism))
    people = [Person(number) for number in range(4)]
    chain.add(
        chain.grant(
            *(person.asset(sells_j=KWH) for person in people[:2]),
            *(person.asset(buys_j=KWH, money_uc=KWH) for person in people[2:]),
        )
    )
    rows = ((SELL, 10), (SELL, 40), (BUY, 50), (BUY, 20))
    chain.add(
        *(
            chain.post(person, person.offer(side, KWH, price, FIRST))
            for person, (side, price) in zip(people, rows, strict=True)
        )
    )
    return chain, people


def recorded(chain: Chain, time_ms: int) -> bytes:
    """Return the problem as a block of this time records it."""
    draft = chain.state.draft()
    close_gate(draft, time_ms)
    return problem_bytes(draft.problem())


def holds(chain: Chain, block: Block, problem: bytes) -> bool:
    """Return whether an accusation of a block is refused because its clearing holds."""
    try:
        chain.make(accuse(chain, unsound(chain, 1, block, problem=problem)))
    except RuleViolation as broken:
        if broken.rule != "EVI-09":
            raise
        return True
    return False


@pytest.mark.parametrize("mechanism", [UniformPrice(), Continuous()], ids=lambda m: m.kind.name)
def test_a_wrong_outcome_of_one_stage_convicts_who_proposed_it(mechanism: MechanismParams) -> None:
    chain, _ = waiting(mechanism)
    problem = recorded(chain, chain.gate())
    honest, _ = chain.make(at_ms=chain.gate())
    clearing = honest.header.clearing
    lies = [
        with_header(honest, clearing=replace(clearing, traded_j=clearing.traded_j + 1)),
        with_header(honest, clearing=replace(clearing, routes=bytes(32))),
        with_header(honest, clearing=NO_CLEARING),
        with_header(honest, solution_root=bytes(32)),
    ]
    chain.take(honest)
    assert holds(chain, honest, problem)
    assert not any(holds(chain, lie, problem) for lie in lies)
    chain.add(accuse(chain, unsound(chain, 1, lies[0], problem=problem)))
    assert chain.state.draft().is_convicted(key_of(1))


def test_an_outcome_after_a_second_stage_convicts_nobody_for_limits_that_the_gate_did_not_see() -> None:
    chain, people = waiting(TwoStage(reaction_ms=REACTION_MS))
    problem = recorded(chain, chain.gate())
    chain.add(at_ms=chain.gate())
    assert recorded(chain, chain.gate() + 1) == problem
    chain.add(chain.improve(people[1], 2, 20))
    assert recorded(chain, chain.gate() + 2_000) == problem, "limits are no part of what the gate recorded"
    early, _ = chain.make(at_ms=chain.gate() + REACTION_MS - 1)
    honest, _ = chain.make(at_ms=chain.gate() + REACTION_MS)
    assert honest.header.clearing.traded_j == 2 * KWH
    hurried = with_header(honest, time_ms=chain.gate() + REACTION_MS - 1)
    idle = with_header(early, time_ms=chain.gate() + REACTION_MS)
    chain.take(honest)
    assert holds(chain, honest, problem)
    assert holds(chain, early, problem)
    assert not holds(chain, hurried, problem)
    assert not holds(chain, idle, problem)


def test_the_recorded_problem_reads_back_with_its_stage() -> None:
    chain, _ = waiting(TwoStage(reaction_ms=REACTION_MS))
    chain.add(at_ms=chain.gate())
    problem = chain.problem()
    assert problem.reaction is not None
    read = problem_from_wire(problem_to_wire(problem), params=problem.params, grid=problem.grid)
    assert read == problem
