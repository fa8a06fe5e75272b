"""Orders lost with a damaged page come back from the chain, with their trades, and nothing is offered twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, partial

import pytest

from firmware_app.device.device import Device
from firmware_app.trading import lost_orders
from firmware_app.trading.addresses import sit_out
from firmware_app.trading.order_store import TABLE
from firmware_app.trading.orders import Order, Stage
from light_client.rules.market.clearing import Trade
from light_client.rules.units import Address, Side
from light_client.session.actor import Actor, Storage, Write
from light_client.wallet.wallet import TABLE as WALLET
from light_client.wallet.wallet import skip_used
from testbed.cast import DSO, Cast
from testbed.dso.operator import FollowedBlock
from testbed.network.faults import Crash, Faults, Moment
from testbed.network.memory import MemoryStorage
from testbed.network.simulator import Seen, Simulator
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import TIER_LINK, cast_of
from testbed.simulation.record import DayRecord

_REACH = 4


@cache
def _cast() -> Cast:
    """A home that sells and two that buy, for eight intervals; what is over is soon forgotten."""
    file = catalogue.find("village")
    scenario = part_of(catalogue.build(file), skip=44, intervals=8)
    sells = {offer.home_id for offer in scenario.offers if offer.side is Side.SELL}
    buys = {offer.home_id for offer in scenario.offers if offer.side is Side.BUY} - sells
    keep = {min(sells), *sorted(buys)[:2]}
    few = replace(
        scenario,
        homes=tuple(home for home in scenario.homes if home.home_id in keep),
        offers=tuple(offer for offer in scenario.offers if offer.home_id in keep),
    )
    return cast_of(file, few, 5)


def _seller() -> str:
    return next(
        name
        for name, home_id in _cast().meter_names.items()
        if any(offer.home_id == home_id and offer.side is Side.SELL for offer in _cast().scenario.offers)
    )


@dataclass
class _Played:
    orders: tuple[Order, ...] = ()
    record: DayRecord = field(default_factory=lambda: DayRecord(scenario=_cast().scenario))
    lost: list[bytes] = field(default_factory=list)
    """Keys of the records that the damage took."""
    addresses: frozenset[Address] = frozenset()
    """That the first life used."""
    lives: int = 0
    storage: MemoryStorage = field(default_factory=MemoryStorage)

    def own_trades(self) -> set[Trade]:
        """Final on the chain, of offers that any life made."""
        ours = self.addresses | {order.key.address for order in self.orders}
        return {
            trade
            for trades in self.record.trades.values()
            for trade in trades
            if self.record.offers[trade.offer_id].address in ours
        }


def _damage(storage: MemoryStorage, lost: list[bytes], *, searches: bool) -> None:
    """Take every second order away, and do what the start does about it."""
    keys = [key for key, _ in storage.scan(TABLE)]
    lost += keys[::2]
    storage.apply([Write(table=TABLE, key=key, value=None) for key in lost])
    writes = [skip_used(WALLET, b"\x07" * 8), sit_out(_REACH)]
    storage.apply([*writes, *(lost_orders.search(storage) if searches else ())])


def _run(after_intervals: int, *, searches: bool = True) -> _Played:
    """A day on which the seller's power is cut some intervals after the first, with half of its orders lost."""
    cast, played = _cast(), _Played()
    length_ms = cast.scenario.interval_s * 1_000
    cut_ms = (cast.scenario.first_interval + after_intervals) * length_ms + length_ms // 3
    faults = Faults(
        crashes=(Crash(node=_seller(), at_ms=cut_ms, moment=Moment.BETWEEN_CALLS, down_ms=40_000),)
    )
    simulator = Simulator(seed=1, start_ms=cast.start_ms, link=TIER_LINK, faults=faults)

    def observe(seen: Seen) -> None:
        if isinstance(seen.value, FollowedBlock):
            played.record.take(seen.value)

    def seller(storage: Storage) -> Actor:
        assert isinstance(storage, MemoryStorage)
        played.lives += 1
        if played.lives == 2:
            first = cast.meter(_seller(), storage)
            played.addresses = frozenset(order.key.address for order in first.trader.orders())
            _damage(storage, played.lost, searches=searches)
        return cast.meter(_seller(), storage)

    simulator.on_report = observe
    for name in cast.miner_names:
        simulator.add(name, partial(cast.miner, name))
    for name in cast.solver_names:
        simulator.add(name, partial(cast.solver, name))
    simulator.add(DSO, cast.operator)
    for name in cast.meter_names:
        simulator.add(name, seller if name == _seller() else partial(cast.meter, name))
    simulator.run(cast.end_ms + 8 * 900_000)
    device = simulator.actor(_seller())
    assert isinstance(device, Device)
    played.orders = device.trader.orders()
    played.storage = simulator.storage(_seller())
    return played


@pytest.mark.parametrize("after_intervals", [1, 4])
def test_lost_orders_come_back_with_all_their_trades_and_are_handed_back(after_intervals: int) -> None:
    played = _run(after_intervals)
    known = {trade for order in played.orders for trade in order.trades}
    found = [order for order in played.orders if order.key.index.to_bytes(8, "big") in played.lost]
    assert found
    assert {trade for order in found for trade in order.trades}, "some of them traded"
    assert known == played.own_trades()
    assert {order.stage for order in played.orders} <= {Stage.DEPOSITED, Stage.MISSED}
    assert {order.stage for order in found} == {Stage.DEPOSITED}


def test_without_the_search_trades_would_be_lost() -> None:
    played = _run(1, searches=False)
    known = {trade for order in played.orders for trade in order.trades}
    assert played.own_trades() - known, "the test sees a lost trade if there is one"


def test_no_address_offers_twice_and_nothing_that_was_lost_is_offered_afterwards() -> None:
    played = _run(1)
    offers = [offer for offer in played.record.offers.values() if offer.address in played.addresses]
    assert len({offer.address for offer in offers}) == len(offers)
    planned = [o for o in _cast().scenario.offers if o.home_id == _cast().meter_names[_seller()]]
    assert len(offers) <= len(planned)


def test_nothing_is_looked_for_where_no_order_is_left_to_tell_where() -> None:
    assert lost_orders.search(MemoryStorage()) == []


def test_the_search_ends_when_everything_that_was_lost_is_over() -> None:
    storage, orders = MemoryStorage(), MemoryStorage()
    first = _cast().meter(_seller(), orders).trader
    storage.apply(
        [
            Write(table=TABLE, key=bytes(8), value=None),
            Write(table=TABLE, key=b"\0" * 7 + b"\x05", value=b"x"),
        ]
    )
    storage.apply(lost_orders.search(storage))
    storage.apply([Write(table=TABLE, key=b"\0" * 7 + b"\x05", value=None)])
    meter = _cast().meter(_seller(), storage).trader
    until = first._params.kept_intervals + 1_000
    for interval in (1_000, until, until + 1):
        assert storage.get("trading", b"lost") is not None
        effects = meter.offer(interval, [], 0)
        storage.apply(effect for effect in effects if isinstance(effect, Write))
    assert storage.get("trading", b"lost") is None
