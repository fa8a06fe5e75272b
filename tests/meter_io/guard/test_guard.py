"""Every quality with its decision, and the sequences that could be two things."""

from decimal import Decimal

import pytest

from meter_io.guard import (
    EXPORT_WH,
    IMPORT_WH,
    CounterGuard,
    CounterSpec,
    GuardParams,
    Judgement,
)
from meter_io.obis import IMPORT_TOTAL, POWER_EXPORT, POWER_IMPORT, VOLTAGES, Obis
from meter_io.reading import Phase, Quality, Sample, TimeBasis, Unit, Value
from meter_io.span import Basis, Instant, Span
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


# -- one code after the other ----------------------------------------------------------------------------------------


def test_first_and_good() -> None:
    first, good = judge_all(CounterGuard(METER, GuardParams()), ["5", "5.01"])
    assert (first.reading.quality, first.spans, first.reading.tradable) == (Quality.FIRST, (), False)
    assert first.reading.import_j == 5 * KWH
    assert facts(good.spans) == [((36_000, None), Basis.MEASURED)]
    assert good.reading.tradable
    assert good.reading.reason == ""
    assert (good.spans[0].start, good.spans[0].end) == (
        Instant(START_MS, 0),
        Instant(START_MS + 10_000, 10_000),
    )


def test_a_reset_needs_samples_that_grow() -> None:
    guard = CounterGuard(METER, GuardParams())
    judged = judge_all(guard, ["50", "50.01", "0", "0", "0", "0.005", "0.012"])
    assert qualities(judged)[2:] == [Quality.FALSE_ZERO] * 3 + [Quality.RESET, Quality.GOOD]
    spans = spans_of(judged)
    assert facts(tuple(spans)) == [
        ((36_000, None), Basis.MEASURED),
        ((None, None), Basis.UNKNOWN),  # nobody knows what went by before the reset
        ((18_000, None), Basis.ESTIMATED),
        ((25_200, None), Basis.MEASURED),
    ]
    assert tiled(spans)
    assert "4 samples agree" in judged[5].reading.reason
    assert judged[2].reading.import_j is None


def test_a_far_back_step_that_stays_is_a_new_base() -> None:
    judged = judge_all(CounterGuard(METER, GuardParams()), ["900", "300", "300.01", "300.02", "300.03"])
    assert qualities(judged)[1:] == [Quality.BACK_STEP] * 2 + [Quality.RESET, Quality.GOOD]
    assert booked_j(spans_of(judged)) == KWH * 3 // 100


def test_a_small_back_step_never_is() -> None:
    values = ["900", *(str(Decimal("899.505") + Decimal("0.01") * n) for n in range(54))]
    judged = judge_all(CounterGuard(METER, GuardParams()), values)
    assert qualities(judged)[1:51] == [Quality.BACK_STEP] * 50
    # more than five minutes have passed: one sample alone does not do
    assert qualities(judged)[51:] == [Quality.JUMP] * 2 + [Quality.JUMP, Quality.GOOD]
    assert booked_j(spans_of(judged)) == KWH * 35 // 1_000  # exactly what the counter shows beyond 900


def test_a_jump_that_stays_is_not_booked() -> None:
    judged = judge_all(CounterGuard(METER, GuardParams()), ["5", "905", "905.01", "905.02", "905.03"])
    assert qualities(judged)[1:] == [Quality.JUMP] * 3 + [Quality.GOOD]
    assert booked_j(spans_of(judged)) == KWH * 3 // 100


def test_a_jump_does_not_become_plausible_by_waiting() -> None:
    """5.2 kWh at once is too much; that it could have flowed in five minutes does not make it true."""
    judged = judge_all(CounterGuard(METER, GuardParams()), ["5", *["10.2"] * 25, "5.1"])
    assert qualities(judged)[1:-1] == [Quality.JUMP] * 25
    assert qualities(judged)[-1] is Quality.GOOD
    assert booked_j(spans_of(judged)) == KWH // 10


def test_a_roll_over_of_all_nines() -> None:
    six_digits = CounterSpec(codes=(IMPORT_TOTAL,), resolution_j=360_000, modulus_j=100_000 * KWH)
    guard = CounterGuard(METER, GuardParams(counters=(six_digits, None)))
    judged = judge_all(guard, ["99999.8", "99999.9", "0.0", "0.0", "0.1", "0.2"])
    assert qualities(judged)[2:] == [Quality.ROLLED_OVER] * 3 + [Quality.GOOD]
    assert booked_j(spans_of(judged)) == 4 * 360_000
    assert {span.basis for span in judged[4].spans} == {Basis.ESTIMATED}


def test_a_false_zero_near_the_end_of_a_counter() -> None:
    six_digits = CounterSpec(codes=(IMPORT_TOTAL,), resolution_j=360_000, modulus_j=100_000 * KWH)
    guard = CounterGuard(METER, GuardParams(counters=(six_digits, None)))
    judged = judge_all(guard, ["99999.8", "0.0", "0.0", "0.0", "99999.8", "99999.9"])
    assert qualities(judged)[1:] == [Quality.ROLLED_OVER] * 3 + [Quality.GOOD] * 2
    assert booked_j(spans_of(judged)) == 360_000


@pytest.mark.parametrize("factor", ["1000", "100", "10", "0.1", "0.01", "0.001"])
def test_another_scale_waits_for_a_person(factor: str) -> None:
    guard = CounterGuard(METER, GuardParams(connection_w=20_000))
    true = [Decimal(5000) + Decimal("0.01") * n for n in range(30)]
    values = [str(value if n < 5 else value * Decimal(factor)) for n, value in enumerate(true)]
    judged = judge_all(guard, values)
    assert qualities(judged)[5:] == [Quality.UNIT_CHANGED] * 25
    assert booked_j(spans_of(judged)) == 4 * 36_000
    back = guard.judge(sample(300, str(true[-1])))
    assert back.reading.quality is Quality.GOOD
    guard.judge(sample(310, str(true[-1] * Decimal(factor))))
    guard.accept()
    assert guard.judge(sample(320, str(true[-1] * Decimal(factor)))).reading.quality is Quality.FIRST


def test_stale() -> None:
    guard = CounterGuard(METER, GuardParams())
    judge_all(guard, ["5", "5.01"])
    for when in (moment(10_000), moment(4_000)):
        assert guard.judge(sample(0, "5.02", when=when)).reading.quality is Quality.STALE
    good = guard.judge(sample(20, "5.02"))
    assert facts(good.spans) == [((36_000, None), Basis.MEASURED)]


def test_the_same_telegram_again_is_stale_by_the_meters_own_clock() -> None:
    guard = CounterGuard(METER, GuardParams())
    judged = [
        guard.judge(sample(0, value, when=moment(at_ms, TimeBasis.METER, utc_ms=START_MS + meter_ms)))
        for value, at_ms, meter_ms in [
            ("5", 1_000, 0),
            ("5.01", 11_000, 10_000),
            ("5.01", 21_000, 10_000),
            ("5.03", 33_000, 30_000),
            ("5.02", 34_000, 20_000),
            ("5.04", 41_000, 40_000),
        ]
    ]
    late = [Quality.STALE, Quality.GOOD, Quality.STALE, Quality.GOOD]
    assert qualities(judged) == [Quality.FIRST, Quality.GOOD, *late]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (IMPORT_TOTAL, None),
        (IMPORT_TOTAL, Value(Decimal("NaN"), Unit.WATT_HOUR)),
        (IMPORT_TOTAL, Value(Decimal("Infinity"), Unit.WATT_HOUR)),
        (IMPORT_TOTAL, Value(Decimal(-1), Unit.WATT_HOUR)),
        (IMPORT_TOTAL, Value(Decimal("1E+999999"), Unit.WATT_HOUR)),
        (IMPORT_TOTAL, Value(Decimal(1 << 62), Unit.WATT_HOUR)),
        (IMPORT_TOTAL, Value(Decimal(5_000), Unit.CUBIC_METRE)),
        (Obis(1, 0, 16, 7, 0), None),
        (Obis(1, 0, 16, 7, 0), Value(Decimal(1 << 40), Unit.WATT)),
        (Obis(1, 0, 16, 7, 0), Value(Decimal(5), Unit.VAR)),
    ],
)
def test_incomplete(code: Obis, value: Value | None) -> None:
    params = GuardParams(needs_power=True)
    guard = CounterGuard(METER, params)
    guard.judge(sample(0, "5", power_w="100"))
    before = guard.dump()
    whole = sample(10, "5", power_w="100")
    values = {**whole.values}
    del values[code]
    if value is not None:
        values[code] = value
    broken = Sample(meter=METER, moment=whole.moment, model="test", values=values)
    judged = guard.judge(broken)
    assert (judged.reading.quality, judged.spans) == (Quality.INCOMPLETE, ())
    assert str(code) in judged.reading.reason
    assert judged.reading.import_j is None
    assert guard.dump() == before
    assert guard.judge(sample(20, "5.01", power_w="100")).reading.quality is Quality.GOOD


def test_frozen_and_caught_up() -> None:
    guard = CounterGuard(METER, BOTH)
    guard.judge(sample(0, "5", export_kwh="1", power_w="3000"))
    judged = [guard.judge(sample(10 * n, "5", export_kwh="1", power_w="3000")) for n in range(1, 5)]
    assert qualities(judged) == [Quality.GOOD, Quality.GOOD, Quality.FROZEN, Quality.FROZEN]
    moved = guard.judge(sample(50, "5.04", export_kwh="1", power_w="3000"))
    assert moved.reading.quality is Quality.GOOD
    assert facts(moved.spans) == [((144_000, 0), Basis.ESTIMATED)]
    assert tiled([*spans_of(judged), *moved.spans])
    after = guard.judge(sample(60, "5.05", export_kwh="1", power_w="3000"))
    assert facts(after.spans) == [((36_000, 0), Basis.MEASURED)]


def test_a_counter_may_stand_when_little_or_nothing_certain_flows() -> None:
    guard = CounterGuard(METER, BOTH)
    powers = ["24"] * 200 + ["3000", "-3000"] * 50 + ["3000", "0"] * 50
    judged = [guard.judge(sample(10 * n, "5", export_kwh="1", power_w=w)) for n, w in enumerate(powers)]
    assert set(qualities(judged)[1:]) == {Quality.GOOD}


def test_wrong_sign_and_right_again() -> None:
    guard = CounterGuard(METER, BOTH)

    def feed(first: int, last: int, power_w: str) -> list[Judgement]:
        return [
            guard.judge(
                sample(10 * n, str(Decimal(5) + Decimal("0.01") * n), export_kwh="1", power_w=power_w)
            )
            for n in range(first, last)
        ]

    assert set(qualities(feed(0, 20, "3600"))[1:]) == {Quality.GOOD}
    turned = feed(20, 30, "-3600")
    assert qualities(turned) == [Quality.GOOD] * 2 + [Quality.WRONG_SIGN] * 8
    assert {span.basis for judgement in turned[2:] for span in judgement.spans} == {Basis.UNKNOWN}
    again = feed(30, 34, "3600")
    assert qualities(again) == [Quality.WRONG_SIGN] + [Quality.GOOD] * 3
    assert facts(again[-1].spans) == [((36_000, 0), Basis.MEASURED)]


def test_export_at_noon_is_no_contradiction() -> None:
    guard = CounterGuard(METER, BOTH)
    for n in range(100):
        wh = Decimal(n) * 10 / 1_000
        judged = guard.judge(
            sample(10 * n, "5", export_kwh=str(1 + wh), power_w="-3600")
            if n < 50
            else sample(10 * n, str(5 + wh - Decimal("0.49")), export_kwh="1.49", power_w="3600")
        )
        assert judged.reading.quality is (Quality.FIRST if n == 0 else Quality.GOOD)


# -- two counters ----------------------------------------------------------------------------------------------------


def test_one_counter_in_question_holds_the_other() -> None:
    guard = CounterGuard(METER, GuardParams(counters=(IMPORT_WH, EXPORT_WH)))
    pairs = [
        ("5", "70"),
        ("5.01", "70"),
        ("5.02", "0"),
        ("5.03", "0.001"),
        ("5.04", "0.002"),
        ("5.05", "0.002"),
    ]
    judged = [guard.judge(sample(10 * n, i, export_kwh=e)) for n, (i, e) in enumerate(pairs)]
    assert qualities(judged)[2:] == [Quality.FALSE_ZERO] * 2 + [Quality.RESET, Quality.GOOD]
    spans = spans_of(judged)
    assert (booked_j(spans, 0), booked_j(spans, 1)) == (180_000, 7_200)
    assert judged[2].reading.import_j == KWH * 502 // 100
    assert judged[2].reading.export_j is None
    assert "export" in judged[2].reading.reason


def test_a_standing_counter_does_not_prove_a_reset_of_the_other() -> None:
    guard = CounterGuard(METER, GuardParams(counters=(IMPORT_WH, EXPORT_WH)))
    judged = [
        guard.judge(
            sample(10 * n, str(Decimal(5) + Decimal(n) / 100), export_kwh="70" if n in (0, 9) else "0")
        )
        for n in range(10)
    ]
    assert qualities(judged)[1:] == [Quality.FALSE_ZERO] * 8 + [Quality.GOOD]
    assert booked_j(spans_of(judged)) == 9 * 36_000


def test_tariffs_are_added_up() -> None:
    tariffs = (Obis(1, 0, 1, 8, 1), Obis(1, 0, 1, 8, 2))
    guard = CounterGuard(METER, GuardParams(counters=(CounterSpec(codes=tariffs), None)))
    spans: list[Span] = []
    for n, pair in enumerate([(100, 200), (101, 200), (101, 203)]):
        values = {code: Value(Decimal(wh), Unit.WATT_HOUR) for code, wh in zip(tariffs, pair, strict=True)}
        spans += guard.judge(
            Sample(meter=METER, moment=moment(n * 10_000), model="test", values=values)
        ).spans
    assert facts(tuple(spans)) == [
        ((3_600, None), Basis.MEASURED),
        ((10_800, None), Basis.MEASURED),
    ]


def test_power_and_phases_are_shown() -> None:
    values = {
        IMPORT_TOTAL: Value(Decimal(5), Unit.WATT_HOUR),
        POWER_IMPORT: Value(Decimal("120.5"), Unit.WATT),
        POWER_EXPORT: Value(Decimal(20), Unit.WATT),
        VOLTAGES[1]: Value(Decimal("230.1"), Unit.VOLT),
    }
    guard = CounterGuard(METER, GuardParams())
    reading = guard.judge(Sample(meter=METER, moment=moment(0), model="test", values=values)).reading
    assert reading.power_w == Decimal("100.5")
    assert reading.phases == (Phase(), Phase(voltage_v=Decimal("230.1")))


def test_power_without_import_is_export() -> None:
    values = {IMPORT_TOTAL: Value(Decimal(5), Unit.WATT_HOUR), POWER_EXPORT: Value(Decimal(20), Unit.WATT)}
    only_export = Sample(meter=METER, moment=moment(0), model="test", values=values)
    assert CounterGuard(METER, GuardParams()).judge(only_export).reading.power_w == -20


def test_a_reversed_meter_without_an_export_counter() -> None:
    guard = CounterGuard(METER, GuardParams(needs_power=True))
    judged = [guard.judge(sample(10 * n, f"5.{n:02d}", power_w="-3600")) for n in range(4)]
    assert qualities(judged)[1:] == [Quality.GOOD] + [Quality.WRONG_SIGN] * 2


def test_export_alone_is_no_reason_to_count_import() -> None:
    guard = CounterGuard(METER, GuardParams(needs_power=True))
    judged = [guard.judge(sample(10 * n, "5", power_w="-3600")) for n in range(40)]
    assert set(qualities(judged)[1:]) == {Quality.GOOD}
