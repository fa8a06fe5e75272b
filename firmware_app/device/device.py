"""The device as one actor: lifecycle, the beginning of each interval, and the trading meter.

    event                        what is done
    Started, time known          the trading meter takes up what an earlier life left; the present interval is begun
    timer `interval`             the interval has begun: addresses of the day, then the decision, see ``Home``
    everything else              the trading meter's
    anything, time not known     nobody's but the watch for signed time: no verdict of the light client rests on a wrong
                                 clock. Once the time is known the trading meter starts, as after a restart
    after each of them           the lifecycle follows the facts, and the home hears the news

The timer is set to the next boundary anew each time, at most one interval ahead. So a clock that was set back cannot
silence the device for longer than one interval, and one that was set ahead skips intervals instead of deciding for
each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from firmware_app.device import signed_time
from firmware_app.device.decision import Occasion
from firmware_app.device.home import Home
from firmware_app.device.lifecycle import Facts, Lifecycle, May
from firmware_app.device.signed_time import SignedTimeWatch
from firmware_app.trading.meter import TradingMeter
from light_client.session.actor import (
    Effect,
    Event,
    PeerName,
    Received,
    Report,
    SetTimer,
    Started,
    TimerFired,
)

TIMER: Final = "interval"
_DAY_MS: Final = 86_400_000


def always_known() -> bool:
    """A clock that nobody doubts: that of a simulation."""
    return True


class Device:
    """One home's device."""

    def __init__(
        self,
        trader: TradingMeter,
        home: Home,
        *,
        interval_s: int,
        chance: Random,
        decide_after_ms: int = 0,
        clock_known: Callable[[], bool] = always_known,
        signed_time: SignedTimeWatch | None = None,
    ) -> None:
        """Join what a device consists of.

        Args:
            chance: draws when tomorrow's addresses are asked for.
            decide_after_ms: into an interval, when the last reading of the one before has surely come, ms.
            clock_known: whether the board's time is to be believed.
            signed_time: asks the tier for the time where nobody else tells it.
        """
        self.name: PeerName = trader.name
        self.trader = trader
        self.home = home
        self.lifecycle = Lifecycle()
        self._interval_ms = interval_s * 1_000
        self._chance = chance
        self._after_ms = decide_after_ms
        self._clock_known = clock_known
        self._signed_time = signed_time
        self._trades = False
        """Whether the trading meter was started since the time is known."""
        self._ask_day = -1
        self._ask_at_ms = 0

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        self.lifecycle.begin(now_ms)
        known = self._clock_known()  # asked first: ``now_ms`` is of before whatever this event brings about
        effects = self._watch_time(event, now_ms)
        begins = isinstance(event, Started) or (isinstance(event, TimerFired) and event.name == TIMER)
        if known and not self._trades:
            effects += self.trader.handle(Started(), now_ms)
        if known and self._trades and not begins:
            effects += self.trader.handle(event, now_ms)
        self._trades = known
        effects += self._turn(now_ms)
        if begins:
            effects += self._begin_interval(now_ms)
        self.home.hear(self.trader.take_news(), now_ms)
        return effects

    def _watch_time(self, event: Event, now_ms: int) -> list[Effect]:
        """Ask for the time, and hear the answers, where that is this device's business."""
        watch = self._signed_time
        if watch is None:
            return []
        match event:
            case Started() | TimerFired(name=signed_time.TIMER):
                return watch.ask(now_ms)
            case Received(peer=peer, message=message):
                watch.hear(peer, message)
        return []

    def _turn(self, now_ms: int) -> list[Effect]:
        """Let the lifecycle follow the facts."""
        client = self.trader.client
        facts = Facts(
            clock_known=self._clock_known(),
            standing=client.standing,
            why="" if client.may_trade else client.status().why,
            measured=self.home.is_measured(now_ms),
        )
        if not self.lifecycle.turn(facts, now_ms):
            return []
        return [Report(name="state", value=(self.lifecycle.state.value, self.lifecycle.why))]

    def _begin_interval(self, now_ms: int) -> list[Effect]:
        """Ask for addresses and decide, as far as the lifecycle allows; come again at the next boundary."""
        effects: list[Effect] = []
        since_ms = now_ms % self._interval_ms
        if since_ms < self._after_ms:
            return [SetTimer(name=TIMER, at_ms=now_ms - since_ms + self._after_ms)]
        interval = now_ms // self._interval_ms
        if self.lifecycle.may(May.DECIDE):
            effects += self._reserve(now_ms)
            occasion = Occasion(
                interval=interval, now_ms=now_ms, decided=self.trader.decided, orders=self.trader.orders()
            )
            effects += self.trader.offer(interval, self.home.decide(occasion), now_ms)
        return [*effects, SetTimer(name=TIMER, at_ms=(interval + 1) * self._interval_ms + self._after_ms)]

    def _reserve(self, now_ms: int) -> list[Effect]:
        """Ask for today's addresses where there are none, and for tomorrow's at a random time of the afternoon."""
        today, reserved = now_ms // _DAY_MS, self.trader.reserved_day
        if reserved is None or reserved < today:
            return self._reserve_for(today, now_ms)
        if self._ask_day != today:
            noon_ms = today * _DAY_MS + _DAY_MS // 2
            self._ask_day, self._ask_at_ms = today, noon_ms + self._chance.randrange(_DAY_MS * 11 // 24)
        if reserved == today and now_ms >= self._ask_at_ms:
            return self._reserve_for(today + 1, (today + 1) * _DAY_MS)
        return []

    def _reserve_for(self, day: int, from_ms: int) -> list[Effect]:
        first = from_ms // self._interval_ms
        last = ((day + 1) * _DAY_MS - 1) // self._interval_ms
        wants = tuple(self.home.reserve(first, last, self.trader.orders()))
        return self.trader.reserve(day, wants, from_ms) if wants else []
