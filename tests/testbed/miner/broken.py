"""Broken and dishonest miners, each with one thing wrong: what the campaign must catch, or survive."""

from __future__ import annotations

from light_client.messages.codec import decode_message, encode_message
from light_client.messages.consensus import Vote
from light_client.rules.ledger.committee import NIL, Committee
from light_client.session.actor import Effect, Event, Send, Write
from testbed.miner.consensus import Consensus
from testbed.miner.miner import Miner
from testbed.miner.wal import NO_LOCK


class HalfCommittee(Committee):
    """Takes half of the weight for a quorum."""

    def is_quorum(self, weight: int) -> bool:
        return 2 * weight >= self.total_weight


class NoLockConsensus(Consensus):
    """Forgets lock and valid block with every new round."""

    def _start_round(self, round_: int, now_ms: int) -> None:
        self._log.lock = NO_LOCK
        super()._start_round(round_, now_ms)


class ForgetfulMiner(Miner):
    """Does not write its log: votes again after a restart."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        effects = super().handle(event, now_ms)
        forgotten = ("vote", "proposal", "seen", "lock")
        return [effect for effect in effects if not (isinstance(effect, Write) and effect.table in forgotten)]


class TwoFacedMiner(Miner):
    """Tells some of the others the opposite of its vote, and the rest both, each with a good signature."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        return [said for effect in super().handle(event, now_ms) for said in self._twist(effect)]

    def _twist(self, effect: Effect) -> list[Effect]:
        if not isinstance(effect, Send) or effect.message[1] != 2:
            return [effect]
        vote = decode_message(effect.message)
        if not isinstance(vote, Vote) or vote.seat != self._seat.number:
            return [effect]
        other = NIL if vote.header_hash != NIL else bytes(31) + b"\x01"
        lie = self._seat.sign_vote(vote.kind, vote.height, vote.round_, other)
        sent = Send(peer=effect.peer, message=encode_message(lie))
        return [sent] if effect.peer < self.name else [effect, sent]


class SilentMiner(Miner):
    """Listens, and never says a word."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        return [effect for effect in super().handle(event, now_ms) if not isinstance(effect, Send)]
