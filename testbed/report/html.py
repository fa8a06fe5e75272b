"""The report of a trading day as one HTML file that needs nothing beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from testbed.report.model import Expectation, TradingDay
from testbed.report.plot import Plot
from testbed.report.plots import plots_of
from testbed.report.wording import calendar_day, grouped, kwh, money, percent, seconds

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One of the three numbers that come first."""

    value: str
    unit: str
    meaning: str


def headlines(day: TradingDay) -> tuple[Headline, Headline, Headline]:
    """Energy traded, how close that is to the optimum, and how many false proofs were refused."""
    summary = day.summary
    rules = ", ".join(f"{rule} {count}" for rule, count in day.rejected_by_rule)
    return (
        Headline(
            value=kwh(summary.traded_j),
            unit="kWh traded",
            meaning=f"of {kwh(summary.offered_sell_j)} for sale and {kwh(summary.wanted_j)} wanted",
        ),
        Headline(
            value=percent(summary.optimum_share).replace("\u202f%", ""),
            unit="% of the optimum" if summary.optimum_share is not None else "to trade",
            meaning=f"{kwh(summary.gap_j)} kWh short of what perfect foresight allows"
            if summary.gap_j
            else "all that perfect foresight allows",
        ),
        Headline(
            value=grouped(summary.rejected),
            unit="proof refused" if summary.rejected == 1 else "proofs refused",
            meaning=rules
            or ("no solver sent a false solution" if not summary.rejected else "infeasible or unproven"),
        ),
    )


def facts(day: TradingDay) -> tuple[tuple[str, str], ...]:
    """The other totals, as term and value."""
    summary = day.summary
    cleared = f"{grouped(summary.finals_proven)} proven optimal"
    if summary.finals_computed:
        cleared = f"{grouped(summary.finals_computed)} by auction"
    if summary.finals_kept:
        cleared += f", {grouped(summary.finals_kept)} kept from an earlier plan"
    if summary.finals_vacuous:
        cleared += f", {grouped(summary.finals_vacuous)} with nothing to trade"
    checked = (
        f"{grouped(summary.verified_headers)} headers, {grouped(summary.verified_trades)} own trades "
        f"and {grouped(summary.verified_solutions)} whole solutions"
    )
    half, most = seconds(summary.latency_p50_s), seconds(summary.latency_p99_s)
    return (
        ("Settled", f"{money(summary.settled_uc)} from buyers to sellers"),
        ("Intervals final", f"{grouped(summary.finals)}: {cleared}"),
        ("Ledger", f"{grouped(summary.blocks)} blocks"),
        ("Meters", f"{grouped(summary.meters)}, which checked {checked}"),
        ("Offer to final trade", f"{half} for half of the trades, {most} for 99 %"),
        ("Run", f"{seconds(summary.wall_s)} of real time"),
    )


def verdict(day: TradingDay) -> tuple[str, tuple[Expectation, ...]]:
    """A sentence that says whether the day went as it must, and the expectations, broken ones first."""
    checked = sorted(day.checked(), key=lambda expectation: expectation.passed)
    broken = [expectation for expectation in checked if not expectation.passed]
    if not broken:
        return f"All {len(checked)} expectations hold.", tuple(checked)
    first = broken[0]
    sentence = f"{len(broken)} of {len(checked)} expectations broken; first: {first.name}, "
    return f"{sentence}got {first.got}, expected {first.expected}.", tuple(checked)


def _drawn(plot: Plot) -> Markup:
    """Our own drawings, every text of which was escaped when they were made."""
    return Markup("\n".join(plot.drawings))  # noqa: S704


def report_html(day: TradingDay) -> str:
    """The page; the same day gives the same bytes."""
    sentence, expectations = verdict(day)
    return _TEMPLATES.get_template("template.html.j2").render(
        day=day,
        date=calendar_day(day.first_interval, day.interval_s),
        passed=day.passed,
        sentence=sentence,
        headlines=headlines(day),
        facts=facts(day),
        plots=[(plot, _drawn(plot)) for plot in plots_of(day)],
        expectations=expectations,
    )


def write_report(day: TradingDay, path: Path) -> None:
    """Write the page to ``path``."""
    path.write_text(report_html(day), encoding="utf-8")
