"""One height of consensus on a bench: the other seats' messages are made by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from light_client.messages.codec import Message
from light_client.messages.consensus import Proposal, Vote
from light_client.rules.crypto import public_key_of, verify
from light_client.rules.ledger.block import NO_CLEARING, Header
from light_client.rules.ledger.committee import VoteKind
from light_client.rules.ledger.genesis import Genesis
from light_client.session.actor import Report, SetTimer, Write
from testbed.miner.consensus import Broadcast, Consensus, Decided, Output
from testbed.miner.params import Timeouts
from testbed.miner.seat import Seat
from testbed.miner.wal import SeenBlock, VoteLog
from testbed.network.memory import MemoryStorage
from tests.testbed.miner.chains import START_MS, secret, signer_of, small_genesis

HEIGHT = 1
"""Its round r is led by seat (1 + r) mod 4."""
PREVOTE, PRECOMMIT = VoteKind.PREVOTE, VoteKind.PRECOMMIT


def block(label: str, round_: int = 0) -> SeenBlock:
    """A block of no content; consensus does not look inside."""
    zero = bytes(32)
    header = Header(
        chain_id=small_genesis().chain_id(),
        height=HEIGHT,
        round_=round_,
        time_ms=START_MS,
        previous_hash=zero,
        history_root=zero,
        tx_root=label.encode().ljust(32, b"\0"),
        state_root=zero,
        solution_root=zero,
        committee_hash=zero,
        next_committee_hash=zero,
        clearing=NO_CLEARING,
    )
    return SeenBlock(header, label.encode())


@dataclass
class FakeApplication:
    """Everything is valid but what is listed."""

    invalid: set[bytes] = field(default_factory=set)
    untimely: bool = False
    made: int = 0

    def make_proposal(self, round_: int, now_ms: int) -> SeenBlock:
        self.made += 1
        return block(f"made {self.made}", round_)

    def is_valid(self, seen: SeenBlock) -> bool:
        return seen.body not in self.invalid

    def is_timely(self, header: Header, now_ms: int) -> bool:
        return not self.untimely


class Bench:
    """One seat under test, and the keys of the others."""

    def __init__(self, seat: int = 0, genesis: Genesis | None = None) -> None:
        self.genesis = genesis or small_genesis()
        self.storage = MemoryStorage()
        self.application = FakeApplication()
        self.number = seat
        self.now_ms = START_MS
        self.log: list[Output] = []
        self.consensus = self.build()

    def seat(self, number: int) -> Seat:
        return Seat(
            chain_id=self.genesis.chain_id(),
            committee=self.genesis.committee,
            public_key=public_key_of(secret(1, number)),
            number=number,
            signer=signer_of(secret(1, number)),
            verify_signature=verify,
            timeouts=Timeouts(),
        )

    def build(self) -> Consensus:
        return Consensus(self.seat(self.number), self.application, VoteLog(HEIGHT).load(self.storage))

    def restart(self) -> list[Output]:
        """Come back with what was written, and nothing else."""
        self.consensus = self.build()
        return self._took(self.consensus.resume(self.now_ms))

    def begin(self) -> list[Output]:
        return self._took(self.consensus.begin(self.now_ms))

    def propose(self, seen: SeenBlock, round_: int = 0, pol_round: int | None = None) -> list[Output]:
        return self._took(self.consensus.on_proposal(self.proposal(seen, round_, pol_round), self.now_ms))

    def proposal(self, seen: SeenBlock, round_: int = 0, pol_round: int | None = None) -> Proposal:
        leader = self.genesis.committee.leader(HEIGHT, round_)
        return self.seat(leader).sign_proposal(seen, seen.header.hash(), round_, pol_round)

    def vote(self, kind: VoteKind, seats: str, header_hash: bytes, round_: int = 0) -> list[Output]:
        """Votes of several seats, one after the other."""
        out: list[Output] = []
        for seat in map(int, seats):
            vote = self.seat(seat).sign_vote(kind, HEIGHT, round_, header_hash)
            out += self._took(self.consensus.on_vote(vote, self.now_ms))
        return out

    def timeout(self, name: str) -> list[Output]:
        return self._took(self.consensus.on_timeout(name, self.now_ms))

    def _took(self, out: list[Output]) -> list[Output]:
        self.storage.apply(effect for effect in out if isinstance(effect, Write))
        self.log += out
        return out


def votes_in(out: list[Output]) -> list[tuple[VoteKind, int, bytes]]:
    """Votes that were sent."""
    return [(vote.kind, vote.round_, vote.header_hash) for vote in sent(out) if isinstance(vote, Vote)]


def sent(out: list[Output]) -> list[Message]:
    return [output.message for output in out if isinstance(output, Broadcast)]


def decided(out: list[Output]) -> Decided | None:
    return next((output for output in out if isinstance(output, Decided)), None)


def reports(out: list[Output]) -> list[str]:
    return [output.name for output in out if isinstance(output, Report)]


def timer(out: list[Output], name: str) -> int | None:
    """When a timer is set to, ms."""
    times = [
        effect.at_ms for effect in out if isinstance(effect, SetTimer) and effect.name == f"consensus/{name}"
    ]
    return times[-1] if times else None


def forged(vote: Vote) -> Vote:
    return replace(vote, signature=bytes(64))
