"""Evidence: what a member of the committee signed and no honest member ever signs.

    form              proves                                                    judged by
    Contradiction     two different proposals, prevotes or precommits of one    the two signatures
                      height and round
    UnsoundClearing   a proposal of, or a vote for, a header whose clearing     recomputation, against the problem that
                      does not follow from the offers                           the state recorded when the gate closed

Whoever holds it can show it to anybody: a signature is the accused's own word. Silence, slowness, and votes that differ
from round to round (which the locking rule allows) are evidence of nothing, and have no form here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from light_client.rules import merkle
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import (
    Committee,
    QuorumCertificate,
    Verify,
    VoteKind,
    proposal_message,
    vote_message,
)
from light_client.rules.units import HASH_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES

MAX_NUMBER = 1 << 62
MAX_PATH = 64
_PROPOSAL = 0
"""First field of a proposal's statement; votes begin with their kind, 1 or 2."""
_CONTRADICTION, _UNSOUND = 1, 2


def _whole(what: str, value: object) -> None:
    if type(value) is not int or not 0 <= value < MAX_NUMBER:
        raise RuleViolation("EVI-01", what, got=value, expected=f"0..{MAX_NUMBER - 1}")


def _bytes(what: str, value: object, length: int) -> None:
    if type(value) is not bytes or len(value) != length:
        raise RuleViolation("EVI-01", what, got=value, expected=f"{length} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedVote:
    """A vote as evidence carries it."""

    kind: VoteKind
    round_: int
    header_hash: bytes
    """32 zero bytes for no block (nil)."""
    signature: bytes

    def __post_init__(self) -> None:
        if self.kind.__class__ is not VoteKind:
            raise RuleViolation("EVI-01", "kind of a vote", got=self.kind, expected="prevote or precommit")
        _whole("round of a vote", self.round_)
        _bytes("header hash of a vote", self.header_hash, HASH_BYTES)
        _bytes("signature of a vote", self.signature, SIGNATURE_BYTES)

    @property
    def step(self) -> tuple[int, int]:
        """Kind and round: what an honest member signs once in a height."""
        return int(self.kind), self.round_

    def said(self) -> tuple[Any, ...]:
        """Everything but the signature."""
        return (int(self.kind), self.round_, self.header_hash)

    def message(self, chain_id: bytes, height: int) -> bytes:
        """The bytes that were signed."""
        return vote_message(self.kind, chain_id, height, self.round_, self.header_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedProposal:
    """A proposal as evidence carries it: without its block."""

    round_: int
    pol_round: int | None
    header_hash: bytes
    body_hash: bytes
    signature: bytes

    def __post_init__(self) -> None:
        _whole("round of a proposal", self.round_)
        if self.pol_round is not None:
            _whole("proof-of-lock round of a proposal", self.pol_round)
        _bytes("header hash of a proposal", self.header_hash, HASH_BYTES)
        _bytes("body hash of a proposal", self.body_hash, HASH_BYTES)
        _bytes("signature of a proposal", self.signature, SIGNATURE_BYTES)

    @property
    def step(self) -> tuple[int, int]:
        """Kind and round: what an honest member signs once in a height."""
        return _PROPOSAL, self.round_

    def said(self) -> tuple[Any, ...]:
        """Everything but the signature."""
        pol = () if self.pol_round is None else (self.pol_round,)
        return (_PROPOSAL, self.round_, pol, self.header_hash, self.body_hash)

    def message(self, chain_id: bytes, height: int) -> bytes:
        """The bytes that were signed."""
        return proposal_message(
            chain_id, height, self.round_, self.pol_round, self.header_hash, self.body_hash
        )


Statement = SignedVote | SignedProposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """EVI-02: two statements of one member, of one height, kind and round, that say different things."""

    public_key: bytes
    height: int
    first: Statement
    """The one whose canonical bytes come first, so that one fault has one form."""
    second: Statement

    def __post_init__(self) -> None:
        _bytes("key of the accused", self.public_key, PUBLIC_KEY_BYTES)
        _whole("height of a fault", self.height)
        if self.first.step != self.second.step:
            raise RuleViolation(
                "EVI-02", "kind and round of the second", got=self.second.step, expected=self.first.step
            )
        if encode(self.first.said()) >= encode(self.second.said()):
            raise RuleViolation(
                "EVI-02", "what the second says", got=self.second.said(), expected="another thing, in order"
            )

    def statements(self) -> tuple[Statement, ...]:
        """What the accused must have signed."""
        return (self.first, self.second)

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (_CONTRADICTION, self.public_key, self.height, _signed(self.first), _signed(self.second))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsoundClearing:
    """A proposal of, or a vote for, a header whose clearing does not hold; with what shows it.

    Where the solution or the problem are so long that this is no transaction any more, the header can still not be
    agreed on: only the punishment is lost.
    """

    public_key: bytes
    header: Header
    statement: Statement
    solution: bytes
    """Leaf 0 of the header's ``tx_root``."""
    leaves: int
    """Number of leaves under ``tx_root``."""
    path: tuple[bytes, ...]
    """RFC 9162 inclusion of leaf 0."""
    problem: bytes
    """The market problem, in the bytes whose hash the state recorded (``accountability.problem_bytes``)."""

    def __post_init__(self) -> None:
        _bytes("key of the accused", self.public_key, PUBLIC_KEY_BYTES)
        if self.statement.header_hash != self.header.hash():
            raise RuleViolation(
                "EVI-02",
                "header of the statement",
                got=self.statement.header_hash,
                expected=self.header.hash(),
            )
        _whole("leaves of a body", self.leaves)
        if type(self.solution) is not bytes or type(self.problem) is not bytes:
            raise RuleViolation("EVI-01", "solution and problem", got=type(self.solution), expected="bytes")
        if type(self.path) is not tuple or len(self.path) > MAX_PATH:
            raise RuleViolation("EVI-01", "path of a solution", got=self.path, expected=f"up to {MAX_PATH}")
        for node in self.path:
            _bytes("node of a path", node, HASH_BYTES)

    @property
    def height(self) -> int:
        """Height of the header."""
        return self.header.height

    def statements(self) -> tuple[Statement, ...]:
        """What the accused must have signed."""
        return (self.statement,)

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        header, said = self.header.to_wire(), _signed(self.statement)
        shown = (self.solution, self.leaves, self.path, self.problem)
        return (_UNSOUND, self.public_key, header, said, *shown)


Evidence = Contradiction | UnsoundClearing


def contradiction(public_key: bytes, height: int, one: Statement, other: Statement) -> Contradiction:
    """Evidence out of two statements in either order.

    Raises:
        RuleViolation: EVI-02 they do not contradict each other.
    """
    first, second = sorted((one, other), key=lambda statement: encode(statement.said()))
    return Contradiction(public_key=public_key, height=height, first=first, second=second)


def contradictions_in(
    one: QuorumCertificate, other: QuorumCertificate, committee: Committee
) -> tuple[Contradiction, ...]:
    """What two certificates of one height prove of the members that signed both.

    Only of certificates of one round. Two different blocks that were certified in different rounds prove that more than
    a third of the weight is faulty, but not who: an honest member may have signed the first, and the second after
    seeing a later quorum of prevotes for it, as the locking rule has it. That fork is an alarm and no evidence.
    """
    if (one.height, one.round_) != (other.height, other.round_) or one.header_hash == other.header_hash:
        return ()
    votes, others = votes_in(one), votes_in(other)
    return tuple(
        contradiction(committee.members[seat].public_key, one.height, votes[seat], others[seat])
        for seat in sorted(votes.keys() & others.keys())
        if seat < len(committee.members)
    )


def votes_in(certificate: QuorumCertificate) -> dict[int, SignedVote]:
    """The votes that a certificate is made of, by seat."""
    seats = [seat for seat in range(certificate.bitmap.bit_length()) if certificate.bitmap >> seat & 1]
    return {
        seat: SignedVote(
            kind=VoteKind.PRECOMMIT,
            round_=certificate.round_,
            header_hash=certificate.header_hash,
            signature=signature,
        )
        for seat, signature in zip(seats, certificate.signatures, strict=True)
    }


def statements_are_signed(evidence: Evidence, chain_id: bytes, verify_signature: Verify) -> None:
    """EVI-03: the accused signed every statement, for this chain."""
    for statement in evidence.statements():
        message = statement.message(chain_id, evidence.height)
        if not verify_signature(evidence.public_key, statement.signature, message):
            raise RuleViolation(
                "EVI-03", "signature of a statement", got=statement.signature, expected="that of the accused"
            )


def solution_is_the_headers(evidence: UnsoundClearing) -> None:
    """EVI-08: the solution shown is the one that the header commits to."""
    root = evidence.header.tx_root
    if not merkle.verify_inclusion(evidence.solution, 0, evidence.leaves, evidence.path, root):
        raise RuleViolation("EVI-08", "solution of the header", got=evidence.path, expected="its leaf 0")


def evidence_from_wire(wire: Any) -> Evidence:
    """Read the canonical form back.

    Raises:
        RuleViolation: EVI-01 another shape, EVI-02 nothing contradicts, LED-30 for the header.
    """
    form = wire[0] if type(wire) is tuple and wire else None
    if form == _CONTRADICTION and len(wire) == 5:
        _, public_key, height, first, second = wire
        return Contradiction(
            public_key=public_key,
            height=height,
            first=_statement_from_wire(first),
            second=_statement_from_wire(second),
        )
    if form == _UNSOUND and len(wire) == 8:
        _, public_key, header, statement, solution, leaves, path, problem = wire
        return UnsoundClearing(
            public_key=public_key,
            header=header_from_wire(header),
            statement=_statement_from_wire(statement),
            solution=solution,
            leaves=leaves,
            path=path,
            problem=problem,
        )
    raise RuleViolation("EVI-01", "form of evidence", got=form, expected="a known form with its fields")


def _signed(statement: Statement) -> tuple[Any, ...]:
    return (*statement.said(), statement.signature)


def _statement_from_wire(wire: Any) -> Statement:
    kind = wire[0] if type(wire) is tuple and wire else None
    if type(kind) is int and kind in tuple(VoteKind) and len(wire) == 4:
        return SignedVote(kind=VoteKind(kind), round_=wire[1], header_hash=wire[2], signature=wire[3])
    if type(kind) is int and kind == _PROPOSAL and len(wire) == 6:
        _, round_, pol, header_hash, body_hash, signature = wire
        if type(pol) is not tuple or len(pol) > 1:
            raise RuleViolation("EVI-01", "proof-of-lock round", got=pol, expected="() or (round,)")
        return SignedProposal(
            round_=round_,
            pol_round=pol[0] if pol else None,
            header_hash=header_hash,
            body_hash=body_hash,
            signature=signature,
        )
    raise RuleViolation("EVI-01", "a statement", got=kind, expected="a proposal or a vote with its fields")
