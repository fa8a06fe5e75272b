"""The last lines of a run, for people at a terminal: what was traded, what was proven, how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from testbed.report.model import Readings, TradingDay
from testbed.report.wording import THIN_SPACE, kwh, milliseconds, money, percent, quantile, seconds

_COLUMN = 12
_GREEN, _RED, _PLAIN = "\x1b[32;1m", "\x1b[31;1m", "\x1b[0m"


def _energy(day: TradingDay) -> list[str]:
    summary = day.summary
    for_sale, wanted, traded = (kwh(e) for e in (summary.offered_sell_j, summary.wanted_j, summary.traded_j))
    first = f"for sale {for_sale}   wanted {wanted}   traded {traded} kWh"
    if summary.optimum_share is None:
        return [first, "nothing could have been traded"]
    reason = "an auction aims at prices" if summary.finals_computed else "a rolling market knows less"
    knows_less = f" ({reason})" if summary.gap_j else ""
    return [
        first,
        f"{percent(summary.optimum_share)} of the offline optimum {kwh(summary.bound_j)}{knows_less}",
    ]


def _proof(day: TradingDay) -> list[str]:
    summary = day.summary
    line = f"{summary.finals_proven} of {summary.finals} intervals proven optimal"
    if summary.finals_computed:
        line = f"{summary.finals_computed} of {summary.finals} intervals cleared by auction, computed by everybody"
    if summary.finals_vacuous:
        line += f", {summary.finals_vacuous} had nothing to trade"
    if summary.finals_kept:
        line += f", {summary.finals_kept} kept an earlier plan"
    lines = [line]
    for kind in day.verifications:
        if kind.times_ms:
            middle, most = quantile(kind.times_ms, 0.5), max(kind.times_ms)
            lines.append(
                f"checking: {kind.verifier} {milliseconds(middle)} p50, {milliseconds(most)} at most"
            )
    return lines


def _refused(day: TradingDay) -> list[str]:
    rules = ", ".join(f"{rule} {count}" for rule, count in day.rejected_by_rule)
    count = day.summary.rejected
    return [f"{count} false {'solution' if count == 1 else 'solutions'}" + (f": {rules}" if rules else "")]


def _ledger(day: TradingDay) -> list[str]:
    summary = day.summary
    line = f"{summary.blocks} blocks"
    if summary.latency_p50_s is not None:
        line += f"; offer to final trade {seconds(summary.latency_p50_s)} p50, {seconds(summary.latency_p99_s)} p99"
    return [line]


def _meters(day: TradingDay) -> list[str]:
    summary = day.summary
    line = (
        f"{summary.meters} checked {summary.verified_headers} headers, {summary.verified_trades} own trades"
    )
    return [f"{line}, {summary.verified_solutions} whole solutions"]


def _feeders(day: TradingDay) -> list[str]:
    counts = day.feeder_intervals()
    known = counts["below"] + counts["at"] + counts["above"]
    return [f"at the limit in {counts['at']} of {known} feeder-intervals, above it in {counts['above']}"]


def _readings(readings: Readings) -> list[str]:
    suspect = ", ".join(f"{count} {quality}" for quality, count in readings.suspect) or "none suspect"
    lines = [
        f"{readings.readings} of {readings.homes} homes, {readings.good} good, {suspect}; {readings.missed} missed",
        f"intervals: {readings.measured} measured, {readings.estimated} estimated, {readings.unknown} unknown",
        (
            f"metered out {kwh(readings.metered_export_j)}, sold {kwh(readings.sold_j)}; "
            f"in {kwh(readings.metered_import_j)}, bought {kwh(readings.bought_j)} kWh"
        ),
        (
            f"traded beyond the meter {kwh(readings.short_j)}, in intervals not measured "
            f"{kwh(readings.unmeasured_trades_j)}, out of batteries {kwh(readings.sold_from_battery_j)} kWh"
        ),
    ]
    if readings.halted:
        homes = ", ".join(map(str, readings.halted))
        lines.append(f"suspect for a while: home {homes}; {readings.withheld} offers withheld")
    return lines


def _verdict(day: TradingDay, *, colour: bool) -> list[str]:
    """The last word; on failure what broke comes right after it."""
    checked = day.checked()
    broken = [expectation for expectation in checked if not expectation.passed]
    word = "FAIL" if broken else "PASS"
    shown = f"{_RED if broken else _GREEN}{word}{_PLAIN}" if colour else word
    held = len(checked) - len(broken)
    lines = [f"{shown}{' ' * (_COLUMN - len(word))}{held} of {len(checked)} expectations hold"]
    lines += [f"{'':{_COLUMN}}{one.name}: got {one.got}, expected {one.expected}" for one in broken]
    return lines


def _size(path: Path) -> str:
    return f"{path} ({-(-path.stat().st_size // 1000)} kB)" if path.is_file() else str(path)


def terminal_summary(day: TradingDay, *, files: Sequence[Path] = (), colour: bool = False) -> str:
    """The summary as text that ends in a newline.

    Args:
        day: what to sum up.
        files: what the run has written, for the last line.
        colour: whether the verdict is in the terminal's own green or red, beside its word.
    """
    parts = {
        "Energy": _energy(day),
        "Money": [f"{money(day.summary.settled_uc)} settled"],
        "Proof": _proof(day),
        "Refused": _refused(day),
        "Ledger": _ledger(day),
        "Meters": _meters(day),
        "Feeders": _feeders(day),
    }
    if day.readings is not None:
        parts["Readings"] = _readings(day.readings)
    lines = []
    for title, content in parts.items():
        heads = [title, *[""] * (len(content) - 1)]
        lines += [f"{head:{_COLUMN}}{line}" for head, line in zip(heads, content, strict=True)]
    lines += _verdict(day, colour=colour)
    lines.append("   ".join([*map(_size, files), f"again: {day.command}"]))
    # Thin spaces are for pages: a terminal may show them as boxes.
    return "\n".join(lines).replace(THIN_SPACE, " ") + "\n"
