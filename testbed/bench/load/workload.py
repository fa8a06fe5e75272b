"""What a load run consists of: a chain of four miners, funded addresses, and offers that were signed beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from light_client.rules.crypto import address_of, public_key_of, sign
from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import (
    MAX_GRANTS,
    Asset,
    GrantAssets,
    PostOffer,
    SignedTransaction,
    sign_transaction,
)
from light_client.rules.market.grid import Feeder
from light_client.rules.market.offer import Offer
from light_client.rules.market.params import MarketParams
from light_client.rules.units import LOT_J, Address, FeederId, Side
from light_client.session.actor import PeerName, Storage
from testbed.miner.miner import Miner
from testbed.miner.params import MinerParams

MINERS = 4
INTERVAL_S = 3_600
FEEDERS = 8
_DSO, _MINER, _HOME = 1, 2, 3
_DAYS_MONEY_UC = 1_000_000_000


def secret_of(role: int, number: int) -> bytes:
    """A key of a load run: worthless elsewhere."""
    return bytes(23) + bytes((role,)) + (number + 1).to_bytes(8, "big")


def miner_secret(seat: int) -> bytes:
    """The key of a miner."""
    return secret_of(_MINER, seat)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A chain and what is handed in to it. No gate closes during a run, so that only the ledger is measured."""

    start_ms: int
    """When the chain begins, UTC ms."""
    addresses: int
    """How many addresses post; each has a key and a grant of its own."""
    offers_each: int
    """Offers of one address, one after the other."""
    batch_ms: int
    """How long a block collects."""

    @property
    def offers(self) -> int:
        """How many offers there are."""
        return self.addresses * self.offers_each

    @cached_property
    def first_interval(self) -> int:
        """First interval that could be cleared; its gate closes long after any run."""
        return self.start_ms // (INTERVAL_S * 1_000) + 48

    @cached_property
    def genesis(self) -> Genesis:
        """The chain's first agreement."""
        members = (Member(public_key=public_key_of(miner_secret(seat))) for seat in range(MINERS))
        return Genesis(
            name="test-load",
            genesis_time_ms=self.start_ms - 1,
            first_interval=self.first_interval,
            market=MarketParams(interval_s=INTERVAL_S, horizon=24, expiry_weight=24),
            feeders=tuple(Feeder(feeder=FeederId(number), c_ext_w=1_000_000) for number in range(FEEDERS)),
            dso_key=public_key_of(secret_of(_DSO, 0)),
            committee=Committee(members=tuple(members)),
        )

    @property
    def miner_names(self) -> tuple[PeerName, ...]:
        """Names of the miners in the order of their seats."""
        return tuple(f"miner-{seat}" for seat in range(MINERS))

    def miner(self, seat: int, storage: Storage) -> Miner:
        """A member of the committee."""
        key = miner_secret(seat)
        return Miner(
            name=self.miner_names[seat],
            genesis=self.genesis,
            public_key=public_key_of(key),
            signer=lambda message: sign(key, message),
            miners=self.miner_names,
            storage=storage,
            params=MinerParams(batch_ms=self.batch_ms),
        )

    def home(self, number: int) -> Address:
        """Address of a home."""
        return Address(address_of(public_key_of(secret_of(_HOME, number))))

    def assets(self) -> list[Asset]:
        """What every address is granted."""
        return [self._asset(number) for number in range(self.addresses)]

    def grants(self) -> list[SignedTransaction]:
        """Assets for all addresses, in batches as the operator sends them."""
        assets = self.assets()
        batches = range(0, len(assets), MAX_GRANTS)
        return [
            self._grant(number, assets[first : first + MAX_GRANTS]) for number, first in enumerate(batches)
        ]

    def _grant(self, sequence: int, assets: Sequence[Asset]) -> SignedTransaction:
        ordered = tuple(sorted(assets, key=lambda asset: asset.address))
        batch = GrantAssets(sequence=sequence, assets=ordered)
        return sign_transaction(batch, self.genesis.chain_id(), secret_of(_DSO, 0))

    def _asset(self, number: int) -> Asset:
        return Asset(
            address=self.home(number),
            feeder=FeederId(number % FEEDERS),
            first_interval=self.first_interval,
            last_interval=self.first_interval + 23,
            production_j=self.offers_each * LOT_J * 100,
            consumption_j=self.offers_each * LOT_J * 100,
            money_uc=_DAYS_MONEY_UC,
        )

    def offer(self, home: int, sequence: int) -> SignedTransaction:
        """An offer: even homes sell, odd ones buy, for one of the open intervals."""
        interval = self.first_interval + (home + sequence) % 8
        side = Side(home % 2)
        offer = Offer(
            side=side,
            feeder=FeederId(home % FEEDERS),
            energy_j=LOT_J * (1 + (home + sequence) % 100),
            ranges=((interval, interval),),
            price_uc_per_kwh=100_000 + 10_000 * int(side) + 1_000 * (home % 10),
            address=self.home(home),
        )
        post = PostOffer(sequence=sequence, offer=offer)
        return sign_transaction(post, self.genesis.chain_id(), secret_of(_HOME, home))

    def offers_raw(self) -> list[bytes]:
        """All offers, signed, in the order in which they are handed in: the first of every address, the second, ..."""
        turns = range(self.offers_each)
        return [self.offer(home, sequence).raw for sequence in turns for home in range(self.addresses)]
