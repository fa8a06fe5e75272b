"""Readings from before the time was known get the time they were taken at, and only so many wait."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.clock.waiting import WaitingReadings
from meter_io.reading import MeterId, Moment, Quality, Reading, TimeBasis


def reading(monotonic_ms: int, utc_ms: int | None = None) -> Reading:
    basis = TimeBasis.MONOTONIC if utc_ms is None else TimeBasis.METER
    return Reading(
        meter=MeterId("house"),
        moment=Moment(utc_ms=utc_ms, monotonic_ms=monotonic_ms, basis=basis),
        import_j=monotonic_ms,
        export_j=0,
        power_w=Decimal(1),
        quality=Quality.GOOD,
    )


@given(st.lists(st.integers(0, 10**9)), st.integers(1, 30), st.integers(10**9, 10**13))
def test_the_newest_are_stamped_in_order_and_the_others_counted(
    times: list[int], limit: int, utc_ms: int
) -> None:
    waiting = WaitingReadings(limit)
    for time in times:
        waiting.hold(reading(time))
    now_ms = 10**9
    stamped = waiting.release(utc_ms=utc_ms, monotonic_ms=now_ms)
    assert [one.moment.utc_ms for one in stamped] == [utc_ms - now_ms + time for time in times[-limit:]]
    assert {one.moment.basis for one in stamped} <= {TimeBasis.RECEIVED}
    assert waiting.dropped == max(0, len(times) - limit)
    assert len(waiting) == 0
    assert waiting.release(utc_ms=utc_ms, monotonic_ms=now_ms) == []


def test_a_reading_that_knows_its_time_does_not_wait() -> None:
    with pytest.raises(ValueError, match="nothing to wait for"):
        WaitingReadings().hold(reading(1, utc_ms=2))
    with pytest.raises(ValueError, match="at least one"):
        WaitingReadings(0)
