"""Broken and dishonest miners, each with one thing wrong: what the campaign must catch, or survive."""

from __future__ import annotations

from dataclasses import replace

from light_client.messages.codec import decode_message, encode_message, number_of, type_number_of
from light_client.messages.consensus import Vote
from light_client.messages.snapshots import ChunkMessage, SnapshotMessage
from light_client.rules.ledger.committee import NIL, Committee, Member, VoteKind
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
        forgotten = ("vote", "proposal", "seen", "lock", "proof")
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


class TamperingMiner(Miner):
    """Serves snapshots in which one account is richer than it is."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        return [self._tamper(effect) for effect in super().handle(event, now_ms)]

    def _tamper(self, effect: Effect) -> Effect:
        if not isinstance(effect, Send):
            return effect
        message = decode_message(effect.message)
        if not isinstance(message, ChunkMessage) or not message.records:
            return effect
        first = message.records[0]
        forged = first._replace(value=first.value[:-1] + bytes((first.value[-1] ^ 1,)))
        wrong = replace(message, records=(forged, *message.records[1:]))
        return Send(peer=effect.peer, message=encode_message(wrong))


class GarblingMiner(Miner):
    """Answers requests for snapshots with bytes that are no message."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        effects = super().handle(event, now_ms)
        return [self._garble(effect) if isinstance(effect, Send) else effect for effect in effects]

    def _garble(self, effect: Send) -> Send:
        if type_number_of(effect.message) != number_of(SnapshotMessage):
            return effect
        return Send(peer=effect.peer, message=effect.message[:-1])


class UsurpingMiner(Miner):
    """Serves snapshots whose last change of committee its own quorum never signed: it names whom it likes."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        effects = super().handle(event, now_ms)
        return [self._usurp(effect) if isinstance(effect, Send) else effect for effect in effects]

    def _usurp(self, effect: Send) -> Send:
        message = decode_message(effect.message)
        if not isinstance(message, SnapshotMessage) or not message.turns:
            return effect
        last = message.turns[-1]
        friends = Committee(members=(Member(public_key=self._seat.public_key),))
        header = replace(last.header, next_committee_hash=friends.hash())
        vote = replace(self._seat, number=0).sign_vote(
            VoteKind.PRECOMMIT, header.height, header.round_, header.hash()
        )
        signed = replace(
            last.certificate,
            header_hash=header.hash(),
            round_=header.round_,
            bitmap=1,
            signatures=(vote.signature,),
        )
        turn = replace(last, header=header, certificate=signed, committee=friends)
        wrong = replace(message, turns=(*message.turns[:-1], turn))
        return Send(peer=effect.peer, message=encode_message(wrong))


class MuteServerMiner(Miner):
    """Takes part in everything, but never sends a part of a snapshot."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        mute = (number_of(SnapshotMessage), number_of(ChunkMessage))
        return [
            effect
            for effect in super().handle(event, now_ms)
            if not (isinstance(effect, Send) and type_number_of(effect.message) in mute)
        ]
