"""Small worlds in which the committee is elected, and what must hold in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from light_client.messages.codec import decode_message
from light_client.messages.consensus import Vote
from light_client.rules.crypto import public_key_of
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.state import check_state_conserves
from light_client.session.actor import PeerName, Send
from testbed.miner.ledger import Ledger
from testbed.miner.miner import Miner
from testbed.miner.params import MinerParams
from testbed.network.faults import NO_FAULTS, Faults, Link
from testbed.network.simulator import Seen, Simulator
from tests.epoch_kit import broken_succession
from tests.testbed.miner.chains import (
    START_MS,
    Client,
    busy_plan,
    committee_of,
    miners_of,
    name_of,
    secret,
    small_genesis,
)

LINK = Link(min_delay_ms=5, jitter_ms=15)
EPOCHS = EpochParams(blocks=4, seats=4, min_seats=4)
PARAMS = MinerParams(
    batch_ms=300,
    checkpoint_blocks=3,
    snapshot_blocks=3,
    chunk_records=2,
    snapshot_gap=6,
    join_ms=1_000,
    heartbeat_ms=2_000,
)


@dataclass
class Watcher:
    """Sees what everybody decides, signs and reports."""

    headers: dict[int, dict[bytes, Header]] = field(default_factory=dict)
    votes: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def report(self, seen: Seen) -> None:
        if isinstance(seen.value, Header) and seen.name == "block":
            self.headers.setdefault(seen.value.height, {})[seen.value.hash()] = seen.value
        else:
            self.seen.append(seen)

    def send(self, sender: PeerName, send: Send) -> None:
        if send.message[1] != 2:
            return
        vote = decode_message(send.message)
        if isinstance(vote, Vote):
            key = (vote.seat, vote.kind, vote.height, vote.round_)
            if self.votes.setdefault(key, vote.header_hash) != vote.header_hash:
                self.contradictions.append(f"seat {vote.seat} signed twice: {key}, sent by {sender}")

    def named(self, name: str, node: PeerName | None = None) -> list[Seen]:
        """Return the reports of a name."""
        return [seen for seen in self.seen if seen.name == name and node in (None, seen.node)]

    def chain(self) -> list[Header]:
        """Return the one chain, as far as its start was seen; two blocks of a height are an error."""
        assert all(len(found) == 1 for found in self.headers.values()), "two blocks of one height"
        return [next(iter(self.headers[height].values())) for height in sorted(self.headers)]


def world(
    *,
    candidates: int = 6,
    epochs: EpochParams = EPOCHS,
    faults: Faults = NO_FAULTS,
    classes: dict[int, type[Miner]] | None = None,
    params: MinerParams = PARAMS,
    seed: int = 3,
    intervals: int = 1,
) -> tuple[Simulator, Watcher, Genesis]:
    """Return miners that elect a committee among themselves, with users that keep them busy."""
    genesis = small_genesis(epochs=epochs, candidates=candidates)
    simulator = committee_of(genesis, seed=seed, link=LINK, faults=faults, params=params, classes=classes)
    plan = busy_plan(genesis, Random(seed), prosumers=24, intervals=intervals)
    simulator.add("client", lambda _: Client(name="client", plan=plan, miners=4))
    watcher = Watcher()
    simulator.on_report, simulator.on_send = watcher.report, watcher.send
    return simulator, watcher, genesis


def miner(simulator: Simulator, number: int) -> Miner:
    """Return a miner that is up."""
    found = simulator.actor(name_of(number))
    assert isinstance(found, Miner)
    return found


def ledgers(simulator: Simulator, genesis: Genesis) -> list[Ledger]:
    """Return the ledgers of all miners that are up."""
    found = [simulator.actor(name_of(number)) for number in range(miners_of(genesis))]
    return [each.ledger for each in found if isinstance(each, Miner)]


def check(simulator: Simulator, watcher: Watcher, genesis: Genesis, *, at_least: int = 8) -> list[Header]:
    """Hold a world to what must be true of it, and return its chain."""
    chain = watcher.chain()
    assert list(broken_succession(chain, genesis.epochs)) == []
    assert watcher.contradictions == []
    stand = ledgers(simulator, genesis)
    heights = [ledger.height for ledger in stand]
    assert max(heights) - min(heights) <= 1, heights
    assert min(heights) >= at_least, heights
    for ledger in stand:
        check_state_conserves(ledger.state)
        assert ledger.tip.header_hash in watcher.headers[ledger.height]
    return chain


def key_of(number: int) -> bytes:
    """Return the public key of a miner."""
    return public_key_of(secret(1, number))


END_MS = START_MS + 75_000
