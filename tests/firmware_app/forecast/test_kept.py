"""What was learnt outlives a restart to the bit, and a damaged copy of it is refused loudly."""

from __future__ import annotations

import re
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.forecast.forecaster import Forecaster, Mode
from firmware_app.forecast.kept import MAX_BYTES, VERSION
from firmware_app.forecast.settings import ForecastSettings, Series
from light_client.rules.encoding import Encodable, decode, encode
from tests.firmware_app.forecast.homes import MONDAY, energies, load, taught

_HOUR = 3_600
_TAUGHT = taught(load(_HOUR), 24)
_KEPT = _TAUGHT.to_bytes()


def _restored(data: bytes, **changed: int) -> Forecaster:
    settings = ForecastSettings(history_days=changed.pop("history_days", 21))
    series = Series(changed.pop("series", Series.LOAD))
    return Forecaster.from_bytes(data, settings, interval_s=changed.pop("interval_s", _HOUR), series=series)


def test_it_goes_on_as_if_nothing_had_happened() -> None:
    one, other = taught(load(_HOUR), 24), _restored(_KEPT)
    first = (MONDAY + 24) * 24
    assert other.predict(first, 48) == one.predict(first, 48)
    assert other.score() == one.score()
    assert other.status().mode is Mode.LEARNT
    assert other.status().notice == ""
    assert other.to_bytes() == _KEPT
    for interval, energy_j in list(energies(load(_HOUR), _HOUR, 30))[24 * 24 :]:
        one.learn(interval, energy_j)
        other.learn(interval, energy_j)
    again, never = other.predict(first + 6 * 24, 24).energy_j, one.predict(first + 6 * 24, 24).energy_j
    for row, same in zip(again, never, strict=True):
        # A restart costs the products of one day, not what is usual.
        assert row == pytest.approx(same, rel=0.25)


def test_a_fresh_one_can_be_kept_too() -> None:
    fresh = Forecaster(ForecastSettings(), interval_s=_HOUR, series=Series.LOAD)
    again = _restored(fresh.to_bytes())
    assert again.status().notice == ""
    assert again.predict(5, 3).energy_j == ()


def test_at_quarter_hours_it_takes_eleven_kilobytes_and_never_more_than_the_limit() -> None:
    assert len(taught(load(900), 22, interval_s=900).to_bytes()) < 11_000
    largest = Forecaster(ForecastSettings(history_days=56), interval_s=300, series=Series.LOAD)
    assert len(largest.to_bytes()) <= MAX_BYTES


@given(st.integers(0, len(_KEPT) - 1), st.integers(1, 255))
def test_any_damaged_byte_is_noticed_and_said(place: int, change: int) -> None:
    damaged = bytearray(_KEPT)
    damaged[place] ^= change
    forecaster = _restored(bytes(damaged))
    assert "learning anew" in forecaster.status().notice
    assert forecaster.predict((MONDAY + 24) * 24, 2).is_fallback


@given(st.integers(0, len(_KEPT) - 1))
def test_a_torn_copy_is_noticed(length: int) -> None:
    assert "learning anew" in _restored(_KEPT[:length]).status().notice


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_device(data: bytes) -> None:
    assert "learning anew" in _restored(data).status().notice


def _changed(place: int, value: Encodable) -> bytes:
    """The kept state with one field of its body changed, and a checksum that fits."""
    envelope = decode(_KEPT, max_bytes=MAX_BYTES)
    assert isinstance(envelope, tuple)
    assert isinstance(envelope[2], bytes)
    fields = decode(envelope[2], max_bytes=MAX_BYTES)
    assert isinstance(fields, tuple)
    body = encode((*fields[:place], value, *fields[place + 1 :]))
    return encode((VERSION, crc32(body), body))


_FLOATS = 2 + 3 + 9 + 3 * 24


def _floats(place: int, value: float) -> bytes:
    values = [1.0, 1.0, 0.0, 0.0, 0.0, 1, 0, 0, 0, 1, 0, 0, 0, 1, *([0.0] * 72)]
    values[place] = value
    return struct.pack(f">{_FLOATS}d", *values)


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (0, 900, "of \\(interval_s"),
        (1, 2, "of \\(interval_s"),
        (2, 20, "of \\(interval_s"),
        (3, -2, "whole number"),
        (3, b"", "whole number"),
        (4, b"\x00" * 8, "a ring of 2 intervals"),
        (4, b"\x00" * 7, "bytes"),
        (4, 7, "bytes belong"),
        (5, 24, "whole number"),
        (6, 3, "whole number"),
        (7, b"", "kind"),
        (7, _floats(0, float("nan")), "not a number"),
        (7, _floats(0, -1.0), "negative"),
        (7, _floats(1, 0.0), "negative"),
        (7, _floats(1, 1e9), "beyond"),
        (7, _floats(2, 99.0), "beyond"),
        (7, _floats(20, 99.0), "beyond"),
        (7, _floats(5, -1.0), "positive definite"),
        (8, struct.pack(">6d", -1, 0, 0, 0, 0, 0), "below 0"),
        (8, b"", "kind"),
    ],
)
def test_every_field_is_checked_behind_a_right_checksum(place: int, value: int | bytes, why: str) -> None:
    notice = _restored(_changed(place, value)).status().notice
    assert "learning anew" in notice
    assert re.search(why, notice), notice


def test_what_the_cases_change_would_otherwise_be_taken() -> None:
    assert _restored(_changed(7, _floats(0, 1.0))).status().notice == ""


@pytest.mark.parametrize("changed", [{"history_days": 20}, {"series": Series.NET}, {"interval_s": 1_800}])
def test_another_setting_learns_anew_and_says_so(changed: dict[str, int]) -> None:
    assert "now they are" in _restored(_KEPT, **changed).status().notice


def test_another_version_is_refused() -> None:
    body = encode((1, 2))
    for envelope in (
        (VERSION + 1, crc32(body), body),
        (VERSION, 0, body),
        (VERSION, crc32(body), body),
        (VERSION,),
    ):
        assert "learning anew" in _restored(encode(envelope)).status().notice
