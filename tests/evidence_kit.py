"""What members of the kit's committee sign, honestly or not, and how others accuse them of it."""

from __future__ import annotations

from dataclasses import replace

from light_client.rules import merkle
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.ledger.accountability import problem_bytes
from light_client.rules.ledger.block import Block, Body, Header, tx_root_of
from light_client.rules.ledger.committee import (
    VoteKind,
    body_hash_of,
    proposal_message,
    vote_message,
)
from light_client.rules.ledger.evidence import (
    Contradiction,
    Evidence,
    SignedProposal,
    SignedVote,
    Statement,
    UnsoundClearing,
    contradiction,
)
from light_client.rules.ledger.transactions import SignedTransaction, SubmitEvidence
from tests.ledger_kit import MINER_SECRETS, Chain, secret

REPORTER = secret(77)
"""Whoever submits evidence: no member, no account."""
PREVOTE, PRECOMMIT = VoteKind.PREVOTE, VoteKind.PRECOMMIT


def key_of(seat: int) -> bytes:
    """The public key of a seat."""
    return public_key_of(MINER_SECRETS[seat])


def vote(
    chain_id: bytes,
    seat: int,
    header_hash: bytes,
    *,
    height: int,
    round_: int = 0,
    kind: VoteKind = PRECOMMIT,
) -> SignedVote:
    """A vote with a good signature."""
    message = vote_message(kind, chain_id, height, round_, header_hash)
    signature = sign(MINER_SECRETS[seat], message)
    return SignedVote(kind=kind, round_=round_, header_hash=header_hash, signature=signature)


def proposal(
    chain_id: bytes, seat: int, block: Block, *, round_: int = 0, pol_round: int | None = None
) -> SignedProposal:
    """A proposal with a good signature."""
    header_hash, body_hash = block.header.hash(), body_hash_of(block.body.encode())
    message = proposal_message(chain_id, block.header.height, round_, pol_round, header_hash, body_hash)
    return SignedProposal(
        round_=round_,
        pol_round=pol_round,
        header_hash=header_hash,
        body_hash=body_hash,
        signature=sign(MINER_SECRETS[seat], message),
    )


def two_votes(
    chain: Chain, seat: int, *, height: int, round_: int = 0, kind: VoteKind = PRECOMMIT
) -> Contradiction:
    """Evidence of two votes that contradict each other."""
    one, other = (
        vote(chain.chain_id, seat, bytes((number,)) * 32, height=height, round_=round_, kind=kind)
        for number in (1, 2)
    )
    return contradiction(key_of(seat), height, one, other)


def with_solution(block: Block, solution: bytes) -> Block:
    """The same block with another solution, and a header that commits to it."""
    body = Body(solution=solution, transactions=block.body.transactions)
    return with_header(Block(header=block.header, body=body), tx_root=tx_root_of(body))


def with_header(block: Block, **changes: object) -> Block:
    """The same body under a changed header."""
    header = block.header
    named = {name: getattr(header, name) for name in Header.__dataclass_fields__ if name != "_hash"}
    return Block(header=Header(**(named | changes)), body=block.body)


def unsound(
    chain: Chain, seat: int, block: Block, *, statement: Statement | None = None, problem: bytes | None = None
) -> UnsoundClearing:
    """The accusation that a seat proposed a block whose clearing does not hold; by default of the present problem."""
    leaves = (block.body.solution, *block.body.transactions)
    return UnsoundClearing(
        public_key=key_of(seat),
        header=block.header,
        statement=statement or proposal(chain.chain_id, seat, block),
        solution=block.body.solution,
        leaves=len(leaves),
        path=merkle.inclusion_proof(leaves, 0),
        problem=problem_bytes(chain.problem()) if problem is None else problem,
    )


def accuse(chain: Chain, evidence: Evidence) -> SignedTransaction:
    """The transaction that submits evidence."""
    return chain.sign(SubmitEvidence(evidence=evidence), REPORTER)


def altered(signature: bytes) -> bytes:
    """A signature of the same length that is none."""
    return bytes((signature[0] ^ 1,)) + signature[1:]


def forged(statement: Statement) -> Statement:
    """The statement with a signature that is none."""
    return replace(statement, signature=altered(statement.signature))
