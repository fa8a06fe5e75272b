"""What a board has before it is switched on: secrets for its user alone, and a week's knowledge of its home."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from firmware_app.config import keys
from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.settings import ForecastSettings, Series
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from testbed.boards.furnishing import not_counted, put_keys, teach

_NOW_MS = 1_781_470_800_000
_S = 900
_DAY = tuple(range(-48, 48))


class _Now:
    def utc_ms(self) -> int:
        return _NOW_MS

    def monotonic_ms(self) -> int:
        return 0


def test_secrets_are_whole_private_and_written_once(tmp_path: Path) -> None:
    put_keys(tmp_path, identity=bytes(31) + b"\1", seed=b"s" * 32)
    for file in (keys.IDENTITY, keys.SEED):
        keys.check(tmp_path / file)
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        put_keys(tmp_path, identity=bytes(31) + b"\2", seed=b"t" * 32)


def test_a_board_that_was_taught_expects_its_homes_usual_day(tmp_path: Path) -> None:
    net_j = tuple(3_600 * energy for energy in _DAY)
    teach(tmp_path, net_j, interval_s=_S, now_ms=_NOW_MS)
    store = DeviceStore(tmp_path, StoreParams(), clock=_Now(), boot_id="now", counter=not_counted)
    kept = store.kept("forecast:net")
    store.close()
    assert kept is not None
    forecaster = Forecaster.from_bytes(kept, ForecastSettings(), interval_s=_S, series=Series.NET)
    first = _NOW_MS // (_S * 1_000)
    told = forecaster.predict(first, 8)
    middle = told.levels_permille.index(500)
    assert [row[middle] for row in told.energy_j] == [net_j[(first + ahead) % 96] for ahead in range(8)]
