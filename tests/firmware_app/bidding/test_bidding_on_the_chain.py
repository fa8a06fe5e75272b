"""The bidder in real devices on a real chain in virtual time, with devices that lose everything but their disk."""

from __future__ import annotations

from dataclasses import dataclass, fields

from firmware_app.bidding.bidder import Bidder
from firmware_app.bidding.deciding import Deciding
from firmware_app.bidding.settings import BiddingSettings, PrivacySettings
from firmware_app.device.decision import Occasion
from firmware_app.device.device import Device
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.trading.intent import Intent
from firmware_app.trading.meter import always
from firmware_app.trading.orders import Stage
from light_client.rules.units import Side
from light_client.session.actor import PeerName, Storage
from testbed.cast import Cast
from testbed.fleet.planned_home import PlannedHome
from testbed.network.faults import Crash, Faults
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of, run_day

PRIVACY = PrivacySettings(lot_wh=50, spread_intervals=2)


class _BiddingHome(PlannedHome):
    """A home whose bidder decides."""

    def __init__(self, deciding: Deciding) -> None:
        super().__init__((), always)
        self._deciding = deciding

    def decide(self, occasion: Occasion) -> tuple[Intent, ...]:
        return self._deciding(occasion)


@dataclass(frozen=True, kw_only=True)
class BiddingCast(Cast):
    """Devices that bid by themselves, each with a perfect forecast of its own day."""

    def net_j(self, home_id: int) -> list[int]:
        home = next(home for home in self.scenario.homes if home.home_id == home_id)
        return [pv - load for pv, load in zip(home.pv_j, home.load_j, strict=True)]

    def meter(self, name: PeerName, storage: Storage) -> Device:
        home_id = self.meter_names[name]
        trader = super().meter(name, storage).trader
        forecast = QuantileForecast(
            first_interval=self.scenario.first_interval,
            levels_permille=(500,),
            energy_j=tuple((net,) for net in self.net_j(home_id)),
        )
        bidder = Bidder(
            market=self.market,
            settings=BiddingSettings(),
            privacy=PRIVACY,
            chance=self.chance("bidder", home_id),
        )
        last = self.scenario.last_interval
        deciding = Deciding(
            bidder,
            net=lambda interval: forecast if interval <= last else None,
            battery=lambda: None,
            orders=trader.orders,
        )
        return Device(
            trader,
            _BiddingHome(deciding),
            interval_s=self.scenario.interval_s,
            chance=self.chance("addresses", home_id),
        )


def test_devices_bid_trade_and_never_offer_twice() -> None:
    file = catalogue.find("village")
    plain = cast_of(file, part_of(catalogue.build(file), skip=46, intervals=5), 3)
    cast = BiddingCast(**{field.name: getattr(plain, field.name) for field in fields(plain)})
    length_ms = cast.scenario.interval_s * 1_000
    first_ms = cast.scenario.first_interval * length_ms
    crashes = tuple(
        Crash(node=name, at_ms=first_ms + place * length_ms // 3, down_ms=20_000)
        for place, name in enumerate(cast.meter_names)
    )
    day = run_day(cast, faults=Faults(crashes=crashes))
    traded_j = offered = 0
    for home_id, meter in zip(cast.meter_names.values(), day.meters, strict=True):
        orders = [order for order in meter.orders() if not order.is_spare]
        offered += len(orders)
        traded_j += sum(trade.energy_j for order in orders for trade in order.trades)
        assert len({order.key.index for order in orders}) == len(orders), "an address for each"
        for place, net_j in enumerate(cast.net_j(home_id)):
            interval = cast.scenario.first_interval + place
            promised = {
                side: sum(
                    order.intent.energy_j
                    for order in orders
                    if order.intent.side is side and order.intent.first_interval == interval
                    if order.stage is not Stage.MISSED or order.sent_at_ms is not None
                )
                for side in Side
            }
            assert promised[Side.SELL] <= max(0, net_j)
            assert promised[Side.BUY] <= max(0, -net_j)
    assert offered > 10
    assert traded_j > 0
    assert {order.intent.energy_j // PRIVACY.lot_j for meter in day.meters for order in meter.orders()} <= {
        1,
        2,
        5,
        10,
    }
