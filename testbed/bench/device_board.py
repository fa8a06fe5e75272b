"""A board of the device bench: the device's own actor with its meter, desk, forecast and stores, without sockets.

It is built out of a plain description, so that a process of its own can be one that has never loaded the tier. Nothing
in it is left to chance: what it is told decides what it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from firmware_app.bidding.bidder import Bidder
from firmware_app.bidding.settings import BiddingSettings, PrivacySettings
from firmware_app.config.schema import MeterSection, Role
from firmware_app.device.bidding_home import BiddingHome
from firmware_app.device.device import Device
from firmware_app.device.outlook import Outlook
from firmware_app.device.reporting import Reporting
from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.settings import ForecastSettings, Series
from firmware_app.identity.identity import SecretIdentity
from firmware_app.meters.desk import MeterDesk
from firmware_app.reconcile.deviation import ImbalancePrices
from firmware_app.reconcile.sealing import public_seal_key
from firmware_app.reconcile.settings import ReportSettings
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from firmware_app.trading.meter import TradingMeter
from light_client.rules.crypto import sign
from light_client.rules.encoding import decode
from light_client.rules.ledger.genesis import Genesis, genesis_from_wire
from light_client.session.actor import Effect, Event, SetTimer, Started, Storage, TimerFired
from light_client.wallet.wallet import Wallet
from meter_io.bus.dialogue import Said
from meter_io.bus.events import Round
from meter_io.intervals import IntervalEnergy
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL
from meter_io.profiles import load
from meter_io.reading import MeterId, Moment, TimeBasis, Unit, Value

POLL_MS: Final = 10_000
_READ: Final = "read"
_HOUSE: Final = MeterId("house")
_PROFILE: Final = "eastron-sdm630"
_TAUGHT_DAYS: Final = 7
_OPERATOR_SECRET: Final = bytes(range(32))
"""Of the one to whom reports are sealed; worthless elsewhere."""
_GENESIS_BYTES: Final = 4 << 20
_J_PER_WH: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSpec:
    """Everything that a board knows before it is switched on; JSON can carry it.

    Attributes:
        name: of the meter, as the DSO knows it.
        genesis, identity, seed: of chain, meter and wallet, in hexadecimal digits.
        feeder: where the home is.
        servers: miners to follow.
        operator: the DSO.
        net_j: load less generation of the home in the intervals of a day, J.
        chance: where its random numbers come from.
    """

    name: str
    genesis: str
    identity: str
    seed: str
    feeder: int
    servers: tuple[str, ...]
    operator: str
    net_j: tuple[int, ...]
    chance: str

    def read_genesis(self) -> Genesis:
        """The chain's first agreement."""
        return genesis_from_wire(decode(bytes.fromhex(self.genesis), max_bytes=_GENESIS_BYTES))


class Board:
    """An actor around the device's actor: its meter is read every ten seconds, its store looked after."""

    def __init__(self, spec: BoardSpec, folder: Path, storage: Storage) -> None:
        """Build it.

        Args:
            folder: of the history.
            storage: of the market part.
        """
        self.name = spec.name
        self._spec = spec
        self._now_ms = 0
        self._genesis = genesis = spec.read_genesis()
        self._length_ms = genesis.market.interval_s * 1_000
        self.store = DeviceStore(folder, StoreParams(), clock=self, boot_id="bench")
        self._home = self._home_of(genesis)
        trader = TradingMeter(
            spec.name,
            genesis,
            identity=SecretIdentity(bytes.fromhex(spec.identity)),
            wallet=Wallet(bytes.fromhex(spec.seed), genesis.chain_id(), storage),
            feeder=spec.feeder,
            servers=spec.servers,
            operator=spec.operator,
            storage=storage,
            chance=self._chance("trader"),
            client_chance=self._chance("client"),
            is_measured=self._home.is_measured,
        )
        self.device = Device(
            trader,
            self._home,
            interval_s=genesis.market.interval_s,
            chance=self._chance("addresses"),
            decide_after_ms=2 * POLL_MS,
        )

    def _chance(self, what: str) -> Random:
        return Random(f"{self._spec.chance}/{what}")  # noqa: S311 - a replay wants repeatable chance

    def _home_of(self, genesis: Genesis) -> BiddingHome:
        market = genesis.market
        section = MeterSection(name=_HOUSE, role=Role.GRID, profile=_PROFILE, port="/dev/ttyUSB0")
        desk = MeterDesk(
            (section,),
            {_HOUSE: load.find(_PROFILE)},
            self.store,
            interval_s=market.interval_s,
            on_interval=self._counted,
            monotonic_ms=self.monotonic_ms,
        )
        self._teach(genesis)
        return BiddingHome(
            grid_meter=_HOUSE,
            desk=desk,
            outlook=Outlook(ForecastSettings(), self.store, interval_s=market.interval_s, pv_meters=0),
            bidder=Bidder(
                market=market,
                settings=BiddingSettings(),
                privacy=PrivacySettings(),
                chance=self._chance("bidder"),
            ),
            reporting=Reporting(
                meter_id=self.name,
                interval_s=market.interval_s,
                prices=ImbalancePrices(),
                settings=ReportSettings(operator_key=public_seal_key(_OPERATOR_SECRET).hex()),
                store=self.store,
                sign=partial(sign, bytes.fromhex(self._spec.identity)),
                chance=self._chance("seals").randbytes,
            ),
            store=self.store,
            market=market,
            bidding=BiddingSettings(),
            privacy=PrivacySettings(),
        )

    def _teach(self, genesis: Genesis) -> None:
        """Let the forecast know the home as after a week."""
        net_j = self._spec.net_j
        forecaster = Forecaster(ForecastSettings(), interval_s=genesis.market.interval_s, series=Series.NET)
        now = genesis.genesis_time_ms // self._length_ms
        for interval in range(now - _TAUGHT_DAYS * len(net_j), now):
            forecaster.learn(interval, net_j[interval % len(net_j)])
        self.store.keep("forecast:net", forecaster.to_bytes())

    def _counted(self, role: Role, energy: IntervalEnergy) -> None:
        self._home.counted(role, energy)

    # -- clocks --------------------------------------------------------------------------------------------------------

    def utc_ms(self) -> int:
        """The time of the event at hand."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """As good a clock as the other."""
        return self._now_ms

    # -- life ----------------------------------------------------------------------------------------------------------

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Read the meter when it is time; everything else is the device's."""
        self._now_ms = now_ms
        if isinstance(event, TimerFired) and event.name == _READ:
            return [self._read()]
        effects = self.device.handle(event, now_ms)
        return [self._read(), *effects] if isinstance(event, Started) else effects

    def _read(self) -> SetTimer:
        now_ms = self._now_ms
        imported_wh, exported_wh = self._counters(now_ms)
        values = {
            IMPORT_TOTAL: Value(Decimal(imported_wh), Unit.WATT_HOUR),
            EXPORT_TOTAL: Value(Decimal(exported_wh), Unit.WATT_HOUR),
        }
        said = Said(model=_PROFILE, values=values)
        moment = Moment(utc_ms=now_ms, monotonic_ms=now_ms, basis=TimeBasis.RECEIVED)
        report = Round(meter=_HOUSE, said=said, began_ms=now_ms, ended_ms=now_ms)
        self._home.desk.hear(report, moment, (_HOUSE,))
        self.store.commit_if_due()
        return SetTimer(name=_READ, at_ms=now_ms + POLL_MS)

    def _counters(self, now_ms: int) -> tuple[int, int]:
        """What the meter shows: import and export since the chain's beginning, Wh."""
        net_j, length_ms = self._spec.net_j, self._length_ms
        first = self._genesis.genesis_time_ms // length_ms
        interval, into_ms = divmod(now_ms, length_ms)
        flows = [net_j[each % len(net_j)] for each in range(first, interval)]
        flows.append(net_j[interval % len(net_j)] * into_ms // length_ms)
        imported_j = sum(flow for flow in flows if flow > 0)
        exported_j = -sum(flow for flow in flows if flow < 0)
        return imported_j // _J_PER_WH, exported_j // _J_PER_WH
