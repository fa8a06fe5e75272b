"""Whenever a meter dies and comes back: no intent is offered twice, and no own trade is lost."""

from collections import Counter
from dataclasses import replace
from functools import cache, partial

import pytest

from firmware_app.device.decision import Occasion
from firmware_app.device.device import Device
from firmware_app.trading.intent import Intent
from firmware_app.trading.meter import always
from firmware_app.trading.orders import Order, Stage
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import LOT_J
from light_client.session.actor import Actor, Effect, Event, Storage, Write
from light_client.store import holding
from testbed.cast import DSO, Cast
from testbed.dso.operator import FollowedBlock
from testbed.fleet.planned_home import PlannedHome
from testbed.network.faults import Crash, CrashAtWrite, Faults, Moment
from testbed.network.simulator import Seen, Simulator
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import TIER_LINK, cast_of
from testbed.simulation.record import DayRecord

_WRITES = (1, 2, 3, 5, 8, 12)
"""Batches of writes in which the meter dies, one after the other in one run."""


@cache
def _cast() -> Cast:
    """Three homes, one of which sells, for six intervals."""
    file = catalogue.find("village")
    scenario = part_of(catalogue.build(file), skip=44, intervals=6)
    sells = {offer.home_id for offer in scenario.offers if offer.side.name == "SELL"}
    buys = {offer.home_id for offer in scenario.offers if offer.side.name == "BUY"} - sells
    keep = {min(sells), *sorted(buys)[:2]}
    few = replace(
        scenario,
        homes=tuple(home for home in scenario.homes if home.home_id in keep),
        offers=tuple(offer for offer in scenario.offers if offer.home_id in keep),
    )
    return cast_of(file, few, 5)


def _seller() -> str:
    sells = {offer.home_id for offer in _cast().scenario.offers if offer.side.name == "SELL"}
    return next(name for name, home_id in _cast().meter_names.items() if home_id in sells)


class _Forgetful(PlannedHome):
    """Decides the same again in each life."""

    def __init__(self, plan: tuple[Intent, ...]) -> None:
        super().__init__(plan, always)
        self._plan = plan

    def decide(self, _: Occasion) -> tuple[Intent, ...]:
        plan, self._plan = self._plan, ()
        return plan


def _at_writes(moment: Moment) -> Faults:
    return Faults(
        crashes_at_writes=tuple(
            CrashAtWrite(node=_seller(), number=number, moment=moment, down_ms=40_000) for number in _WRITES
        )
    )


def _at_times(first_ms: int) -> Faults:
    """The seller dies every 23 minutes, in whatever it is just doing."""
    cast = _cast()
    times = range(cast.start_ms + first_ms, cast.end_ms, 23 * 60_000)
    return Faults(
        crashes=tuple(
            Crash(node=_seller(), at_ms=at_ms, moment=Moment.BETWEEN_CALLS, down_ms=40_000) for at_ms in times
        )
    )


class _Moody(PlannedHome):
    """Wants a lot less in each life, where it is asked again."""

    lives = 0

    def decide(self, occasion: Occasion) -> tuple[Intent, ...]:
        intents = super().decide(occasion)
        less_j = LOT_J * (_Moody.lives - 1)
        return tuple(replace(intent, energy_j=max(LOT_J, intent.energy_j - less_j)) for intent in intents)


class _Careless:
    """A device that lets everything wait that it writes."""

    def __init__(self, device: Device) -> None:
        self.name = device.name
        self.device = device

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        return [
            replace(effect, may_wait=True) if isinstance(effect, Write) else effect
            for effect in self.device.handle(event, now_ms)
        ]


def _run(
    faults: Faults, *, forgetful: bool = False, moody: bool = False, careless: bool = False
) -> tuple[tuple[Order, ...], DayRecord, int]:
    """Return the seller's orders, what happened on the chain, and how often the seller died."""
    cast, seller = _cast(), _seller()
    _Moody.lives = 0
    simulator = Simulator(seed=1, start_ms=cast.start_ms, link=TIER_LINK, faults=faults)
    record = DayRecord(scenario=cast.scenario)

    def observe(seen: Seen) -> None:
        if isinstance(seen.value, FollowedBlock):
            record.take(seen.value)

    def meter(name: str, storage: Storage) -> Actor:
        device = cast.meter(name, storage)
        if forgetful and name == seller:
            home_id = cast.meter_names[name]
            device.home = _Forgetful(tuple(o for o in cast.scenario.offers if o.home_id == home_id))
        if moody and name == seller:
            _Moody.lives += 1
            home_id = cast.meter_names[name]
            device.home = _Moody((o for o in cast.scenario.offers if o.home_id == home_id), always)
        return _Careless(device) if careless and name == seller else device

    simulator.on_report = observe
    for name in cast.miner_names:
        simulator.add(name, partial(cast.miner, name))
    for name in cast.solver_names:
        simulator.add(name, partial(cast.solver, name))
    simulator.add(DSO, cast.operator)
    for name in cast.meter_names:
        simulator.add(name, partial(meter, name))
    simulator.run(cast.end_ms + 8 * 900_000)
    device = simulator.actor(seller)
    device = device.device if isinstance(device, _Careless) else device
    assert isinstance(device, Device)
    return device.trader.orders(), record, simulator.counters.crashes


def _offered(record: DayRecord) -> Counter[tuple[int, int, int]]:
    """(first interval, last interval, energy) of the sales on the chain; only the seller sells."""

    def facts(offer: OpenOffer) -> tuple[int, int, int]:
        return (offer.ranges[0][0], offer.ranges[-1][1], offer.remaining_j)

    return Counter(facts(offer) for offer in record.offers.values() if offer.side.name == "SELL")


def _planned() -> Counter[tuple[int, int, int]]:
    return Counter(
        (offer.first_interval, offer.last_interval, offer.energy_j)
        for offer in _cast().scenario.offers
        if offer.side.name == "SELL"
    )


@pytest.mark.parametrize("moment", [Moment.BEFORE_WRITES, Moment.AFTER_WRITES, Moment.HALFWAY_SENT])
def test_a_meter_that_dies_at_its_writes_offers_everything_once_and_knows_all_its_trades(
    moment: Moment,
) -> None:
    orders, record, crashes = _run(_at_writes(moment))
    assert crashes == len(_WRITES)
    _all_is_well(orders, record)


@pytest.mark.parametrize("first_minute", [7, 11, 16])
def test_a_meter_that_dies_while_much_is_held_back_offers_everything_once_too(first_minute: int) -> None:
    orders, record, crashes = _run(_at_times(first_minute * 60_000))
    assert crashes > 5
    _all_is_well(orders, record)


def _all_is_well(orders: tuple[Order, ...], record: DayRecord) -> None:
    offered = _offered(record)
    assert offered
    assert offered == _planned(), "each planned offer is on the chain once, no matter when the meter died"
    mine = {order.offer_id: order for order in orders}
    final = [trade for trades in record.trades.values() for trade in trades if trade.offer_id in mine]
    known = [trade for order in orders for trade in order.trades]
    assert sorted(final) == sorted(known), "it knows all its trades, each once"
    assert final
    assert {order.stage for order in orders} == {Stage.DEPOSITED}


def test_a_meter_that_decided_anew_in_each_life_would_offer_twice() -> None:
    _, record, _ = _run(_at_writes(Moment.AFTER_WRITES), forgetful=True)
    assert _offered(record) - _planned(), "the test sees a double offer if there is one"


def test_decisions_that_could_wait_would_be_taken_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: what must be durable is held back, and lost. The home never wants the same twice."""
    orders, record, _ = _run(_at_times(7 * 60_000), moody=True)
    _all_is_well(orders, record)
    monkeypatch.setattr(holding, "HOLD_MS", 10**9)
    _, record, _ = _run(_at_times(7 * 60_000), moody=True, careless=True)
    assert _offered(record) - _planned(), "another life offered something else"
