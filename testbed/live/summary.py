"""What a live run came to, and whether it was as it should be."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from light_client.rules.units import JOULES_PER_KWH
from testbed.cast import DSO, Cast
from testbed.live.watching import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Numbers and verdict."""

    intervals: int
    """Intervals that should be final."""
    final: int
    by_how: Mapping[str, int]
    """How they were cleared -> how many."""
    traded_j: int
    paid_uc: int
    offers: int
    """Offers that the ledger accepted."""
    height: int
    extra_rounds: int
    final_after_p50_ms: int | None
    """From the gate of an interval to the block that cleared it, virtual ms; None if nothing is final."""
    final_after_max_ms: int | None
    timer_late_ms: int
    """Worst delay of a timer, virtual ms."""
    meters: int
    checked: Mapping[str, int]
    """What the meters checked -> how often, all together."""
    refusals: Mapping[str, int]
    """Rule -> how often somebody refused something by it."""
    restarts: Mapping[str, int]
    """Process -> how often it was started again."""
    failures: tuple[str, ...]
    """What is not as it should be; empty if the run passed."""

    @property
    def passed(self) -> bool:
        """Whether everything is as it should be."""
        return not self.failures


def summary_of(
    view: View, cast: Cast, restarts: Mapping[str, int], *, elsewhere: Collection[str] = ()
) -> Summary:
    """Sum up what was seen.

    Args:
        elsewhere: meters that are no nodes of the run, and write no reports.
    """
    late = [final.late_ms for final in view.finals.values()]
    return Summary(
        intervals=cast.scenario.intervals,
        final=len(view.finals),
        by_how=dict(Counter(final.how for final in view.finals.values())),
        traded_j=view.traded_j,
        paid_uc=view.paid_uc,
        offers=view.events["OfferPosted"],
        height=view.height,
        extra_rounds=view.extra_rounds,
        final_after_p50_ms=int(median(late)) if late else None,
        final_after_max_ms=max(late, default=None),
        timer_late_ms=view.late_ms,
        meters=len(view.meters),
        checked={what: view.checked(what) for what in ("headers", "solutions", "trades", "balances")},
        refusals=dict(view.refusals),
        restarts=dict(restarts),
        failures=tuple(_failures(view, cast, elsewhere)),
    )


def copies_of(cast: Cast, elsewhere: Collection[str] = ()) -> tuple[str, ...]:
    """Everybody who holds the chain, or judges all of it, and says how far; those elsewhere say it to others."""
    return (*cast.miner_names, DSO, *(name for name in cast.meter_names if name not in elsewhere))


def _failures(view: View, cast: Cast, elsewhere: Collection[str]) -> Iterator[str]:
    """What is not as it should be, worst first."""
    if forks := view.forks():
        yield f"copies of the chain differ at height {forks[0]}, expected one chain"
    for actor, reason in view.halted.items():
        yield f"{actor} stopped believing the chain: {reason}"
    if rejected := view.checked("rejected"):
        yield f"meters refused {rejected} answers, expected 0"
    meters = len(cast.meter_names) - len(elsewhere)
    if len(view.meters) < meters:
        yield f"{len(view.meters)} meters followed the chain, expected {meters}"
    if len(view.finals) < cast.scenario.intervals:
        yield f"{len(view.finals)} intervals are final, expected {cast.scenario.intervals}"
    if behind := view.behind(copies_of(cast, elsewhere)):
        yield f"{len(behind)} copies of the chain lack the last final interval, that of {behind[0]} among them"


def summary_lines(summary: Summary, interval_s: int, *, verdict: bool) -> list[str]:
    """The same for people; a run that was broken off has no verdict."""
    how = {"proven": "proven optimal", "kept": "by the kept plan", "vacuous": "with nothing to trade"}
    ways = ", ".join(f"{count} {how.get(way, way)}" for way, count in sorted(summary.by_how.items()))
    checked = summary.checked
    lines = [
        f"Final       {summary.final} of {summary.intervals} intervals" + (f": {ways}" if ways else ""),
        f"Energy      {summary.traded_j / JOULES_PER_KWH:,.1f} kWh traded for {summary.paid_uc / 1e6:,.2f}",
        f"Ledger      height {summary.height}, {summary.offers} offers, {summary.extra_rounds} extra rounds",
    ]
    if summary.final_after_p50_ms is not None and summary.final_after_max_ms is not None:
        lines.append(
            f"Final after {summary.final_after_p50_ms / 1e3:,.0f} s p50, {summary.final_after_max_ms / 1e3:,.0f} s at "
            f"most after the gate, of {interval_s} s (virtual)"
        )
    lines.append(
        f"Meters      {summary.meters} checked {checked['headers']} headers, {checked['trades']} own trades, "
        f"{checked['solutions']} whole solutions, {checked['balances']} balances"
    )
    refused = ", ".join(f"{count} by {rule}" for rule, count in sorted(summary.refusals.items()))
    lines.append(f"Refused     {refused or 'nothing'}")
    if summary.restarts:
        again = ", ".join(f"{name} {count} times" for name, count in sorted(summary.restarts.items()))
        lines.append(f"Restarted   {again}")
    if verdict:
        lines += [f"FAIL        {failure}" for failure in summary.failures] or ["PASS"]
    return lines
