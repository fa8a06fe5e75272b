"""Who takes part in a scenario: keys, genesis, and a factory for each actor; the same for both drivers.

All secrets are derived from the scenario's seed, so that a run can be replayed. They protect nothing: the chain's
name begins with ``test-``, which no production genesis may use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

from firmware_app.device.device import Device
from firmware_app.identity.identity import SecretIdentity
from firmware_app.trading.meter import TradingMeter, always
from firmware_app.trading.params import MeterParams
from light_client.rules.crypto import CURVE_ORDER, public_key_of, sign
from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.delivery import REPORT_STEP_J
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.genesis import ChainParams, Genesis
from light_client.rules.ledger.registry import MinerRegistry
from light_client.rules.ledger.transactions import ReadTransaction, decode_transaction
from light_client.rules.market.params import MarketParams
from light_client.session.actor import PeerName, Storage
from light_client.wallet.wallet import Wallet
from testbed.dso.operator import Operator, OperatorParams
from testbed.dso.registry import Registration, Registry
from testbed.dso.reporting import Delivered
from testbed.fleet.planned_home import PlannedHome
from testbed.miner.miner import Miner
from testbed.miner.params import MinerParams
from testbed.scenarios.metering import MeterSource, MetersSection
from testbed.scenarios.model import Scenario
from testbed.solver.params import SolverParams

if TYPE_CHECKING:
    from testbed.fleet.metered_homes import MeteredHomes, Site
    from testbed.solver.service import SolverService

DSO = "dso"
CONNECTION_W = 200_000
"""Power that the emulated connections allow, W: the largest published prosumer feeds in 79 kW."""
CREDIT_UC = 10_000_000_000
"""Credit of an emulated prosumer, micro-currency."""


def meter_name(home_id: int) -> PeerName:
    """Name of the meter of a home, as the DSO knows it."""
    return f"meter-{home_id:04d}"


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Everybody in one scenario."""

    scenario: Scenario
    seed: int
    market: MarketParams
    miners: int = 4
    solvers: int = 1
    candidates: int = 0
    """Miners that may be elected; 0 for a committee that stays."""
    epoch_blocks: int = 1_024
    chain: ChainParams = field(default_factory=ChainParams)
    miner_params: MinerParams = field(default_factory=lambda: MinerParams(batch_ms=600_000))
    """By default a block collects offers for ten minutes, or until the last call before a gate."""
    meter_params: MeterParams = field(default_factory=MeterParams)
    warm_up_intervals: int = 8
    """How long before the first interval of the scenario everybody is started."""
    operator_params: OperatorParams = field(default_factory=OperatorParams)
    solver_params: SolverParams = field(default_factory=SolverParams)
    read: ReadTransaction = decode_transaction
    """How everybody reads transactions."""
    meters: MetersSection = field(default_factory=MetersSection)
    """Whether homes have electricity meters, and which."""
    homes: MeteredHomes | None = None
    """The electricity meters of this run; None where homes go by their plan."""

    def secret(self, role: str, number: int = 0) -> bytes:
        """A test key of this scenario: worthless elsewhere."""
        digest = sha256(
            f"gridlight test key/{self.scenario.name}/{self.seed}/{role}/{number}".encode()
        ).digest()
        return (int.from_bytes(digest, "big") % (CURVE_ORDER - 1) + 1).to_bytes(32, "big")

    def chance(self, role: str, number: int = 0) -> Random:
        """A reproducible source of randomness of one actor."""
        return Random(f"{self.seed}/{role}/{number}")  # noqa: S311 - emulated homes, not keys

    @cached_property
    def start_ms(self) -> int:
        """When the scenario begins: early enough for the grants that the first offers need, UTC ms."""
        return (self.scenario.first_interval - self.warm_up_intervals) * self.scenario.interval_s * 1_000

    @cached_property
    def end_ms(self) -> int:
        """When the last interval of the day is over, and one more for what follows it, UTC ms."""
        return (self.scenario.last_interval + 2) * self.scenario.interval_s * 1_000

    @cached_property
    def genesis(self) -> Genesis:
        """The chain's first agreement."""
        return Genesis(
            name=f"test-{self.scenario.name}-{self.seed}",
            genesis_time_ms=self.start_ms - 1,
            first_interval=self.scenario.first_interval,
            market=self.market,
            feeders=self.scenario.feeders,
            dso_key=public_key_of(self.secret("dso")),
            committee=Committee(
                members=tuple(Member(public_key=public_key) for public_key in self.miner_keys[: self.miners])
            ),
            chain=self.chain,
            epochs=EpochParams(blocks=self.epoch_blocks, seats=self.miners, min_seats=self.miners),
            registry=self._registry() if self.candidates else None,
        )

    def _registry(self) -> MinerRegistry:
        return MinerRegistry(
            threshold=2,
            keys=tuple(sorted(public_key_of(self.secret("registry", number)) for number in range(3))),
            candidates=tuple(sorted(self.miner_keys[: self.candidates])),
        )

    @cached_property
    def miner_keys(self) -> tuple[bytes, ...]:
        """Public keys of all miners, in the order of their names."""
        return tuple(public_key_of(self.secret("miner", number)) for number in range(len(self.miner_names)))

    def delivered(self, miner: bytes, first: int, last: int) -> tuple[int, int]:
        """What the plant of a miner promised and delivered over intervals, J: the first are the more reliable ones."""
        number = self.miner_keys.index(miner)
        promised_kwh = (10 + number) * (last - first + 1)
        short_percent = self.chance(f"delivery/{first}", number).randrange(5 + 10 * number)
        return promised_kwh * REPORT_STEP_J, promised_kwh * (100 - short_percent) // 100 * REPORT_STEP_J

    @cached_property
    def miner_names(self) -> tuple[PeerName, ...]:
        """Names of all miners, those of the first committee first, in the order of their seats."""
        return tuple(f"miner-{number}" for number in range(max(self.miners, self.candidates)))

    @cached_property
    def solver_names(self) -> tuple[PeerName, ...]:
        """Names of the solvers."""
        return tuple(f"solver-{number}" for number in range(self.solvers))

    @cached_property
    def meter_names(self) -> dict[PeerName, int]:
        """Name of each meter -> home id."""
        return {meter_name(home.home_id): home.home_id for home in self.scenario.homes}

    def metered(self) -> Cast:
        """The same with electricity meters of its own, where the scenario wants them: one run, one set of meters."""
        if self.meters.source is not MeterSource.READINGS:
            return self
        from testbed.fleet.metered_homes import MeteredHomes  # noqa: PLC0415 - loads all of meter_io

        return replace(self, homes=MeteredHomes(self.site()))

    def site(self) -> Site:
        """Where and when homes are metered.

        Raises:
            PlanError: a fault names a home or a kind that there is not.
        """
        from testbed.fleet.metered_homes import Site  # noqa: PLC0415 - loads all of meter_io

        return Site(
            scenario=self.scenario,
            section=self.meters,
            seed=self.seed,
            start_ms=self.start_ms,
            end_ms=self.end_ms,
        )

    def operator(self, storage: Storage, *, own_keys: Mapping[int, bytes] = MappingProxyType({})) -> Operator:
        """The DSO.

        Args:
            own_keys: home -> public key that its meter made itself, instead of that of the cast.
        """
        registrations = [
            Registration(
                meter_id=home.home_id,
                identity_key=own_keys.get(home.home_id) or public_key_of(self.secret("meter", home.home_id)),
                feeder=home.feeder,
                production_w=CONNECTION_W,
                consumption_w=CONNECTION_W,
                credit_uc=CREDIT_UC,
            )
            for home in self.scenario.homes
        ]
        params = self.operator_params
        delivered: Delivered = self.delivered
        if self.homes is not None:
            from testbed.fleet.reporting_homes import SETTLING, reported_by  # noqa: PLC0415 - loads all of meter_io

            params = replace(params, settling_intervals=SETTLING)
            delivered = reported_by(self, self.homes, lambda home_id: operator.trades.of(home_id))  # noqa: PLW0108 - it is built below
        operator = Operator(
            DSO,
            self.genesis,
            secret=self.secret("dso"),
            registry=Registry(registrations, self.scenario.interval_s),
            miners=self.miner_names,
            storage=storage,
            params=params,
            delivered=delivered if self.candidates else None,
        )
        return operator

    def miner(self, name: PeerName, storage: Storage) -> Miner:
        """A member of the committee."""
        secret = self.secret("miner", self.miner_names.index(name))
        return Miner(
            name=name,
            genesis=self.genesis,
            public_key=public_key_of(secret),
            signer=lambda message: sign(secret, message),
            miners=self.miner_names,
            storage=storage,
            params=self.miner_params,
            read=self.read,
        )

    def solver(self, name: PeerName, _storage: Storage) -> SolverService:
        """A solver: it keeps nothing, since everything it knows is on the ledger."""
        from testbed.solver.service import SolverService  # noqa: PLC0415 - loads numpy and scipy

        number = self.solver_names.index(name)
        secret = self.secret("solver", number)
        return SolverService(name, self.genesis, secret, self.miner_names, self.solver_params)

    def meter(self, name: PeerName, storage: Storage) -> Device:
        """A home's device; each starts with another miner as its server."""
        home_id = self.meter_names[name]
        seat = list(self.meter_names).index(name) % self.miners
        servers = self.miner_names[seat:] + self.miner_names[:seat]
        seed = sha256(self.secret("wallet", home_id)).digest()
        is_measured = always if self.homes is None else partial(self.homes.is_measured, home_id)
        trader = TradingMeter(
            name,
            self.genesis,
            identity=SecretIdentity(self.secret("meter", home_id)),
            wallet=Wallet(seed, self.genesis.chain_id(), storage),
            feeder=next(home.feeder for home in self.scenario.homes if home.home_id == home_id),
            servers=servers,
            operator=DSO,
            storage=storage,
            chance=self.chance("meter", home_id),
            client_chance=self.chance("client", home_id),
            params=self.meter_params,
            read=self.read,
            is_measured=is_measured,
        )
        home = PlannedHome((offer for offer in self.scenario.offers if offer.home_id == home_id), is_measured)
        return Device(
            trader,
            home,
            interval_s=self.scenario.interval_s,
            chance=self.chance("addresses", home_id),
        )
