"""The actor that loads a committee: it hands offers in as any client does, and waits for the blocks they are in.

It is the same in virtual time and over sockets. It ends by itself: everything final, or its patience over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from light_client.messages.chain import Announce, Blocks, CertifiedBlock, Subscribe
from light_client.messages.codec import decode_message, encode_message
from light_client.messages.submission import SubmitTx, TxResult
from light_client.rules.crypto import verify
from light_client.rules.ledger.block import body_from_bytes, body_matches
from light_client.rules.ledger.committee import check_quorum
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import signer_of
from light_client.session.actor import (
    Effect,
    Event,
    PeerName,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    TimerFired,
)
from testbed.bench.load.figures import Finals
from testbed.miner.mempool import tx_id_of

_TICK_MS = 20
_PAUSE_MS = 1_000
"""Between the last grant's block and the first offer."""
_GRANT_AGAIN_MS = 3_000
_BURST = 256
"""Most offers handed in at one tick: four queues of a transport take them without dropping any."""
_SILENCE_MS = 3_000
"""After how long something is handed in again that was not answered: it may have been dropped on the way."""
_AGAIN_MS = 500
"""After how long something is handed in again that came before what it follows."""
Row: TypeAlias = tuple[bytes, PeerName, bytes]
"""Identity of an offer, who gets it, and the message."""
BEGUN, FINAL, DONE, FAILED = "load.begun", "load.final", "load.done", "load.failed"
"""Reports: the first offer left, so many are final, all of them are, nothing has become final for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the offers are handed in."""

    per_second: int
    """Offers handed in per second of the driver's clock, over all miners."""
    window: int
    """Most offers under way; beyond it the client waits, as one that looks at the answers does."""
    warm_up_ms: int = 2_000
    patience_ms: int = 60_000
    """How long nothing may become final before the run is given up."""


class LoadClient:
    """Hands in grants, then offers, to the miners in turn."""

    def __init__(
        self,
        name: PeerName,
        genesis: Genesis,
        servers: Sequence[PeerName],
        grants: Sequence[bytes],
        offers: Sequence[bytes],
        pace: Pace,
    ) -> None:
        """Prepare a run.

        Args:
            servers: the miners; blocks are taken from the first.
            grants: signed batches of grants, raw.
            offers: signed offers, raw, those of one address in ascending order; they all go to one miner.
        """
        self.name = name
        self.finals = Finals(warm_up_ms=pace.warm_up_ms)
        self.finished = False
        self._genesis = genesis
        self._servers = tuple(servers)
        self._pace = pace
        self._grants = {tx_id_of(raw): raw for raw in grants}
        self._waiting = deque(
            (
                tx_id_of(raw),
                self._servers[signer_of(raw)[-1] % len(servers)],
                encode_message(SubmitTx(raw=raw)),
            )
            for raw in offers
        )
        self._handed_in: dict[bytes, Row] = {}
        self._later: deque[tuple[int, Row]] = deque()
        """Until when something was put off, ms, and what."""
        self._silent: deque[tuple[int, Row]] = deque()
        """When something is handed in again unless it is answered by then, ms, and what."""
        self._unanswered: set[bytes] = set()
        self._begun = False
        self._owed = 0.0
        self._ticked_ms = 0
        self._progress_ms = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        match event:
            case Started():
                self._progress_ms = now_ms
                subscribe = encode_message(Subscribe(announce=Announce.BLOCKS, from_height=0))
                return [
                    Send(peer=self._servers[0], message=subscribe),
                    *self._send_grants(),
                    SetTimer(name="grants", at_ms=now_ms + _GRANT_AGAIN_MS),
                ]
            case TimerFired(name="grants"):
                again = SetTimer(name="grants", at_ms=now_ms + _GRANT_AGAIN_MS)
                return [*self._send_grants(), again] if self._grants else []
            case TimerFired():
                return self._tick(now_ms)
            case Received(message=raw):
                return self._received(raw, now_ms)

    def _send_grants(self) -> list[Effect]:
        return [
            Send(peer=self._servers[0], message=encode_message(SubmitTx(raw=raw)))
            for raw in self._grants.values()
        ]

    def _tick(self, now_ms: int) -> list[Effect]:
        """Hand in what is owed for the time since the last tick."""
        if self.finished:
            return []
        effects: list[Effect] = [SetTimer(name="tick", at_ms=now_ms + _TICK_MS)]
        if not self._begun:
            self._begun, self._ticked_ms, self._progress_ms = True, now_ms, now_ms
            effects.append(Report(name=BEGUN))
        if now_ms - self._progress_ms > self._pace.patience_ms:
            return self._finish(FAILED)
        self._owed += (now_ms - self._ticked_ms) * self._pace.per_second / 1_000
        self._ticked_ms = now_ms
        effects += self._again(now_ms)
        room = self._pace.window - len(self.finals.under_way)
        self._owed = min(self._owed, max(room, 0))
        while self._owed >= 1 and self._waiting and len(effects) < _BURST:
            self._owed -= 1
            row = self._waiting.popleft()
            tx_id, _, _ = row
            self._handed_in[tx_id] = row
            self.finals.submitted(tx_id, now_ms)
            effects.append(self._hand_in(row, now_ms))
        return effects

    def _again(self, now_ms: int) -> list[Effect]:
        """What was put off until now, and what was not answered."""
        again: list[Effect] = []
        for queue in (self._later, self._silent):
            while queue and queue[0][0] <= now_ms and len(again) < _BURST:
                _, row = queue.popleft()
                if queue is self._later or row[0] in self._unanswered:
                    again.append(self._hand_in(row, now_ms))
        return again

    def _hand_in(self, row: Row, now_ms: int) -> Effect:
        tx_id, server, message = row
        self._unanswered.add(tx_id)
        self._silent.append((now_ms + _SILENCE_MS, row))
        return Send(peer=server, message=message)

    def _received(self, raw: bytes, now_ms: int) -> list[Effect]:
        message = decode_message(raw)
        if isinstance(message, Blocks):
            for block in message.blocks:
                self._block(block, now_ms)
            return self._after_block(now_ms)
        if isinstance(message, TxResult):
            self._unanswered.discard(message.tx_id)
            return [] if message.accepted else self._refused(message, now_ms)
        return []

    def _refused(self, answer: TxResult, now_ms: int) -> list[Effect]:
        """Come again when the miner says; at once where an earlier offer of the same address was put off."""
        row = self._handed_in.get(answer.tx_id)
        pause_ms = answer.retry_ms or (_AGAIN_MS if answer.rule == "LED-09" else 0)
        if pause_ms and row is not None:
            self.finals.put_off += 1
            self._later.append((now_ms + pause_ms, row))
            return []
        return [Report(name="load.refused", value=(answer.rule, answer.reason))]

    def _block(self, block: CertifiedBlock, now_ms: int) -> None:
        """Believe a block as a follower does that knows the committee: a quorum signed it, and its body is that one."""
        body = body_from_bytes(block.body, self._genesis.chain)
        check_quorum(self._genesis.committee, self._genesis.chain_id(), block.certificate, verify)
        body_matches(block.header, body)
        tx_ids = [tx_id_of(raw) for raw in body.transactions]
        for tx_id in tx_ids:
            self._grants.pop(tx_id, None)
            self._handed_in.pop(tx_id, None)
            self._unanswered.discard(tx_id)
        if self.finals.block(tx_ids, now_ms):
            self._progress_ms = now_ms

    def _after_block(self, now_ms: int) -> list[Effect]:
        if not self._begun and not self._grants:
            return [SetTimer(name="tick", at_ms=now_ms + _PAUSE_MS)]
        if self._begun and not self.finished and not self._waiting and not self.finals.under_way:
            return self._finish(DONE)
        return [Report(name=FINAL, value=self.finals.done)]

    def _finish(self, name: str) -> list[Effect]:
        self.finished = True
        return [Report(name=name, value=self.finals.rate().document())]
