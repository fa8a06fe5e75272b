"""False blocks and false solutions, made out of true ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from light_client.rules.encoding import decode
from light_client.rules.ledger.block import (
    Body,
    Clearing,
    Header,
    body_from_wire,
    solution_root_of,
    tx_root_of,
)
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.genesis import ChainParams
from light_client.rules.ledger.transactions import SubmitSolution, assemble, decode_transaction
from light_client.rules.market.certificate import Certificate
from light_client.rules.market.clearing import Solution
from light_client.rules.market.plan import Plan
from testbed.miner.seat import Seat
from testbed.miner.wal import SeenBlock

_MAX_BYTES = 4 << 20
SolutionLie = Callable[[Solution], Solution]


def _with_flows(solution: Solution, part: Callable[[int], int]) -> Solution:
    flows = {
        key: tuple((interval, part(energy_j)) for interval, energy_j in entries)
        for key, entries in solution.plan.flows.items()
    }
    return replace(solution, plan=Plan(first_interval=solution.plan.first_interval, flows=flows))


def infeasible(solution: Solution) -> Solution:
    """More energy than anybody offered."""
    return _with_flows(solution, lambda energy_j: 2 * energy_j)


def worse(solution: Solution) -> Solution:
    """Nothing is traded; the certificates are those of the best plan."""
    return replace(solution, plan=Plan(first_interval=solution.plan.first_interval, flows={}))


def forged_duals(solution: Solution) -> Solution:
    """Nothing is traded, and certificates whose prices are set to what would make that look optimal."""
    return replace(worse(solution), certificates=tuple(map(_worthless, solution.certificates)))


def _worthless(certificate: Certificate) -> Certificate:
    schedules = {
        interval: (prices, tuple(-1_000_000 for _ in values))
        for interval, (prices, values) in certificate.schedules.items()
    }
    return replace(certificate, schedules=schedules)


SOLUTION_LIES: dict[str, SolutionLie] = {
    "infeasible": infeasible,
    "worse": worse,
    "forged-duals": forged_duals,
}


def false_block(block: SeenBlock, seat: Seat, chance: Random) -> SeenBlock | None:
    """A block whose clearing does not hold, out of one that does; None if that one clears by no solution."""
    if block.header.clearing.how is not Cleared.PROVEN:
        return None
    return chance.choice(_BLOCK_LIES)(block, seat, chance)


def _false_solution(block: SeenBlock, seat: Seat, chance: Random) -> SeenBlock:
    """Clears by a solution that is not proven, signed by the leader itself."""
    body = _body_of(block)
    signed = decode_transaction(body.solution, max_bytes=_MAX_BYTES)
    if not isinstance(signed.transaction, SubmitSolution):
        return block
    lie = chance.choice(list(SOLUTION_LIES.values()))(signed.transaction.solution)
    raw = assemble(SubmitSolution(solution=lie), seat.chain_id, seat.public_key, seat.signer).raw
    return _with_body(block.header, Body(solution=raw, transactions=body.transactions))


def _boast(block: SeenBlock, _seat: Seat, _chance: Random) -> SeenBlock:
    """Claims more energy than its solution trades."""
    clearing = block.header.clearing
    return SeenBlock(
        replace(block.header, clearing=replace(clearing, traded_j=clearing.traded_j + 3_600)), block.body
    )


def _nothing_to_trade(block: SeenBlock, _seat: Seat, _chance: Random) -> SeenBlock:
    """Leaves the solution away and says that nothing could trade."""
    clearing = Clearing(how=Cleared.VACUOUS, interval=block.header.clearing.interval, traded_j=0, gap_j=0)
    header = replace(
        block.header, clearing=clearing, solution_root=solution_root_of(b"", (), Cleared.VACUOUS)
    )
    return _with_body(header, Body(solution=b"", transactions=_body_of(block).transactions))


def _wrong_state(block: SeenBlock, _seat: Seat, chance: Random) -> SeenBlock:
    """A state root of its own choice: refused by all, and no evidence."""
    return SeenBlock(replace(block.header, state_root=chance.randbytes(32)), block.body)


_BLOCK_LIES = (_false_solution, _boast, _nothing_to_trade, _wrong_state)


def _body_of(block: SeenBlock) -> Body:
    limits = ChainParams(max_block_bytes=_MAX_BYTES)
    return body_from_wire(decode(block.body, max_bytes=_MAX_BYTES), limits)


def _with_body(header: Header, body: Body) -> SeenBlock:
    return SeenBlock(replace(header, tx_root=tx_root_of(body)), body.encode())
