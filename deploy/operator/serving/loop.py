"""The service's loop: heard, written, acknowledged, sent, again and again; a signal ends it between two turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from deploy.operator.serving.service import Service
from deploy.operator.serving.wire import Broker

_WAIT_S: Final = 0.2


def utc_ms() -> int:
    """Now."""
    return time.time_ns() // 1_000_000


def run(
    service: Service, broker: Broker, *, goes_on: Callable[[], bool], now_ms: Callable[[], int] = utc_ms
) -> None:
    """Serve until told to stop.

    Args:
        goes_on: asked before each turn.
    """
    greeted = 0
    while goes_on():
        messages = broker.take(_WAIT_S)
        sendings = service.turn(messages, now_ms(), hears=broker.connected)
        broker.written(messages)
        if broker.connections != greeted and broker.connected:
            greeted = broker.connections
            broker.send(service.greeting())
        broker.send(sendings)
