"""What a board has before it is switched on, whoever plays it: its secrets, and what it learnt in the week before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from firmware_app.config import keys
from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.settings import ForecastSettings, Series
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams

_TAUGHT_DAYS: Final = 7


class FixedTime:
    """A clock that stands where the run will begin: for what was learnt before it."""

    def __init__(self, utc_ms: int) -> None:
        self._utc_ms = utc_ms

    def utc_ms(self) -> int:
        """The time that it stands at."""
        return self._utc_ms

    def monotonic_ms(self) -> int:
        """As good a clock as the other."""
        return self._utc_ms


def put_keys(data: Path, *, identity: bytes, seed: bytes) -> None:
    """Write the secrets of a board's identity and of its wallet into its data folder, which has none yet."""
    for file, header, secret in (
        (keys.IDENTITY, "gridlight identity 1", identity),
        (keys.SEED, "gridlight wallet seed 1", seed),
    ):
        handle = os.open(data / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(f"{header}\n{secret.hex()}\n")


def teach(data: Path, net_j: Sequence[int], *, interval_s: int, now_ms: int) -> None:
    """Let a board know its home's usual day, as after a week.

    Args:
        data: its data folder.
        net_j: load less generation in each interval of a day, J.
        now_ms: when its run begins, UTC.
    """
    forecaster = Forecaster(ForecastSettings(), interval_s=interval_s, series=Series.NET)
    now = now_ms // (interval_s * 1_000)
    for interval in range(now - _TAUGHT_DAYS * len(net_j), now):
        forecaster.learn(interval, net_j[interval % len(net_j)])
    store = DeviceStore(
        data, StoreParams(), clock=FixedTime(now_ms), boot_id="a week ago", counter=not_counted
    )
    store.keep("forecast:net", forecaster.to_bytes())
    store.close()


def not_counted() -> None:
    """What this process writes is not the board's."""
