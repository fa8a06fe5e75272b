"""Many intervals of changing forecasts, spreads of the market and restarts: nothing is ever offered twice.

The model keeps orders, battery and clock. It counts by itself: per order what was offered and what was traded, and the
battery in exact fractions. Two broken bidders show that each check can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from firmware_app.bidding.battery import BatteryState
from firmware_app.bidding.bidder import Bidder, Decision
from firmware_app.bidding.commitments import Commitment
from firmware_app.bidding.settings import BatterySettings, BiddingSettings, PrivacySettings
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.trading.intent import Intent
from light_client.rules.market.params import MarketParams
from light_client.rules.units import JOULES_PER_WH, Side

WH = JOULES_PER_WH
HOUR_S = 3_600
LIMITS = BiddingSettings(
    sell_chance_permille=700,
    buy_chance_permille=600,
    max_power_w=2_600,
    max_sell_wh_per_day=9_000,
    max_buy_wh_per_day=6_000,
    excluded=("05:00-06:00",),
)
BATTERY = BatterySettings(
    capacity_wh=5_000,
    charge_w=2_000,
    discharge_w=1_500,
    charge_permille=900,
    discharge_permille=900,
    reserve_wh=500,
    window_intervals=4,
)
_FIRST = 480_000
_AHEAD = 8
_DAYS = st.sampled_from([(-3_000, 4_000), (-300, 100)]).flatmap(
    lambda span: st.lists(st.integers(*span), min_size=_AHEAD, max_size=_AHEAD)
)
"""Net positions of any kind, or those of a quiet night."""


class Forgetful(Bidder):
    """Believes that after a restart nothing is promised."""

    def decide(
        self,
        now_interval: int,
        net: QuantileForecast,
        battery_state: BatteryState | None,
        commitments: Iterable[Commitment],
    ) -> Decision:
        return super().decide(now_interval, net, battery_state, ())


class ForgetsWindows(Bidder):
    """Counts an offer of several intervals in its first one only."""

    def decide(
        self,
        now_interval: int,
        net: QuantileForecast,
        battery_state: BatteryState | None,
        commitments: Iterable[Commitment],
    ) -> Decision:
        begun = [one for one in commitments if not one.flexible or one.first_interval > now_interval + 2]
        return super().decide(now_interval, net, battery_state, begun)


@dataclass
class Kept:
    """An order as the model keeps it."""

    intent: Intent
    traded: dict[int, int] = field(default_factory=dict)
    alive: bool = True

    @property
    def left_j(self) -> int:
        return self.intent.energy_j - sum(self.traded.values())

    def may_in(self, interval: int) -> int:
        within = self.intent.first_interval <= interval <= self.intent.last_interval
        return (self.left_j if self.alive and within else 0) + self.traded.get(interval, 0)

    def commitment(self) -> Commitment:
        return Commitment(
            side=self.intent.side,
            first_interval=self.intent.first_interval,
            last_interval=self.intent.last_interval,
            price_uc_per_kwh=self.intent.price_uc_per_kwh,
            offered_j=self.intent.energy_j,
            alive=self.alive,
            traded=tuple(sorted(self.traded.items())),
        )


class Trading(RuleBasedStateMachine):
    """One home for some days."""

    bidder: ClassVar[Callable[..., Bidder]] = Bidder

    def __init__(self) -> None:
        super().__init__()
        self.now = _FIRST
        self.orders: list[Kept] = []
        self.stored = Fraction(4_500 * WH)
        self.hold = 0
        self.used_today = Fraction(0)
        self.home = self._boot()
        self.decided = False

    def _boot(self) -> Bidder:
        return type(self).bidder(
            market=MarketParams(interval_s=HOUR_S, horizon=12),
            settings=LIMITS,
            privacy=PrivacySettings(lot_wh=100, spread_intervals=3),
            battery=BATTERY,
            chance=Random(self.now),
        )

    @rule()
    def restart(self) -> None:
        """Everything in memory is gone; the orders are not."""
        self.home = self._boot()

    @precondition(lambda self: not self.decided)
    @rule(
        middles=_DAYS,
        width=st.sampled_from([0, 50, 1_500]),
    )
    def decide(self, middles: list[int], width: int) -> None:
        net = QuantileForecast(
            first_interval=self.now,
            levels_permille=(300, 500, 600),
            energy_j=tuple(((mid - width) * WH, mid * WH, (mid + width) * WH) for mid in middles),
        )
        before = {
            (side, at): self._single(side, at) for side in Side for at in range(self.now, self.now + _AHEAD)
        }
        state = BatteryState(stored_j=int(self.stored), discharged_today_j=int(self.used_today))
        decision = self.home.decide(self.now, net, state, [order.commitment() for order in self.orders])
        self.orders += [Kept(intent) for intent in decision.intents]
        self.hold, self.decided = decision.hold_j, True
        for place, mid in enumerate(middles):
            at = self.now + place
            surplus, deficit = max(0, (mid - width) * WH), max(0, -(mid + width) * WH)
            assert self._single(Side.SELL, at) <= max(before[Side.SELL, at], surplus), "sold twice"
            assert self._single(Side.BUY, at) <= max(before[Side.BUY, at], deficit), "bought twice"
        self._check_limits()

    def _single(self, side: Side, at: int) -> int:
        single = [
            order
            for order in self.orders
            if order.intent.side is side and order.intent.first_interval == order.intent.last_interval
        ]
        return sum(order.may_in(at) for order in single)

    def _check_limits(self) -> None:
        for at in range(self.now, self.now + 2 * _AHEAD):
            sold, bought = (
                sum(order.may_in(at) for order in self.orders if order.intent.side is side) for side in Side
            )
            assert not (sold and bought), "both sides in one interval"
            assert max(sold, bought) <= LIMITS.max_power_w * HOUR_S, "power"
            assert not (sold or bought) or at % 24 != 5, "excluded"
            day = at // 24
            for side, most in ((Side.SELL, 9_000), (Side.BUY, 6_000)):
                total = sum(
                    sum(energy for when, energy in order.traded.items() if when // 24 == day)
                    + max(order.may_in(t) - order.traded.get(t, 0) for t in range(day * 24, day * 24 + 24))
                    for order in self.orders
                    if order.intent.side is side
                )
                assert total <= most * WH, "energy of a day"
        flexible = sum(
            order.left_j
            for order in self.orders
            if order.alive and order.intent.first_interval < order.intent.last_interval
        )
        assert Fraction(flexible) * 1_000 / 900 <= self.stored - 500 * WH, "not in the store"

    @precondition(lambda self: self.decided)
    @rule(data=st.data(), sun=st.integers(0, 3_000), load=st.integers(0, 3_000))
    def pass_an_interval(self, data: st.DataObject, sun: int, load: int) -> None:
        """The market serves what it likes; the battery delivers that, then serves its home down to what is held."""
        drained = 0
        for order in self.orders:
            if order.alive and order.may_in(self.now) and order.intent.post_interval < self.now:
                part = data.draw(st.sampled_from([0, order.left_j // 2, order.left_j]))
                if part:
                    order.traded[self.now] = part
                if order.intent.first_interval < order.intent.last_interval:
                    drained += part
            order.alive = order.alive and order.intent.last_interval > self.now and order.left_j > 0
        assert drained <= BATTERY.discharge_w * HOUR_S, "more than the inverter can deliver"
        taken = Fraction(drained * 1_000, 900)
        self.stored -= taken
        assert self.stored >= 500 * WH, "an empty battery had sold"
        self.hold = max(0, self.hold - int(taken))
        room = Fraction(BATTERY.capacity_j) - self.stored
        self.stored += min(Fraction(min(sun, 2_000) * WH * 900, 1_000), room)
        own = min(Fraction(load * WH), max(Fraction(0), self.stored - self.hold - 1))
        self.stored -= own
        self.used_today += taken + own
        self.now += 1
        if self.now % 24 == 0:
            self.used_today = Fraction(0)
        self.decided = False


QUICK = settings(max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck))


def test_nothing_is_offered_twice_and_everything_can_be_kept() -> None:
    run_state_machine_as_test(Trading, settings=QUICK)


@pytest.mark.parametrize(
    ("broken", "seen"),
    [(Forgetful, "twice|power|store|side|day"), (ForgetsWindows, "store|power|side|deliver|empty")],
)
def test_a_bidder_that_forgets_is_found_out(broken: type[Bidder], seen: str) -> None:
    class Broken(Trading):
        bidder = broken

    with pytest.raises(AssertionError, match=seen):
        run_state_machine_as_test(
            Broken,
            settings=settings(QUICK, max_examples=400, phases=[Phase.generate], report_multiple_bugs=False),
        )
