"""The numbers behind the plots."""

from __future__ import annotations

from dataclasses import replace

from testbed.report.model import FeederDay, ProsumerDay, ProsumerTrade
from testbed.report.plot_energy import optimality
from testbed.report.plot_feeders import feeders
from testbed.report.plot_prosumer import prosumer
from testbed.report.plots import plots_of
from tests.testbed.report.example import example_day, example_summary


def test_after_a_gap_a_running_total_is_unknown() -> None:
    day = example_day()
    traded = list(day.traded_j)
    lost = traded[50] or 0
    holed = (*traded[:50], None, *traded[51:])
    summary = example_summary(
        traded_j=day.summary.traded_j - lost, gap_j=day.summary.bound_j - day.summary.traded_j + lost
    )
    rows = {row[0]: row[1] for row in optimality(replace(day, traded_j=holed, summary=summary)).table.rows}
    assert rows["12:00"] != "not observed"
    assert {rows[at] for at in ("13:00", "18:00", "24:00")} == {"not observed"}


def test_small_buyers_share_a_layer_and_nothing_is_lost() -> None:
    trades = tuple(
        ProsumerTrade(interval=40 + number, buyer=f"feeder {number}", energy_j=3_600_000 * (number + 1))
        for number in range(7)
    )
    plot = prosumer(example_day(), ProsumerDay(prosumer="home 1", generation_j=(0,) * 96, trades=trades))
    buyers = ("feeder 6, kWh", "feeder 5, kWh", "feeder 4, kWh", "feeder 3, kWh", "3 others, kWh")
    assert plot.table.headers[2:] == buyers
    assert sum(float(value) for row in plot.table.rows for value in row[2:]) == sum(range(1, 8))
    assert plot.finding == "Home 1 sold 28.0 of the 0.0\u202fkWh it generated"


def test_a_feeder_without_a_way_out_binds_in_neither_direction() -> None:
    closed = FeederDay(feeder=1, c_ext_w=0, net_j=(0,) * 96)
    plot = feeders(replace(example_day(), feeders=(closed,)))
    assert plot.table.rows == (("1", "0", "0.0", "0.0", "0.0", "0.0", "never", "never"),)


def test_times_at_the_limit_are_spans() -> None:
    at = FeederDay(feeder=1, c_ext_w=1_000, net_j=(900_000, 900_000, 1, *[0] * 91, -900_000, -900_000))
    plot = feeders(replace(example_day(), feeders=(at,)))
    assert plot.table.rows[0][-2:] == ("00:00 to 00:30", "23:30 to 24:00")
    assert "4 of 96 feeder-intervals" in plot.finding


def test_the_order_of_the_plots() -> None:
    names = [plot.name for plot in plots_of(example_day())]
    assert names == ["energy", "feeders", "optimality", "prosumer", "latency", "verification"]


def test_a_day_without_a_gap_says_so() -> None:
    day = example_day()
    reached = replace(day, summary=example_summary(bound_j=day.summary.traded_j, gap_j=0))
    assert optimality(day).finding.endswith(
        f"0.0\u202fkWh short of {day.summary.bound_j / 3.6e6:.1f}\u202fkWh"
    )
    assert optimality(reached).finding.startswith("All of the ")
