"""The bidder: forecasts, battery and promises become intents. It remembers nothing, so a restart cannot make it repeat.

Invariants (each held by a stateful test against a model, and shown broken by a bidder that forgets):

- in no interval is more promised than the net position was sure to hold when it was promised;
- the battery can deliver all its promises under every spread, with the energy that is in it now (see ``battery``);
- in no interval are both sides offered, so a home never trades with itself;
- the operator's limits on power, energy per day, prices and times hold for promises and trades together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from firmware_app.bidding.battery import (
    BatteryState,
    Flow,
    cycles_left_j,
    hold_j,
    own_use,
    room_in,
    spare_j,
)
from firmware_app.bidding.commitments import Commitment, Committed
from firmware_app.bidding.lots import cut
from firmware_app.bidding.position import sure_deficit, sure_surplus
from firmware_app.bidding.prices import price_of, truthful_price
from firmware_app.bidding.settings import PERMILLE, BatterySettings, BiddingSettings, PrivacySettings
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.trading.intent import Intent
from light_client.rules.market.mechanisms.kinds import TwoStage
from light_client.rules.market.params import MarketParams
from light_client.rules.units import JOULES_PER_WH, Side

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the bidder wants now."""

    intents: tuple[Intent, ...]
    hold_j: int
    """What must stay in the battery once these are promised, J: the inverter's lower limit; 0 without a battery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What one decision sees: net positions from the present interval on, and the battery's own-use plan for each."""

    now: int
    sellable: tuple[int, ...]
    buyable: tuple[int, ...]
    filling: list[Flow]
    serving: list[Flow]


class Bidder:
    """Decides for one home. Same arguments and chance, same decision."""

    def __init__(
        self,
        *,
        market: MarketParams,
        settings: BiddingSettings,
        privacy: PrivacySettings,
        chance: Random,
        battery: BatterySettings | None = None,
    ) -> None:
        """A bidder for a market.

        Args:
            chance: draws the interval of posting; the trader draws the moment within it.
            battery: None where there is none.
        """
        self._market = market
        self._settings = settings
        self._privacy = privacy
        self._battery = battery
        self._chance = chance
        self._per_day = max(1, _DAY_S // market.interval_s)

    def decide(
        self,
        now_interval: int,
        net: QuantileForecast,
        battery_state: BatteryState | None,
        commitments: Iterable[Commitment],
    ) -> Decision:
        """What to offer, decided at the start of an interval.

        Args:
            now_interval: the interval that begins.
            net: generation less load of the coming intervals, see ``position.net_of`` and ``net_of_demand``.
            battery_state: at the start of ``now_interval``; None where there is no battery, or nobody knows.
            commitments: all orders that are alive or traded since the last midnight; earlier ones teach prices.
        """
        past = tuple(commitments)
        committed = Committed(past, self._per_day)
        view = self._look(now_interval, net, battery_state, committed)
        intents: list[Intent] = []
        for interval in range(self._first_open(now_interval), self._last_ahead(now_interval) + 1):
            if interval - now_interval < len(view.sellable):
                intents += _promised(self._for_interval(interval, view, past, committed), committed)
        intents += _promised(self._from_battery(view, battery_state, past, committed), committed)
        held = 0 if self._battery is None else hold_j(self._battery, committed)
        return Decision(intents=tuple(intents), hold_j=held)

    # -- looking ahead -----------------------------------------------------------------------------------------------

    def _first_open(self, now: int) -> int:
        """The first interval for which a grant and an offer posted from the next interval on are in time."""
        return now + 1 + self._market.t_clear

    def _last_ahead(self, now: int) -> int:
        return now + self._market.t_clear + self._privacy.spread_intervals

    @property
    def reach(self) -> int:
        """How far ahead of a decision the energy may lie that it offers, intervals."""
        if self._battery is None:
            return self._last_ahead(0)
        window = min(self._battery.window_intervals, self._market.horizon)
        return max(self._last_ahead(0), self._first_open(0) + window)

    def _look(
        self, now: int, net: QuantileForecast, state: BatteryState | None, committed: Committed
    ) -> _View:
        settings, battery = self._settings, self._battery
        sellable = _from_now(now, net, sure_surplus(net, settings.sell_chance_permille))
        buyable = _from_now(now, net, sure_deficit(net, settings.buy_chance_permille))
        if battery is None or state is None:
            idle = [Flow(0, 0)] * len(sellable)
            return _View(now=now, sellable=sellable, buyable=buyable, filling=idle, serving=idle)
        held = hold_j(battery, committed)
        filling, serving = (
            own_use(battery, state.stored_j, held, series, self._market.interval_s)
            for series in (sellable, buyable)
        )
        return _View(now=now, sellable=sellable, buyable=buyable, filling=filling, serving=serving)

    # -- one interval ------------------------------------------------------------------------------------------------

    def _for_interval(
        self, interval: int, view: _View, past: tuple[Commitment, ...], committed: Committed
    ) -> list[Intent]:
        """Offers for the net position of one interval, less what is promised."""
        place = interval - view.now
        spare = view.sellable[place] - view.filling[place].charged_j
        lacking = -view.buyable[place] - view.serving[place].delivered_j
        side, position = (Side.SELL, spare) if spare > 0 else (Side.BUY, lacking)
        position -= committed.position_in(side, interval)
        energy_j = min(position, self._allowed(side, interval, committed))
        price = self._price(side, past)
        if price is None or energy_j <= 0:
            return []
        return [
            self._intent(side, size_j, interval, interval, price, view.now)
            for size_j in cut(energy_j, self._privacy)
        ]

    def _allowed(self, side: Side, interval: int, committed: Committed) -> int:
        """What limits and earlier promises still allow on a side in an interval, J; 0 or less: nothing."""
        settings = self._settings
        wanted = settings.sell if side is Side.SELL else settings.buy
        if not wanted or settings.excludes(interval, self._market.interval_s):
            return 0
        if committed.most_in(Side(1 - side), interval):
            return 0
        most_wh = settings.max_sell_wh_per_day if side is Side.SELL else settings.max_buy_wh_per_day
        return min(
            settings.max_power_w * self._market.interval_s - committed.most_in(side, interval),
            most_wh * JOULES_PER_WH - committed.on_day_of(side, interval),
        )

    # -- the battery -------------------------------------------------------------------------------------------------

    def _from_battery(
        self,
        view: _View,
        state: BatteryState | None,
        past: tuple[Commitment, ...],
        committed: Committed,
    ) -> list[Intent]:
        """Offers over several intervals of what the battery holds beyond the home's own need."""
        battery = self._battery
        price = self._battery_price(past)
        if battery is None or not battery.sell or state is None or price is None:
            return []
        first = last = self._first_open(view.now)
        energy_j = spare_j(
            battery, state, committed, view.sellable, self._market.interval_s, first - view.now
        )
        for interval in range(first, first + min(battery.window_intervals, self._market.horizon)):
            place = interval - view.now
            if place >= len(view.sellable) or view.sellable[place] > 0:
                break  # the sun is back: from here on the surplus itself is for sale, and the store gets filled
            today = interval // self._per_day == view.now // self._per_day
            most_j = min(
                energy_j,
                self._allowed(Side.SELL, interval, committed),
                room_in(battery, committed, interval, self._market.interval_s),
                cycles_left_j(battery, state, committed, interval, today=today),
            )
            if most_j < self._privacy.lot_j or (interval > first + 1 and most_j < energy_j):
                break  # a longer window is not worth a smaller offer
            energy_j, last = most_j, interval
        if last == first:
            return []
        return [
            self._intent(Side.SELL, size_j, first, last, price, view.now)
            for size_j in cut(energy_j, self._privacy)
        ]

    def _battery_price(self, past: tuple[Commitment, ...]) -> int | None:
        """Like any sale, and never less than the energy would have earned before it was stored."""
        battery, price = self._battery, self._price(Side.SELL, past)
        if battery is None or price is None:
            return None
        paid = self._settings.feed_in_uc_per_kwh * PERMILLE * PERMILLE
        whole = battery.charge_permille * battery.discharge_permille
        least = -(-paid // whole) + self._settings.margin_uc_per_kwh
        step = self._privacy.price_step_uc_per_kwh
        if self._market.uniform_price_uc_per_kwh is not None:
            return price if price >= least else None
        price = max(price, -(-least // step) * step)
        return price if price <= self._settings.retail_uc_per_kwh else None

    # -- prices and intents ------------------------------------------------------------------------------------------

    def _price(self, side: Side, past: tuple[Commitment, ...]) -> int | None:
        uniform = self._market.uniform_price_uc_per_kwh
        if uniform is None:
            return price_of(side, self._settings, self._privacy, past)
        limit = truthful_price(side, self._settings, 1)
        if limit is None:
            return None
        fair = uniform >= limit if side is Side.SELL else uniform <= limit
        return uniform if fair else None

    def _intent(self, side: Side, energy_j: int, first: int, last: int, price: int, now: int) -> Intent:
        latest = first - self._market.t_clear
        follows = isinstance(self._market.mechanism, TwoStage)
        limit = truthful_price(side, self._settings, self._privacy.price_step_uc_per_kwh)
        return Intent(
            side=side,
            energy_j=energy_j,
            first_interval=first,
            last_interval=last,
            price_uc_per_kwh=price,
            post_interval=self._chance.randint(now + 1, latest),
            last_limit_uc_per_kwh=limit if follows else None,
        )


def _promised(intents: list[Intent], committed: Committed) -> list[Intent]:
    """The same intents, which count as promised from the moment of their decision on."""
    for intent in intents:
        committed.add(
            Commitment(
                side=intent.side,
                first_interval=intent.first_interval,
                last_interval=intent.last_interval,
                price_uc_per_kwh=intent.price_uc_per_kwh,
                offered_j=intent.energy_j,
                alive=True,
            )
        )
    return intents


def _from_now(now: int, net: QuantileForecast, series: tuple[int, ...]) -> tuple[int, ...]:
    """A series of the forecast from the present interval on; intervals before its first count as balanced."""
    skip = now - net.first_interval
    return series[skip:] if skip >= 0 else (0,) * -skip + series
