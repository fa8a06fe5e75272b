"""Servers that deceive light clients: an honest miner inside, and something else in what it tells its followers.

    stale        shows nothing that is newer than when it began
    withholding  says that there is more, and never hands it over
    garbling     answers with bytes that are no message, too long ones, or its answers cut short
    lying        sends altered trades, balances and headers with the proofs and signatures of the true ones
    slow         answers when nobody waits any more
    forking      holds the keys of the whole committee, and shows meters a chain of its own (`fork_server`)

What miners tell each other is left as it is, so that the chain itself goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Final

from light_client.messages.anchors import HistoryMessage
from light_client.messages.chain import Blocks, CertifiedBlock, NewBlock, Unavailable, UpdateMessage
from light_client.messages.codec import Message, decode_message
from light_client.messages.proofs import AccountMessage, TradesMessage
from light_client.rules.light import Update
from light_client.session.actor import Actor, Effect, Event, PeerName, Send, SetTimer, TimerFired
from testbed.adversaries.disguise import Window, told

_LONG_BYTES: Final = 3 << 20
_LATE: Final = "late answers"
_LATE_MS: Final = 120_000


class HostileServer(ABC):
    """Passes events in, and twists what goes out to anybody but the miners."""

    def __init__(self, inner: Actor, window: Window, miners: Iterable[PeerName], chance: Random) -> None:
        self.name = inner.name
        self.inner = inner
        """The honest miner."""
        self._window = window
        self._miners = frozenset(miners)
        self._chance = chance
        self._now_ms = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React as the honest miner does, and deceive its followers about it."""
        effects: list[Effect] = []
        for effect in self.inner.handle(event, now_ms):
            if isinstance(effect, Send) and effect.peer not in self._miners and self._window.holds(now_ms):
                self._now_ms = now_ms
                effects += self.deceive(effect)
            else:
                effects.append(effect)
        return effects

    @abstractmethod
    def deceive(self, send: Send) -> list[Effect]:
        """What a follower is told instead."""


class StaleServer(HostileServer):
    """Stands still: the newest block that it showed first remains the newest for ever."""

    _stop: int | None = None
    """The last height that it shows."""

    def deceive(self, send: Send) -> list[Effect]:
        """Cut everything off at the height where it began."""
        message = decode_message(send.message)
        shown = _heights(message)
        if self._stop is None and shown:
            self._stop = min(shown)
        stop = self._stop or 0
        match message:
            case Blocks():
                kept = tuple(block for block in message.blocks if block.header.height <= stop)
                return [told(send.peer, Blocks(blocks=kept))]
            case UpdateMessage():
                updates = tuple(update for update in message.updates if update.header.height <= stop)
                answer: Message = (
                    UpdateMessage(updates=updates) if updates else Unavailable(request=8, height=stop)
                )
                return [told(send.peer, answer)]
            case NewBlock() if message.header.height > stop:
                return []
        return [send]


class WithholdingServer(HostileServer):
    """Announces every block and hands none over."""

    def deceive(self, send: Send) -> list[Effect]:
        """Say that there is something, and keep it."""
        message = decode_message(send.message)
        if isinstance(message, NewBlock | UpdateMessage):
            return [send]
        if isinstance(message, Blocks):
            pushed = [
                told(send.peer, NewBlock(header=block.header, certificate=block.certificate))
                for block in message.blocks[-1:]
            ]
            return [*pushed, told(send.peer, Blocks(blocks=()))]
        return []


class GarblingServer(HostileServer):
    """Sends bytes that mean nothing, or far too many."""

    def deceive(self, send: Send) -> list[Effect]:
        """Replace a message by one of four kinds of rubbish."""
        raw = send.message
        rubbish = (
            self._chance.randbytes(self._chance.randrange(200)),
            raw[: self._chance.randrange(len(raw))],
            raw[:2] + bytes(_LONG_BYTES),
            raw + b"\x00",
        )
        return [Send(peer=send.peer, message=self._chance.choice(rubbish))]


class LyingServer(HostileServer):
    """Alters what it sends, and leaves proofs and signatures as they were."""

    def deceive(self, send: Send) -> list[Effect]:
        """Change one thing in each message."""
        return [told(send.peer, _altered(decode_message(send.message)))]


class SlowServer(HostileServer):
    """Keeps every answer until nobody waits for it any more."""

    def __init__(self, inner: Actor, window: Window, miners: Iterable[PeerName], chance: Random) -> None:
        super().__init__(inner, window, miners, chance)
        self._late: list[tuple[int, Send]] = []

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Send what is late enough; let everything else pass in."""
        if event != TimerFired(name=_LATE):
            return super().handle(event, now_ms)
        ripe = [send for at_ms, send in self._late if at_ms <= now_ms]
        self._late = [row for row in self._late if row[0] > now_ms]
        return [*ripe, *self._alarm()]

    def deceive(self, send: Send) -> list[Effect]:
        """Put a message off."""
        self._late.append((self._now_ms + _LATE_MS, send))
        return self._alarm()

    def _alarm(self) -> list[Effect]:
        return [SetTimer(name=_LATE, at_ms=self._late[0][0])] if self._late else []


def _heights(message: Message) -> list[int]:
    match message:
        case Blocks():
            return [block.header.height for block in message.blocks]
        case UpdateMessage():
            return [update.header.height for update in message.updates]
        case NewBlock():
            return [message.header.height]
    return []


def _altered(message: Message) -> Message:
    """The message with something in it that its proof does not cover."""
    altered: Message = message
    match message:
        case Blocks():
            altered = Blocks(blocks=tuple(map(_altered_block, message.blocks)))
        case NewBlock():
            header = replace(message.header, time_ms=message.header.time_ms + 1)
            altered = NewBlock(header=header, certificate=message.certificate)
        case UpdateMessage():
            altered = UpdateMessage(updates=tuple(map(_altered_update, message.updates)))
        case HistoryMessage():
            altered = replace(message, inclusion=message.inclusion[:-1], consistency=())
        case TradesMessage():
            trades = tuple(
                replace(row, trade=row.trade._replace(amount_uc=row.trade.amount_uc + 1))
                for row in message.trades
            )
            altered = replace(message, trades=trades)
        case AccountMessage() if message.account.record is not None:
            record = message.account.record[:-1] + bytes((message.account.record[-1] ^ 1,))
            altered = replace(message, account=replace(message.account, record=record))
    return altered


def _altered_block(block: CertifiedBlock) -> CertifiedBlock:
    return replace(block, header=replace(block.header, time_ms=block.header.time_ms + 1))


def _altered_update(update: Update) -> Update:
    return replace(update, header=replace(update.header, time_ms=update.header.time_ms + 1))


DISGUISES: Final[dict[str, Callable[[Actor, Window, Iterable[PeerName], Random], HostileServer]]] = {
    "stale": StaleServer,
    "withholds": WithholdingServer,
    "garbles": GarblingServer,
    "lies": LyingServer,
    "slow": SlowServer,
}
"""What a server may do to its followers; forking needs the committee's keys besides, see ``fork_server``."""
