"""A meter on a very slow line misses offers and gets old answers, yet accuses nobody."""

from functools import partial

from firmware_app.device.device import Device
from firmware_app.trading.meter import TradingMeter
from firmware_app.trading.orders import Stage
from testbed.cast import DSO, Cast
from testbed.network.faults import Link
from testbed.network.simulator import Simulator
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import TIER_LINK, cast_of

_SLOW = Link(min_delay_ms=1_000, jitter_ms=600_000)
"""Up to ten minutes, in any order."""


def _run(cast: Cast) -> list[TradingMeter]:
    simulator = Simulator(seed=cast.seed, start_ms=cast.start_ms, link=TIER_LINK)
    for name in cast.miner_names:
        simulator.add(name, partial(cast.miner, name))
    for name in cast.solver_names:
        simulator.add(name, partial(cast.solver, name))
    simulator.add(DSO, cast.operator)
    for name in cast.meter_names:
        simulator.add(name, partial(cast.meter, name))
        for miner in cast.miner_names:
            simulator.set_link(name, miner, _SLOW)
            simulator.set_link(miner, name, _SLOW)
    simulator.run(cast.end_ms + 24 * 900_000)
    devices = [simulator.actor(name) for name in cast.meter_names]
    return [device.trader for device in devices if isinstance(device, Device)]


def test_an_answer_from_before_an_offer_ended_is_not_held_against_the_server() -> None:
    file = catalogue.find("village")
    cast = cast_of(file, part_of(catalogue.build(file), skip=36, intervals=12), 5)
    meters = _run(cast)
    orders = [order for meter in meters for order in meter.orders()]
    assert all(order.stage is Stage.DEPOSITED for order in orders), "every balance was proven and handed back"
    assert {rule for meter in meters for rule in meter.checked.by_rule} == set()
