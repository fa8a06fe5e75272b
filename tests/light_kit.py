"""Servers, a client and time: a chain of several epochs, served to a light client over the simulated network.

The chain is made beforehand, by the rules; a server shows a block from the time of its header on. Each server runs the
miner's own serving code over the miner's own ledger, so that what a client gets here is what it gets in the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from light_client.client.client import LightClient
from light_client.client.news import BlockVerified, Halted, Output
from light_client.client.params import TAKEN, TIMERS, ClientParams
from light_client.messages.chain import CertifiedBlock
from light_client.messages.codec import decode_message, type_number_of
from light_client.rules.crypto import sign, verify
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.light import TrustedState
from light_client.session.actor import (
    Actor,
    Effect,
    Event,
    PeerName,
    Received,
    Send,
    SetTimer,
    Started,
    Storage,
    TimerFired,
)
from light_client.store import trust
from testbed.adversaries.disguise import told
from testbed.adversaries.fork_server import sign_all
from testbed.miner.ledger import Ledger
from testbed.miner.serving import Server
from testbed.network.faults import NO_FAULTS, Faults, Link
from testbed.network.memory import MemoryStorage
from testbed.network.simulator import Simulator
from tests.epoch_kit import CANDIDATES, SECRETS, finish_epoch, pass_intervals, registry, report
from tests.ledger_kit import Chain, genesis

SERVERS = ("server-0", "server-1", "server-2")
METER = "meter"
MINUTE_MS = 60_000
EPOCH = EpochParams(blocks=6, seats=4, min_seats=4, history=2)


def sign_for(public_key: bytes, message: bytes) -> bytes:
    """Sign with anybody's key."""
    return sign(SECRETS[public_key], message)


def certified(chain: Chain, committees: list[Committee]) -> list[CertifiedBlock]:
    """Return the blocks of a chain, each signed by everybody who was to sign it."""
    return [
        CertifiedBlock(
            header=block.header,
            certificate=sign_all(chain.chain_id, block.header, committee, sign_for, block.header.round_),
            body=block.body.encode(),
        )
        for block, committee in zip(chain.blocks, committees, strict=True)
    ]


@cache
def epochs(count: int = 4) -> tuple[Genesis, tuple[CertifiedBlock, ...]]:
    """Return a chain of some epochs, in which reports bring other candidates into the committee each time."""
    chain = Chain(genesis(epochs=EPOCH, registry=registry()))
    committees: list[Committee] = []

    def note() -> None:
        committees.extend([chain.state.committee] * (len(chain.blocks) - len(committees)))

    for epoch in range(count):
        before = chain.state.committee
        pass_intervals(chain, 2)
        best = CANDIDATES[epoch % 5 : epoch % 5 + 4]
        chain.add(report(chain, dict.fromkeys(best, (10, 10))))
        finish_epoch(chain)
        committees.extend([before] * (len(chain.blocks) - len(committees)))
    note()
    return chain.genesis, tuple(certified(chain, committees))


class BlockServer:
    """Shows the blocks of a chain as their time comes."""

    def __init__(self, name: PeerName, start: Genesis, blocks: Iterable[CertifiedBlock]) -> None:
        self.name = name
        self.ledger = Ledger(start, MemoryStorage(), verify)
        self.server = Server(self.ledger)
        self.waiting = list(blocks)
        self.asked: list[str] = []
        """Kinds of the requests that came, in order."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Adopt what is due, then answer."""
        effects: list[Effect] = []
        while self.waiting and self.waiting[0].header.time_ms <= now_ms:
            block = self.waiting.pop(0)
            self.ledger.adopt(block)
            effects += self.server.announce(block, now_ms)
        if self.waiting:
            effects.append(SetTimer(name="due", at_ms=self.waiting[0].header.time_ms))
        if isinstance(event, Received):
            try:
                request = decode_message(event.message)
                self.asked.append(type(request).__name__)
                answer = self.server.answer(request, event.peer, now_ms)
            except RuleViolation:
                return effects
            if answer is not None:
                effects.append(told(event.peer, answer))
        return effects


class ClientActor:
    """A light client and nothing else."""

    name = METER

    def __init__(self, client: LightClient) -> None:
        self.client = client
        self.news: list[Any] = []
        self.heights: list[int] = []
        """Heights of the blocks verified, in order."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Hand events over, and note the news."""
        outputs: list[Output] = []
        match event:
            case Started():
                outputs = self.client.start(now_ms)
            case TimerFired(name=name) if name in TIMERS:
                outputs = self.client.woken(name, now_ms)
            case Received(peer=peer, message=raw) if type_number_of(raw) in TAKEN:
                outputs = self.client.received(peer, raw, now_ms)
        effects: list[Effect] = []
        for output in outputs:
            if isinstance(output, BlockVerified):
                self.heights.append(output.header.height)
            elif isinstance(output, Halted):
                self.news.append(output)
            elif not hasattr(output, "address"):
                effects.append(output)
        return effects


Dress = Callable[[Actor, Ledger], Actor]
"""Puts an adversary over a server."""


@dataclass(kw_only=True)
class World:
    """A client among servers, in virtual time."""

    start: Genesis
    blocks: tuple[CertifiedBlock, ...]
    dresses: dict[PeerName, Dress] = field(default_factory=dict)
    params: ClientParams = field(default_factory=ClientParams)
    faults: Faults = NO_FAULTS
    link: Link = field(default_factory=lambda: Link(min_delay_ms=20, jitter_ms=30))
    servers: tuple[PeerName, ...] = SERVERS
    start_ms: int | None = None
    seed: int = 1
    remembered: tuple[TrustedState, ...] = ()
    """What the client finds on disk at its first start."""

    def __post_init__(self) -> None:
        """Set the servers and the client up."""
        began = self.blocks[0].header.time_ms - 1 if self.start_ms is None else self.start_ms
        self.simulator = Simulator(seed=self.seed, start_ms=began, link=self.link, faults=self.faults)
        self.sent: list[tuple[PeerName, Send]] = []
        self.simulator.on_send = lambda peer, send: self.sent.append((peer, send))
        self.block_servers: dict[PeerName, BlockServer] = {}
        for name in self.servers:
            self.simulator.add(name, self._server(name))
        self.simulator.add(METER, self._client)

    def _server(self, name: PeerName) -> Callable[[Storage], Actor]:
        def build(_: Storage) -> Actor:
            inner = BlockServer(name, self.start, self.blocks)
            self.block_servers[name] = inner
            dress = self.dresses.get(name)
            return inner if dress is None else dress(inner, inner.ledger)

        return build

    def _client(self, storage: Storage) -> Actor:
        assert isinstance(storage, MemoryStorage)
        self.storage = storage
        if self.remembered and storage.get(trust.TABLE, b"trust") is None:
            storage.apply([trust.remember(self.remembered)])
        self.client = LightClient(
            self.start,
            servers=self.servers,
            storage=storage,
            chance=Random(f"{self.seed}/client"),
            params=self.params,
        )
        self.actor = ClientActor(self.client)
        return self.actor

    def run(self, until_ms: int) -> World:
        """Let time pass."""
        self.simulator.run(until_ms)
        return self

    @property
    def end_ms(self) -> int:
        """The time of the last block, and an hour."""
        return self.blocks[-1].header.time_ms + 60 * MINUTE_MS
