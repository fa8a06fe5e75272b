"""Samples and readings for the tests of what is believed of a meter."""

from decimal import Decimal
from itertools import pairwise

from meter_io.guard import CounterGuard, Judgement
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, POWER_NET, Obis
from meter_io.reading import MeterId, Moment, Quality, Sample, TimeBasis, Unit, Value
from meter_io.span import Basis, Pair, Span

METER = MeterId("house")
START_MS = 1_800_000_000_000
"""UTC of monotonic 0: on the boundary of a quarter of an hour."""


def moment(at_ms: int, basis: TimeBasis = TimeBasis.RECEIVED, *, utc_ms: int | None = None) -> Moment:
    """When the monotonic clock says `at_ms`; UTC goes along with it unless it is given."""
    if basis is TimeBasis.MONOTONIC:
        return Moment(utc_ms=None, monotonic_ms=at_ms, basis=basis)
    return Moment(utc_ms=START_MS + at_ms if utc_ms is None else utc_ms, monotonic_ms=at_ms, basis=basis)


def sample(
    at_s: float,
    kwh: str | Decimal | None,
    *,
    export_kwh: str | None = None,
    power_w: str | None = None,
    when: Moment | None = None,
) -> Sample:
    """A sample with an import counter, perhaps an export counter, and power."""
    values: dict[Obis, Value] = {}
    for code, text in ((IMPORT_TOTAL, kwh), (EXPORT_TOTAL, export_kwh)):
        if text is not None:
            values[code] = Value(Decimal(text) * 1_000, Unit.WATT_HOUR)
    if power_w is not None:
        values[POWER_NET] = Value(Decimal(power_w), Unit.WATT)
    return Sample(meter=METER, moment=when or moment(round(at_s * 1_000)), model="test", values=values)


def joules(at_ms: int, import_j: int, export_j: int | None = None) -> Sample:
    """A sample with counters in joules."""
    values = {IMPORT_TOTAL: Value(Decimal(import_j), Unit.JOULE)}
    if export_j is not None:
        values[EXPORT_TOTAL] = Value(Decimal(export_j), Unit.JOULE)
    return Sample(meter=METER, moment=moment(at_ms), model="test", values=values)


def booked_j(spans: list[Span], way: int = 0) -> int:
    """What spans say was counted, unknown ones counting nothing."""
    return sum(span.energy_j[way] or 0 for span in spans)


def tiled(spans: list[Span]) -> bool:
    """Whether spans touch each other."""
    return all(before.end == after.start for before, after in pairwise(spans))


def facts(spans: tuple[Span, ...]) -> list[tuple[Pair, Basis]]:
    """What is asserted of spans most often."""
    return [(span.energy_j, span.basis) for span in spans]


def judge_all(guard: CounterGuard, values: list[str], first_s: int = 0) -> list[Judgement]:
    """Judge import counters in kWh, one every ten seconds."""
    return [guard.judge(sample(first_s + 10 * n, value)) for n, value in enumerate(values)]


def qualities(judgements: list[Judgement]) -> list[Quality]:
    """The quality of each."""
    return [judgement.reading.quality for judgement in judgements]


def spans_of(judgements: list[Judgement]) -> list[Span]:
    """All that was settled."""
    return [span for judgement in judgements for span in judgement.spans]
