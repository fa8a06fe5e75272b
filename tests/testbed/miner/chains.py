"""A small chain for tests: genesis, keys, a client that acts for all users, and a simulated committee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from light_client.messages.codec import decode_message, encode_message
from light_client.messages.submission import SubmitTx, TxResult
from light_client.rules.crypto import address_of, public_key_of, sign
from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.genesis import ChainParams, Genesis
from light_client.rules.ledger.registry import MinerRegistry
from light_client.rules.ledger.transactions import (
    Asset,
    GrantAssets,
    PostOffer,
    SignedTransaction,
    Transaction,
    sign_transaction,
)
from light_client.rules.market.grid import Feeder
from light_client.rules.market.offer import Offer
from light_client.rules.market.params import MarketParams
from light_client.rules.units import Address, FeederId, Side
from light_client.session.actor import (
    Effect,
    Event,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    Storage,
    TimerFired,
)
from testbed.miner.miner import Miner
from testbed.miner.params import MinerParams
from testbed.network.faults import NO_FAULTS, Faults, Link
from testbed.network.simulator import Simulator

INTERVAL_S = 60
START_S = 1_800_000_000
START_MS = START_S * 1_000
FIRST_INTERVAL = START_S // INTERVAL_S
DSO_SECRET = bytes(31) + b"\x01"
ENERGY_J = 3_600_000


def secret(kind: int, number: int) -> bytes:
    """A key of a test chain."""
    return bytes(30) + bytes((kind, number + 1))


def name_of(seat: int) -> str:
    return f"miner-{seat}"


def small_genesis(
    miners: int = 4,
    weights: Sequence[int] | None = None,
    *,
    epochs: EpochParams | None = None,
    candidates: int = 0,
) -> Genesis:
    """Return a chain of some miners; with candidates, that many miners are registered and elections are held."""
    seats = weights or [1] * miners
    members = tuple(
        Member(public_key=public_key_of(secret(1, seat)), weight=weight) for seat, weight in enumerate(seats)
    )
    return Genesis(
        name="test",
        genesis_time_ms=START_MS - 1_000,
        first_interval=FIRST_INTERVAL,
        market=MarketParams(interval_s=INTERVAL_S, horizon=16, expiry_weight=16),
        feeders=(Feeder(feeder=FeederId(0), c_ext_w=10_000), Feeder(feeder=FeederId(1), c_ext_w=10_000)),
        dso_key=public_key_of(DSO_SECRET),
        committee=Committee(members=members),
        chain=ChainParams(solve_deadline_ms=10_000),
        epochs=epochs or EpochParams(),
        registry=MinerRegistry(
            threshold=1,
            keys=(public_key_of(secret(4, 0)),),
            candidates=tuple(sorted(public_key_of(secret(1, seat)) for seat in range(candidates))),
        )
        if candidates
        else None,
    )


def miners_of(genesis: Genesis) -> int:
    """How many miners there are, those without a seat included."""
    elected = len(genesis.committee.members)
    return elected if genesis.registry is None else max(elected, len(genesis.registry.candidates))


def signer_of(key: bytes) -> Callable[[bytes], bytes]:
    return lambda message: sign(key, message)


def build_miner(
    genesis: Genesis, seat: int, storage: Storage, params: MinerParams | None = None, cls: type[Miner] = Miner
) -> Miner:
    key = secret(1, seat)
    return cls(
        name=name_of(seat),
        genesis=genesis,
        public_key=public_key_of(key),
        signer=signer_of(key),
        miners=tuple(name_of(number) for number in range(miners_of(genesis))),
        storage=storage,
        params=params,
    )


def address(prosumer: int) -> Address:
    return Address(address_of(public_key_of(secret(2, prosumer))))


def grant(genesis: Genesis, sequence: int, prosumers: Sequence[int]) -> SignedTransaction:
    """The grid operator grants energy and money to some prosumers."""
    assets = [
        Asset(
            address=address(prosumer),
            feeder=FeederId(prosumer % 2),
            first_interval=FIRST_INTERVAL,
            last_interval=FIRST_INTERVAL + 1_000,
            production_j=ENERGY_J,
            consumption_j=ENERGY_J,
            money_uc=10_000_000,
        )
        for prosumer in prosumers
    ]
    batch = GrantAssets(sequence=sequence, assets=tuple(sorted(assets, key=lambda asset: asset.address)))
    return sign_transaction(batch, genesis.chain_id(), DSO_SECRET)


def offer(
    genesis: Genesis, prosumer: int, interval: int, *, sequence: int = 0, side: Side | None = None
) -> SignedTransaction:
    """A prosumer offers for one interval: even numbers sell, odd ones buy."""
    chosen = Side(prosumer % 2) if side is None else side
    post: Transaction = PostOffer(
        sequence=sequence,
        offer=Offer(
            side=chosen,
            feeder=FeederId(prosumer % 2),
            energy_j=360_000,
            ranges=((interval, interval),),
            price_uc_per_kwh=100_000 + 10_000 * int(chosen),
            address=address(prosumer),
        ),
    )
    return sign_transaction(post, genesis.chain_id(), secret(2, prosumer))


@dataclass
class Client:
    """Hands transactions in at their times, to miners in turn, until one is accepted; a test's users."""

    name: str
    plan: list[tuple[int, SignedTransaction]]
    miners: int
    answers: dict[bytes, TxResult] = field(default_factory=dict)
    retry_ms: int = 1_500
    tries: int = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        if isinstance(event, Received):
            message = decode_message(event.message)
            if isinstance(message, TxResult):
                self.answers[message.tx_id] = message
                return [Report(name="answer", value=message)]
            return []
        if isinstance(event, Started | TimerFired):
            return self._hand_in(now_ms)
        return []

    def _hand_in(self, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        for at_ms, signed in self.plan:
            known = self.answers.get(signed.tx_id())
            if at_ms <= now_ms and (known is None or not known.accepted):
                peer = name_of(self.tries % self.miners)
                self.tries += 1
                effects.append(Send(peer=peer, message=encode_message(SubmitTx(raw=signed.raw))))
        effects.append(SetTimer(name="again", at_ms=now_ms + self.retry_ms))
        return effects


def busy_plan(
    genesis: Genesis, rng: Random, *, prosumers: int, intervals: int
) -> list[tuple[int, SignedTransaction]]:
    """Grants first, then one offer per prosumer and interval at a random time."""
    plan = [(START_MS + 100, grant(genesis, 0, range(prosumers)))]
    for number in range(intervals):
        opens_ms = START_MS + number * INTERVAL_S * 1_000 + 2_000
        for prosumer in range(prosumers):
            at_ms = opens_ms + rng.randrange(INTERVAL_S * 1_000 - 12_000)
            signed = offer(genesis, prosumer, FIRST_INTERVAL + number + 1, sequence=number)
            plan.append((at_ms, signed))
    return plan


def committee_of(
    genesis: Genesis,
    *,
    seed: int,
    link: Link | None = None,
    faults: Faults = NO_FAULTS,
    params: MinerParams | None = None,
    classes: dict[int, type[Miner]] | None = None,
    count: int | None = None,
) -> Simulator:
    """A simulator with every miner of the genesis, or so many of them."""
    simulator = Simulator(seed=seed, start_ms=START_MS, link=link, faults=faults)
    for seat in range(miners_of(genesis) if count is None else count):
        cls = (classes or {}).get(seat, Miner)
        simulator.add(
            name_of(seat),
            lambda storage, seat=seat, cls=cls: build_miner(genesis, seat, storage, params, cls),  # type: ignore[misc]
        )
    return simulator
