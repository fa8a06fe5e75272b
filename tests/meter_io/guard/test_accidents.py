"""Published counter accidents: sequences that cost users of other runtimes days, and what is made of them here.

Numbers from the threads named at each test; the samples are ours.
"""

from decimal import Decimal
from itertools import pairwise

from meter_io.guard import CounterGuard, CounterSpec, GuardParams
from meter_io.obis import IMPORT_TOTAL
from meter_io.reading import Quality
from meter_io.span import Span
from tests.meter_io.samples import METER, booked_j, sample, tiled

KWH = 3_600_000


def run(
    values: list[str], params: GuardParams | None = None, every_s: int = 30
) -> tuple[list[Quality], list[Span]]:
    """Read a sequence of counters in kWh; returns the qualities and what was booked."""
    guard = CounterGuard(METER, params or GuardParams())
    judged = [guard.judge(sample(every_s * n, value)) for n, value in enumerate(values)]
    spans = [span for judgement in judged for span in judgement.spans]
    assert tiled(spans)
    return [judgement.reading.quality for judgement in judged], spans


def naive_kwh(values: list[str]) -> Decimal:
    """What is booked where every fall counts as a reset to zero: the rule that did the damage."""
    numbers = [Decimal(value) for value in values]
    return sum(
        (now - before if now >= before else now for before, now in pairwise(numbers)),
        Decimal(0),
    )


def test_a_false_zero_books_the_register_elsewhere() -> None:
    """home-assistant/core#182493: 16.39 kWh were real, 413.50 were booked."""
    values = ["397.11", "397.21", "397.30", "0", "397.40"]
    values += [str(Decimal("397.40") + Decimal("0.23") * n) for n in range(1, 71)] + ["413.50"]
    assert naive_kwh(values) == Decimal("413.69")  # that is the whole register once more
    qualities, spans = run(values)
    assert booked_j(spans) == (Decimal("413.50") - Decimal("397.11")) * KWH == Decimal("16.39") * KWH
    assert [quality for quality in qualities if quality is not Quality.GOOD] == [
        Quality.FIRST,
        Quality.FALSE_ZERO,
    ]


def test_a_week_of_a_heat_pump() -> None:
    """kodebach/hacs-idm-heatpump#322: a register falls to 0 and comes back, and a week of 38 kWh reads 81,250."""
    register = [81_212 + n for n in range(39)]
    values = [
        str(value) for n, value in enumerate(register) for value in ([0, value] if n == 20 else [value])
    ]
    assert naive_kwh(values) > 81_000
    params = GuardParams(
        connection_w=20_000,
        trust_gap_ms=600_000,
        counters=(CounterSpec(codes=(IMPORT_TOTAL,), resolution_j=KWH), None),
    )
    qualities, spans = run(values, params, every_s=240)
    assert booked_j(spans) == 38 * KWH
    assert qualities.count(Quality.FALSE_ZERO) == 1
    assert set(qualities) == {Quality.FIRST, Quality.GOOD, Quality.FALSE_ZERO}


def test_a_tenth_backwards_is_not_a_reset() -> None:
    """johanmeijer/grott#99: the total steps down by 0.1 kWh, which elsewhere books 1,234.5 kWh once more."""
    values = ["1234.4", "1234.5", "1234.4", "1234.4", "1234.5", "1234.6"]
    assert naive_kwh(values) > 1_234
    qualities, spans = run(values)
    assert booked_j(spans) == KWH // 5
    assert qualities[2:4] == [Quality.BACK_STEP] * 2
    assert qualities[4:] == [Quality.GOOD] * 2


def test_a_device_that_says_zero_while_it_starts() -> None:
    """Refoss/refoss_rpc#14: zeros for some polls after a restart, then the register as before."""
    values = ["55.10", "55.12", "0", "0", "0", "0", "0", "55.15", "55.16"]
    assert naive_kwh(values) > 55
    qualities, spans = run(values)
    assert booked_j(spans) == KWH * 6 // 100
    assert qualities[2:7] == [Quality.FALSE_ZERO] * 5


def test_sixteen_bits() -> None:
    """home-assistant/core#28855: a register of 16 bits goes from 65,535 to 0."""
    steps = [65_500, 65_520, 65_535, 3, 20, 41, 60]
    values = [str(Decimal(step) / 100) for step in steps]  # steps of 10 Wh
    known = GuardParams(
        counters=(
            CounterSpec(codes=(IMPORT_TOTAL,), resolution_j=36_000, modulus_j=65_536 * 36_000),
            None,
        )
    )
    qualities, spans = run(values, known)
    assert booked_j(spans) == (65_536 + 60 - 65_500) * 36_000
    assert qualities[3:] == [Quality.ROLLED_OVER] * 3 + [Quality.GOOD]
    # nobody told the guard where this counter ends: nothing is booked that could be wrong
    qualities, spans = run(values)
    assert booked_j(spans) == (65_535 - 65_500 + 60 - 3) * 36_000
    assert qualities[3:] == [Quality.FALSE_ZERO] * 2 + [Quality.RESET, Quality.GOOD]
