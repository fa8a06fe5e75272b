"""The published rolling market and program, on markets small enough to solve by hand and on their own data."""

import json
from pathlib import Path

import pytest

from testbed.experiments import microgrid_live
from testbed.experiments.data import folder
from testbed.experiments.findings import Options
from testbed.experiments.microgrid_pictures import UNIT_J
from testbed.experiments.published_code import published_step
from testbed.experiments.rolling_lp import Rolling, Row, TieBreak, rolling_energy
from testbed.scenarios import transax
from testbed.scenarios.errors import DataUnavailableError

KEPT = Row(feeder=1, first=1, last=2, energy_j=10_000.0)
EXPIRING = Row(feeder=1, first=1, last=1, energy_j=10_000.0)
BUYS = (
    Row(feeder=2, first=1, last=1, energy_j=10_000.0),
    Row(feeder=2, first=2, last=2, energy_j=10_000.0),
)


def energy(tie_break: TieBreak, *, window: int = 2, ext_j: float = 1e9) -> float:
    return rolling_energy((KEPT, EXPIRING), BUYS, Rolling(window=window, ext_j=ext_j, tie_break=tie_break))


def test_the_tie_break_decides_what_a_short_window_trades() -> None:
    assert energy(TieBreak.PERISHABLE) == pytest.approx(20_000)
    assert energy(TieBreak.WASTEFUL) == pytest.approx(10_000)


@pytest.mark.parametrize("tie_break", TieBreak)
def test_who_sees_both_intervals_trades_all_whatever_the_tie_break(tie_break: TieBreak) -> None:
    assert energy(tie_break, window=3) == pytest.approx(20_000)


def test_a_limit_binds_each_interval() -> None:
    assert energy(TieBreak.PERISHABLE, ext_j=4_000.0) == pytest.approx(8_000)


def test_the_published_program_counts_a_trade_inside_a_feeder_against_the_export() -> None:
    rows = [
        transax.Row(101, 1, 1, 1, 30),  # sells 30 on feeder 1, which may export 10
        transax.Row(102, 1, 1, 1, -10),  # buys 10 there
        transax.Row(201, 2, 1, 1, -30),
    ]
    step = published_step(rows, interval=1, ext_j=10)
    assert step.energy_j == pytest.approx(30), "10 inside and 10 outside are all that the limit allows"
    assert step.worst_net_j == pytest.approx(20)


def test_the_published_program_breaks_the_limit_on_the_published_data(shared_data: Path) -> None:
    rows = transax.read_rows(shared_data / "transax" / "noBattery")
    step = published_step(rows, interval=57, ext_j=20 * UNIT_J)
    assert step.energy_j / UNIT_J == pytest.approx(99.7, abs=0.05)
    assert step.worst_net_j / UNIT_J == pytest.approx(32.7, abs=0.05)


def test_a_day_with_batteries_ends_where_the_tie_break_leads(shared_data: Path) -> None:
    rows = transax.read_rows(shared_data / "transax" / "withBattery")
    sells, buys = (
        [Row(feeder=row.feeder, first=row.first, last=row.last, energy_j=abs(row.energy_j)) for row in side]
        for side in ([row for row in rows if row.energy_j > 0], [row for row in rows if row.energy_j < 0])
    )
    for tie_break, expected in ((TieBreak.PERISHABLE, 3443.8), (TieBreak.WASTEFUL, 3263.8)):
        rolling = Rolling(window=2, ext_j=20 * UNIT_J, tie_break=tie_break)
        assert rolling_energy(sells, buys, rolling) / UNIT_J == pytest.approx(expected, abs=0.05)


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="--data"):
        folder(Options(data=tmp_path), "transax", "the offers of a paper")


def test_every_home_is_on_one_of_the_light_clients(shared_data: Path, tmp_path: Path) -> None:
    deployment = microgrid_live.deployed(
        tmp_path, shared_data / "transax" / "withBattery", intervals=1, window=2
    )
    clients = [node for node in deployment.nodes if node.name.startswith("meters-")]
    assert len(clients) == 31
    assert sorted(len(node.actors) for node in clients) == [3] * 22 + [4] * 9
    assert len({name for node in clients for name in node.actors}) == 102
    assert sum(node.name.startswith("miner-") for node in deployment.nodes) == 4
    assert microgrid_live.latencies(deployment) == [], "nothing has run"
    report = {"time_ms": 5, "actor": "meter-0101", "name": "offer-to-final-ms", "value": 450_000}
    clients[0].reports.write_text(f'{{"schema": "x"}}\n{json.dumps(report)}\n{{"time_ms": 6, "actor"')
    assert microgrid_live.latencies(deployment) == [450_000]
