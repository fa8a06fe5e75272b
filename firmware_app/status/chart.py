"""Drawings of the page: SVG by hand, that scale without their letters becoming small.

Shapes stand in an inner drawing that is stretched over the whole width; letters stand outside of it, at percentages.
Steps are never smoothed, a missing value is a gap with a grey mark, and the zero line is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from firmware_app.status import wording
from firmware_app.status.snapshot import MAX_POINTS, Absent, DayPoint, ForecastView

_HOUR_S: Final = 3_600
_TOP: Final = 14
_PLOT: Final = 168
_HEIGHT: Final = 218


class Scale(NamedTuple):
    """The range of mean power that a drawing shows, W; `low` is not above and `high` not below zero."""

    low: int
    high: int


def nice(largest_w: int) -> int:
    """The smallest of 100, 200, 500, 1000, ... W that holds a value; 0 for none."""
    if largest_w <= 0:
        return 0
    step = 100
    while True:
        for factor in (1, 2, 3, 5):
            if step * factor >= largest_w:
                return step * factor
        step *= 10


def scale(points: Sequence[DayPoint], interval_s: int) -> Scale:
    """The range that holds all values."""
    powers = [
        energy_j // interval_s
        for point in points
        for energy_j in (point.net_j, point.traded_j)
        if not isinstance(energy_j, Absent)
    ]
    low, high = -nice(-min(powers, default=0)), nice(max(powers, default=0))
    return Scale(low, high if high or low else 100)


def recent(points: Sequence[DayPoint]) -> list[DayPoint]:
    """The points of the last day in order, one for each interval."""
    newest = max((point.interval for point in points), default=0)
    by_interval = {point.interval: point for point in points if newest - point.interval < MAX_POINTS}
    return [by_interval[interval] for interval in sorted(by_interval)]


def day(points: Sequence[DayPoint], interval_s: int, zone_offset_s: int) -> str:
    """Metered net power as areas, finalised trades as a dashed step; time runs to the right, import upwards.

    Args:
        points: at least one, as `recent` returns them.
        interval_s: length of an interval, s.
        zone_offset_s: local time less UTC, s.
    """
    first, last = points[0].interval, points[-1].interval
    within = scale(points, interval_s)
    span = within.high - within.low

    def level(energy_j: int) -> str:
        return _short((within.high - energy_j / interval_s) * _PLOT / span)

    zero = level(0)
    metered = [(point.interval - first, point.net_j) for point in points]
    shapes = [
        *_midnights(first, last, interval_s, zone_offset_s),
        *(
            f'<rect class="gap" x="{at}" y="0" width="{width}" height="{_PLOT}"/>'
            for at, width in _gaps(metered)
        ),
        f'<path class="in" d="{_area(metered, level, zero, lambda energy_j: energy_j > 0)}"/>',
        f'<path class="out" d="{_area(metered, level, zero, lambda energy_j: energy_j < 0)}"/>',
        f'<path class="zero" d="M0 {zero}H{last - first + 1}"/>',
        f'<path class="deal" d="{_steps([(point.interval - first, point.traded_j) for point in points], level)}"/>',
    ]
    title = "Metered net power and finalised trades, interval by interval"
    return (
        f'<svg class="day" width="100%" height="{_HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>'
        f'<svg y="{_TOP}" width="100%" height="{_PLOT}" viewBox="0 0 {last - first + 1} {_PLOT}" '
        f'preserveAspectRatio="none">{"".join(shapes)}</svg>'
        f"{''.join(_levels(within))}{''.join(_hours(first, last, interval_s, zone_offset_s))}</svg>"
    )


def band(forecast: ForecastView) -> str:
    """The coming hour: a bar from the tenth to the ninetieth percentile, and a mark at the median."""
    largest = max(1, abs(forecast.p10_j), abs(forecast.p90_j), abs(forecast.next_hour_j)) * 115 // 100
    least = min(0, forecast.p10_j) * 115 // 100

    def at(energy_j: int) -> int:
        return max(0, min(100, (energy_j - least) * 100 // (largest - least)))

    low, middle, high = sorted((at(forecast.p10_j), at(forecast.next_hour_j), at(forecast.p90_j)))
    return (
        '<svg class="band" width="100%" height="22" aria-hidden="true">'
        '<rect class="rail" y="9" width="100%" height="4" rx="2"/>'
        f'<rect class="range" x="{low}%" y="5" width="{max(1, high - low)}%" height="12" rx="6"/>'
        f'<rect class="mark" x="{middle}%" y="1" width="3" height="20" rx="1.5"/></svg>'
    )


def progress(done_ms: int, whole_ms: int) -> str:
    """How much of the running interval is over."""
    percent = max(0, min(100, done_ms * 100 // max(1, whole_ms)))
    return (
        '<svg class="band" width="100%" height="8" aria-hidden="true">'
        '<rect class="rail" width="100%" height="6" rx="3"/>'
        f'<rect class="range" width="{percent}%" height="6" rx="3"/></svg>'
    )


Series = list[tuple[int, "int | Absent"]]


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _runs(series: Series, wanted: Callable[[int], bool]) -> Iterable[list[tuple[int, int]]]:
    """Neighbouring intervals whose values are known and wanted."""
    run: list[tuple[int, int]] = []
    for at, energy_j in series:
        fits = not isinstance(energy_j, Absent) and wanted(energy_j)
        if run and (not fits or at != run[-1][0] + 1):
            yield run
            run = []
        if fits and not isinstance(energy_j, Absent):
            run.append((at, energy_j))
    if run:
        yield run


def _area(series: Series, level: Callable[[int], str], zero: str, wanted: Callable[[int], bool]) -> str:
    return "".join(
        f"M{run[0][0]} {zero}" + "".join(f"V{level(energy)}H{at + 1}" for at, energy in run) + f"V{zero}Z"
        for run in _runs(series, wanted)
    )


def _steps(series: Series, level: Callable[[int], str]) -> str:
    return "".join(
        f"M{run[0][0]} {level(run[0][1])}" + "".join(f"V{level(energy)}H{at + 1}" for at, energy in run)
        for run in _runs(series, lambda _: True)
    )


def _gaps(series: Series) -> list[tuple[int, int]]:
    """Where nothing is known: begin and width."""
    gaps: list[tuple[int, int]] = []
    expected = series[0][0]
    for at, energy_j in series:
        if at > expected:
            gaps.append((expected, at - expected))
        if isinstance(energy_j, Absent):
            if gaps and sum(gaps[-1]) == at:
                gaps[-1] = (gaps[-1][0], gaps[-1][1] + 1)
            else:
                gaps.append((at, 1))
        expected = at + 1
    return gaps


def _every_six_hours(first: int, last: int, interval_s: int, zone_offset_s: int) -> Iterable[tuple[int, int]]:
    """Intervals that begin at local hours 0, 6, 12 and 18, with the hour."""
    for interval in range(first, last + 1):
        local_s = interval * interval_s + zone_offset_s
        if local_s % (6 * _HOUR_S) < interval_s:
            yield interval - first, local_s // _HOUR_S % 24


def _midnights(first: int, last: int, interval_s: int, zone_offset_s: int) -> Iterable[str]:
    for at, hour in _every_six_hours(first, last, interval_s, zone_offset_s):
        yield f'<path class="{"grid" if hour else "midnight"}" d="M{at} 0V{_PLOT}"/>'


def _hours(first: int, last: int, interval_s: int, zone_offset_s: int) -> Iterable[str]:
    for at, hour in _every_six_hours(first, last, interval_s, zone_offset_s):
        percent = at * 100 / (last - first + 1)
        if 3 < percent < 95:
            yield (f'<text x="{_short(percent)}%" y="{_HEIGHT - 6}" text-anchor="middle">{hour:02}:00</text>')


def _levels(within: Scale) -> Iterable[str]:
    for power_w, y, word in ((within.high, _TOP - 4, "import"), (within.low, _TOP + _PLOT + 13, "export")):
        if power_w:
            places = 0 if power_w % 1_000 == 0 else 1
            yield f'<text y="{y}">{wording.decimal(abs(power_w), 1_000, places)} kW {word}</text>'


def summary(points: Sequence[DayPoint]) -> str:
    """What the drawing shows, in one sentence."""
    net = [point.net_j for point in points if not isinstance(point.net_j, Absent)]
    deals = [point.traded_j for point in points if not isinstance(point.traded_j, Absent)]
    drawn, fed = sum(j for j in net if j > 0), -sum(j for j in net if j < 0)
    bought, sold = sum(j for j in deals if j > 0), -sum(j for j in deals if j < 0)
    missing = len(points) - len(net)
    gap = f"; {wording.plural(missing, 'interval')} without readings" if missing else ""
    return (
        f"Fed in {wording.kwh(fed, 1)} and sold {wording.kwh(sold, 1)}; "
        f"drew {wording.kwh(drawn, 1)} and bought {wording.kwh(bought, 1)}{gap}"
    )
