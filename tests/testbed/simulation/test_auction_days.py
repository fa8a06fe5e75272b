"""Whole days under each auction: no solver, every meter follows, limits hold, homes answer the broadcast average."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from firmware_app.trading.orders import Order
from light_client.rules.ledger.events import Cleared
from light_client.rules.units import Side
from testbed.scenarios.catalogue import build, find
from testbed.simulation.campaign import run_seed
from testbed.simulation.day import SimulatedDay, cast_of, run_day
from testbed.simulation.offline import offline_optimum
from testbed.simulation.recheck import recheck
from testbed.simulation.report import trading_day

NAMES = ("village-uniform-price", "village-continuous", "village-two-stage")


@pytest.fixture(scope="module")
def day_of() -> Callable[[str], SimulatedDay]:
    """Return the day of a scenario, run once."""
    days: dict[str, SimulatedDay] = {}

    def run(name: str) -> SimulatedDay:
        if name not in days:
            file = find(name)
            days[name] = run_day(cast_of(file, build(file), file.seed))
        return days[name]

    return run


@pytest.mark.parametrize("name", NAMES)
def test_a_day_under_an_auction_meets_every_expectation(
    name: str, day_of: Callable[[str], SimulatedDay]
) -> None:
    day = day_of(name)
    assert day.cast.solver_names == ()
    finals = day.observed.record.finals
    assert finals[Cleared.COMPUTED] >= 60
    assert finals[Cleared.PROVEN] == finals[Cleared.KEPT] == 0
    check = recheck(day.genesis, day.observed.record.blocks)
    optimum = offline_optimum(day.cast.scenario, day.cast.market)
    report = trading_day(day, optimum, check, title=name, command=name, undisturbed=True)
    assert [row.name for row in report.checked() if not row.passed] == []
    assert report.summary.finals_computed == finals[Cleared.COMPUTED]
    assert optimum.bound_j // 2 < report.summary.traded_j <= optimum.bound_j
    limits = {feeder.feeder: feeder.c_ext_w * day.cast.scenario.interval_s for feeder in day.genesis.feeders}
    flows = [day.observed.record.net_j(feeder) for feeder in limits]
    assert all(
        abs(net_j or 0) <= limit for flow, limit in zip(flows, limits.values(), strict=True) for net_j in flow
    )
    assert any(
        abs(net_j or 0) == limit for flow, limit in zip(flows, limits.values(), strict=True) for net_j in flow
    ), "limits bind somewhere"


def _unit_price(order: Order, interval: int) -> float:
    (trade,) = (trade for trade in order.trades if trade.interval == interval)
    return trade.amount_uc * 3_600_000 / trade.energy_j


def test_homes_that_were_left_over_trade_in_the_second_stage(day_of: Callable[[str], SimulatedDay]) -> None:
    day = day_of("village-two-stage")
    orders = [order for meter in day.meters for order in meter.orders()]
    improved = [(order, interval, limit) for order in orders for interval, limit in order.limits.items()]
    assert improved
    for order, _, limit in improved:
        before, last = order.intent.price_uc_per_kwh, order.intent.last_limit_uc_per_kwh
        assert last is not None
        assert last <= limit < before if order.intent.side is Side.SELL else before < limit <= last
    beyond = [
        order
        for order, interval, _ in improved
        if any(trade.interval == interval for trade in order.trades)
        and (order.intent.side is Side.SELL) == (_unit_price(order, interval) < order.intent.price_uc_per_kwh)
    ]
    assert beyond, "somebody traded at a price that the first limit forbids"


def test_a_stormy_day_of_two_stages_is_safe_and_live() -> None:
    verdict = run_seed(find("village-two-stage"), 5)
    assert (verdict.safety, verdict.liveness) == ((), ())
    assert verdict.crashes > 0
