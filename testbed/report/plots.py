"""The plots of the report, in the order of the page."""

from __future__ import annotations

from testbed.report.model import TradingDay
from testbed.report.plot import Plot
from testbed.report.plot_energy import energy, optimality
from testbed.report.plot_feeders import feeders
from testbed.report.plot_prosumer import prosumer
from testbed.report.plot_times import latency, verification


def plots_of(day: TradingDay) -> tuple[Plot, ...]:
    """Every plot for which the day has data: what was not observed has no plot, rather than an empty one."""
    found = [energy(day)]
    if day.feeders:
        found.append(feeders(day))
    if day.bound_cumulative_j:
        found.append(optimality(day))
    if day.prosumer is not None:
        found.append(prosumer(day, day.prosumer))
    if day.latencies_s:
        found.append(latency(day))
    if any(kind.times_ms for kind in day.verifications):
        found.append(verification(day))
    return tuple(found)
