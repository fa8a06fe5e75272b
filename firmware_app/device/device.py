"""The device as one actor: the trading meter, and what is done once in each interval."""

from __future__ import annotations

from typing import Final

from firmware_app.device.decision import Decide, Occasion
from firmware_app.trading.meter import TradingMeter
from light_client.session.actor import Effect, Event, PeerName, SetTimer, Started, TimerFired

TIMER: Final = "interval"


class Device:
    """One home's device."""

    def __init__(self, trader: TradingMeter, decide: Decide, interval_s: int) -> None:
        self.name: PeerName = trader.name
        self.trader = trader
        self._decide = decide
        self._interval_ms = interval_s * 1_000

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        match event:
            case Started():
                return [*self.trader.handle(event, now_ms), *self._begin_interval(now_ms)]
            case TimerFired(name=name) if name == TIMER:
                return self._begin_interval(now_ms)
            case _:
                return self.trader.handle(event, now_ms)

    def _begin_interval(self, now_ms: int) -> list[Effect]:
        """Decide what to offer, once in each interval."""
        interval = now_ms // self._interval_ms
        occasion = Occasion(interval=interval, now_ms=now_ms, decided=self.trader.decided)
        effects = self.trader.offer(interval, self._decide(occasion), now_ms)
        return [*effects, SetTimer(name=TIMER, at_ms=(interval + 1) * self._interval_ms)]
