"""The importer of the published microgrid, against what is known of it and against files that are wrong."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from light_client.rules.units import Side
from testbed.scenarios.errors import DataUnavailableError, ScenarioFileError
from testbed.scenarios.model import Scenario
from testbed.scenarios.transax import microgrid, read_rows

DAY = date(2026, 6, 14)
PAPER_UNIT_J = 900_000
"""1 kW over one interval."""
HEADER = "startTime,endTime,energy\n"


def _write(folder: Path, body: str, name: str = "prosumer_1013.csv", header: str = HEADER) -> Path:
    path = folder / name
    path.write_text(header + body, encoding="utf-8")
    return path


def _total(scenario: Scenario, side: Side, home: int | None = None, feeder: int | None = None) -> Decimal:
    chosen = [
        offer.energy_j
        for offer in scenario.offers
        if offer.side is side and home in (None, offer.home_id) and feeder in (None, offer.feeder)
    ]
    return Decimal(sum(chosen)) / PAPER_UNIT_J


@pytest.mark.parametrize(("variant", "sells", "multi"), [("noBattery", 297, 0), ("withBattery", 326, 47)])
def test_published_totals(shared_data: Path, variant: str, sells: int, multi: int) -> None:
    scenario = microgrid(shared_data / "transax" / variant, day=DAY, c_ext_w=20_000)
    by_side = [sum(offer.side is side for offer in scenario.offers) for side in Side]
    assert by_side == [sells, 9312]
    assert sum(offer.first_interval != offer.last_interval for offer in scenario.offers) == multi
    assert _total(scenario, Side.SELL) == Decimal("4544.1")
    assert _total(scenario, Side.BUY) == Decimal("8312.2")
    producers = {101: "298.8", 102: "2524.3", 701: "956.9", 801: "304.4", 1001: "459.7"}
    assert {home: str(_total(scenario, Side.SELL, home)) for home in producers} == producers
    bought = [
        "948.1",
        "1264.7",
        "677.2",
        "1237.1",
        "435.4",
        "434.3",
        "934.6",
        "1318.6",
        "256.4",
        "622.8",
        "183",
    ]
    assert [str(_total(scenario, Side.BUY, feeder=number)) for number in range(1, 12)] == bought
    homes = [sum(home.feeder == number for home in scenario.homes) for number in range(1, 12)]
    assert homes == [9, 17, 5, 13, 8, 1, 10, 17, 5, 13, 4]


def test_surplus_and_peaks(shared_data: Path) -> None:
    scenario = microgrid(shared_data / "transax" / "noBattery", day=DAY, c_ext_w=20_000)
    made, used = scenario.offered_per_interval_j(Side.SELL), scenario.offered_per_interval_j(Side.BUY)
    assert max(made) == made[56] == Decimal("143.4") * PAPER_UNIT_J
    assert max(used) == used[49] == Decimal("127.2") * PAPER_UNIT_J
    surplus = [at + 1 for at, (more, less) in enumerate(zip(made, used, strict=True)) if more > less]
    assert surplus == list(range(50, 69))
    lost = sum(max(more - less, 0) for more, less in zip(made, used, strict=True))
    assert lost == Decimal("412.9") * PAPER_UNIT_J


def test_a_file_becomes_offers_and_a_home_day(tmp_path: Path) -> None:
    _write(tmp_path, "1,1,-0.3\n50,95,10.0\n96,96,0.1\n")
    scenario = microgrid(tmp_path, day=DAY, c_ext_w=20_000, c_int_w=25_000, price_uc_per_kwh=7)
    midnight = 1_781_395_200 // 900
    facts = [
        (o.side, o.feeder, o.home_id, o.energy_j, o.first_interval - midnight, o.last_interval - midnight)
        for o in scenario.offers
    ]
    assert facts == [
        (Side.BUY, 10, 1013, 270_000, 0, 0),
        (Side.SELL, 10, 1013, 9_000_000, 49, 94),
        (Side.SELL, 10, 1013, 90_000, 95, 95),
    ]
    assert {offer.price_uc_per_kwh for offer in scenario.offers} == {7}
    assert (scenario.feeders[0].c_ext_w, scenario.feeders[0].c_int_w) == (20_000, 25_000)
    home = scenario.homes[0]
    assert (home.load_j[0], home.pv_j[49], sum(home.load_j), sum(home.pv_j)) == (
        270_000,
        9_000_000,
        270_000,
        9_090_000,
    )


@pytest.mark.parametrize("tenths", [1, 3, 7, 11, 29, 57, 1001])
def test_tenths_are_exact_where_floats_are_not(tmp_path: Path, tenths: int) -> None:
    _write(tmp_path, f"1,1,{tenths // 10}.{tenths % 10}\n")
    assert read_rows(tmp_path)[0].energy_j == tenths * 90_000


@pytest.mark.parametrize(("variant", "rows"), [("noBattery", 1), ("withBattery", 2)])
def test_real_rows_lose_a_unit_when_read_as_floats(shared_data: Path, variant: str, rows: int) -> None:
    exact = [Decimal(row.energy_j) / PAPER_UNIT_J for row in read_rows(shared_data / "transax" / variant)]
    assert sum(int(1000 * float(power_kw)) != 1000 * power_kw for power_kw in exact) == rows


@pytest.mark.parametrize(
    ("body", "line", "field"),
    [
        ("1,1,0.1\n0,1,0.1\n", 3, "startTime"),
        ("97,97,0.1\n", 2, "startTime"),
        ("1,x,0.1\n", 2, "endTime"),
        ("1,-1,0.1\n", 2, "endTime"),
        ("5,4,0.1\n", 2, "endTime"),
        ("1,1,0.0\n", 2, "energy"),
        ("1,1,nan\n", 2, "energy"),
        ("1,1,inf\n", 2, "energy"),
        ("1,1,lots\n", 2, "energy"),
        ("1,1,0.001\n", 2, "energy"),
        ("1,1,1e30\n", 2, "energy"),
        ("1,1\n", 2, "number of values"),
        ("1,1,0.1,2\n", 2, "number of values"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_loaded(tmp_path: Path, body: str, line: int, field: str) -> None:
    _write(tmp_path, "1,1,0.1\n", name="prosumer_101.csv")
    path = _write(tmp_path, body)
    with pytest.raises(ScenarioFileError) as caught:
        read_rows(tmp_path)
    assert caught.value.path == path
    assert f"line {line}" in str(caught.value)
    assert field in str(caught.value)


def test_a_wrong_header_name_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="no prosumer_"):
        read_rows(tmp_path)
    path = _write(tmp_path, "1,1,0.1\n", header="start,end,kW\n")
    with pytest.raises(ScenarioFileError, match="line 1"):
        read_rows(tmp_path)
    path.rename(tmp_path / "prosumer_x7.csv")
    with pytest.raises(ScenarioFileError, match="file name"):
        read_rows(tmp_path)
