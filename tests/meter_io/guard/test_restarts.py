"""What the guard makes of outages, of clocks that are set, and of a restart of the board."""

import pytest

from meter_io.guard import (
    EXPORT_WH,
    IMPORT_WH,
    MAX_STATE_BYTES,
    CounterGuard,
    GuardParams,
    GuardStateError,
)
from meter_io.reading import MeterId, Quality, TimeBasis
from meter_io.span import Basis, Instant
from tests.meter_io.samples import (
    METER,
    START_MS,
    booked_j,
    facts,
    judge_all,
    moment,
    qualities,
    sample,
    spans_of,
    tiled,
)

KWH = 3_600_000
BOTH = GuardParams(counters=(IMPORT_WH, EXPORT_WH), needs_power=True)


def test_after_an_outage_one_sample_is_not_enough() -> None:
    guard = CounterGuard(METER, GuardParams())
    judged = judge_all(guard, ["5", "5.01"])
    judged += judge_all(guard, ["9", "9.01", "9.02", "9.03"], first_s=7_200)
    assert qualities(judged)[2:] == [Quality.JUMP] * 3 + [Quality.GOOD]
    last, good = spans_of(judged)[-2:]
    assert (last.energy_j, last.basis) == ((KWH * 401 // 100, None), Basis.ESTIMATED)
    assert good.basis is Basis.MEASURED
    assert tiled(spans_of(judged))


def test_a_wrong_value_after_an_outage_does_no_harm() -> None:
    guard = CounterGuard(METER, GuardParams())
    judged = judge_all(guard, ["5", "5.01"]) + judge_all(guard, ["80", "9", "9.01", "9.02"], first_s=7_200)
    assert qualities(judged)[2:] == [Quality.JUMP] * 4
    assert booked_j(spans_of(judged)) == KWH * 402 // 100


def test_the_boards_clock_may_be_set_without_a_reading_being_lost() -> None:
    guard = CounterGuard(METER, GuardParams())
    steps = [0, 3_600_000, -7_200_000, 500]
    judged = [
        guard.judge(sample(0, str(5 + n / 100), when=moment(10_000 * n, utc_ms=START_MS + 10_000 * n + step)))
        for n, step in enumerate(steps)
    ]
    assert qualities(judged)[1:] == [Quality.GOOD] * 3
    assert booked_j(spans_of(judged)) == 3 * 36_000


def test_a_restart_keeps_the_base() -> None:
    guard = CounterGuard(METER, BOTH)
    for n, (value, power) in enumerate([("50", "300"), ("50.01", "300"), ("0", "300"), ("0.001", "300")]):
        guard.judge(sample(10 * n, value, export_kwh="1", power_w=power))
    stored = guard.dump()
    assert stored is not None
    assert len(stored) <= MAX_STATE_BYTES
    fresh = CounterGuard(METER, BOTH, stored)
    when = moment(2_000, utc_ms=START_MS + 40_000)  # the monotonic clock began again
    judged = fresh.judge(sample(0, "0.002", export_kwh="1", power_w="300", when=when))
    assert judged.reading.quality is Quality.RESET
    again = CounterGuard(METER, BOTH, stored)
    back = again.judge(sample(0, "50.02", export_kwh="1", power_w="300", when=when))
    assert back.reading.quality is Quality.GOOD
    assert back.spans[0].start == Instant(START_MS + 10_000, None)
    assert booked_j(list(back.spans)) == 36_000


def test_a_restart_without_a_clock_waits_for_it() -> None:
    guard = CounterGuard(METER, GuardParams())
    judge_all(guard, ["5", "5.01"])
    fresh = CounterGuard(METER, GuardParams(), guard.dump())
    untimed = [
        fresh.judge(sample(0, value, when=moment(at_ms, TimeBasis.MONOTONIC)))
        for at_ms, value in [(1_000, "5.01"), (11_000, "5.02"), (21_000, "5.03")]
    ]
    assert qualities(untimed) == [Quality.GOOD] * 3  # it stood, then it was timed by today's monotonic clock
    fresh = CounterGuard(METER, GuardParams(), guard.dump())
    untimed = [
        fresh.judge(sample(0, value, when=moment(at_ms, TimeBasis.MONOTONIC)))
        for at_ms, value in [(1_000, "5.5"), (11_000, "5.51"), (21_000, "5.52"), (31_000, "5.53")]
    ]
    assert qualities(untimed) == [Quality.JUMP] * 4
    fresh.clock_trusted(START_MS + 60_000, 35_000)
    timed = fresh.judge(sample(0, "5.54", when=moment(41_000, utc_ms=START_MS + 66_000)))
    assert facts(timed.spans) == [((KWH * 53 // 100, None), Basis.MEASURED)]


def test_what_was_timed_by_an_earlier_start_alone_is_forgotten() -> None:
    guard = CounterGuard(METER, GuardParams())
    guard.judge(sample(0, "5", when=moment(1_000, TimeBasis.MONOTONIC)))
    fresh = CounterGuard(METER, GuardParams(), guard.dump())
    assert fresh.judge(sample(10, "5.01")).reading.quality is Quality.FIRST


def test_another_profile_begins_anew() -> None:
    guard = CounterGuard(METER, GuardParams())
    guard.judge(sample(0, "5"))
    fresh = CounterGuard(METER, BOTH, guard.dump())
    assert fresh.dump() is None


def test_nothing_to_store_before_the_first_reading() -> None:
    guard = CounterGuard(METER, GuardParams())
    guard.clock_trusted(START_MS, 0)
    assert guard.dump() is None


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"schema":"gridlight.guard/2"}',
        b'{"schema":"gridlight.guard/1","base":null}',
        b" " * (MAX_STATE_BYTES + 1),
        b"[" * 2_000,
    ],
)
def test_a_damaged_state_is_refused(stored: bytes) -> None:
    with pytest.raises(GuardStateError) as caught:
        CounterGuard(METER, GuardParams(), stored)
    assert caught.value.hint == "delete it"


def test_every_flipped_byte_of_a_state_is_refused_or_read() -> None:
    guard = CounterGuard(METER, BOTH)
    for n, value in enumerate(["50", "50.01", "0"]):
        guard.judge(sample(10 * n, value, export_kwh="1", power_w="300"))
    stored = guard.dump() or b""
    refused = 0
    for at in range(len(stored)):
        for flip in (0x01, 0x10, 0x40):
            damaged = bytes([*stored[:at], stored[at] ^ flip, *stored[at + 1 :]])
            try:
                CounterGuard(METER, BOTH, damaged)
            except GuardStateError:
                refused += 1
    assert refused > len(stored)


def test_another_meters_sample_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="watches 'pv'"):
        CounterGuard(MeterId("pv"), GuardParams()).judge(sample(0, "5"))


def test_samples_on_both_sides_of_an_outage_do_not_agree() -> None:
    guard = CounterGuard(METER, GuardParams())
    judged = judge_all(guard, ["50", "0", "0.001"]) + judge_all(guard, ["0.5", "0.51"], first_s=3_600)
    assert qualities(judged)[1:] == [Quality.FALSE_ZERO] * 4


def test_a_stored_number_out_of_bounds_is_refused() -> None:
    guard = CounterGuard(METER, GuardParams())
    guard.judge(sample(0, "5"))
    stored = (guard.dump() or b"").replace(b"18000000,null", b"-5,null")
    with pytest.raises(GuardStateError, match="expected a whole number from 0"):
        CounterGuard(METER, GuardParams(), stored)
