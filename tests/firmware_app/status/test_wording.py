"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.status import wording
from firmware_app.status.snapshot import Absent

NOON_MS = 1_781_435_232_000


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0.0 s"),
        (800, "0.8 s"),
        (3_000, "3 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (468_000, "7 min 48 s"),
        (41 * 60_000, "41 min"),
        (3_600_000, "1 h"),
        (12 * 86_400_000 + 4 * 3_600_000 + 9, "12 d 4 h"),
    ],
)
def test_durations_by_their_two_largest_units(duration_ms: int, text: str) -> None:
    assert wording.span(duration_ms) == text


def test_numbers_of_the_mock_up() -> None:
    assert wording.kwh(51_776_701_200, 3) == "14 382.417 kWh"
    assert wording.flow(-2_312) == "exporting 2.31 kW"
    assert wording.flow(40) == "importing 40 W"
    assert wording.flow(0) == "neither importing nor exporting"
    assert wording.price(142_000, "EUR") == "0.1420 EUR/kWh"
    assert wording.money(-890_000, "EUR") == "-0.89 EUR"
    assert wording.offset(-412) == "0.4 ms slow of NTP time"
    assert wording.offset(3_000_000) == "3 s fast of NTP time"
    assert wording.offset(0) == "exactly NTP time"
    assert wording.size(2_100_000) == "2.1 MB"
    assert wording.size(64_000_000) == "64 MB"
    assert wording.size(312) == "312 B"
    assert wording.moment(NOON_MS, 7_200) == "Sun 14 Jun 2026, 13:07:12 +02:00"
    assert wording.zone(-12_600) == "-03:30"
    assert wording.utc(NOON_MS) == "2026-06-14 11:07:12 UTC"
    assert wording.interval(NOON_MS // 900_000, 900, 7_200) == "13:00-13:15"
    assert wording.plural(1, "warning") == "1 warning"


def test_since_when() -> None:
    assert wording.since(7 * 3_600_000 + 300_000, NOON_MS, 7_200) == "since 06:02"
    assert wording.since(3 * 86_400_000, NOON_MS, 7_200) == "since 11 Jun"
    assert wording.since(400 * 86_400_000, NOON_MS, 7_200) == "since 10 May 2025"
    assert wording.since(60_000, Absent("no clock"), 0) == "for 1 min"


@given(st.integers(-(10**15), 10**15), st.sampled_from([1, 10, 1_000, 3_600_000]), st.integers(0, 6))
def test_a_decimal_is_the_nearest_one(number: int, per: int, places: int) -> None:
    text = wording.decimal(number, per, places).replace(" ", "")
    shown = int(text.replace(".", ""))
    assert abs(shown * per - number * 10**places) * 2 <= per
    assert not text.startswith("-") or shown < 0
