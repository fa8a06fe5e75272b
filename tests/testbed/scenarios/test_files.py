"""Scenario files: what they may say, and how a wrong one is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from light_client.rules.market.mechanisms.kinds import (
    Average,
    Continuous,
    MaximumEnergy,
    MechanismParams,
    PairPrice,
    TwoStage,
    UniformPrice,
)
from testbed.scenarios.catalogue import build, find, names
from testbed.scenarios.errors import ScenarioFileError
from testbed.scenarios.faults import Fault, FaultKind
from testbed.scenarios.files import Homes102Section, Source, SyntheticSection, parse

PATH = Path("day.toml")
LEAST = 'name = "x"\nsource = "synthetic"\n'


def test_the_least_a_file_can_say() -> None:
    file = parse(LEAST, PATH)
    assert (file.name, file.title, file.seed, file.date) == ("x", "x", 1, date(2026, 6, 14))
    assert file.source is Source.SYNTHETIC
    assert file.particulars == SyntheticSection()
    assert (file.limits.c_ext_w, file.limits.c_int_w) == (20_000, None)
    assert file.faults == ()


def test_all_a_file_can_say() -> None:
    text = """
    name = "all"
    title = "everything"
    seed = 9
    source = "homes102"
    date = 2026-07-01
    [limits]
    c_ext_w = 10_000
    c_int_w = 15_000
    [window]
    t_clear = 2
    horizon = 48
    lead_intervals = 8
    [prices]
    uniform_uc_per_kwh = 150_000
    [tier]
    miners = 7
    solvers = 3
    [homes102]
    sunny_feeders = [2]
    pv_percent = 0
    [[faults]]
    kind = "solver-lies"
    target = 1
    [[faults]]
    kind = "link-loss"
    percent = 5
    from_interval = 10
    to_interval = 20
    """
    file = parse(text, PATH)
    assert file.limits.c_int_w == 15_000
    assert (file.window.t_clear, file.window.horizon, file.posting().lead_intervals) == (2, 48, 8)
    assert file.prices.prices().uniform_uc_per_kwh == 150_000
    assert (file.tier.miners, file.tier.solvers) == (7, 3)
    assert file.particulars == Homes102Section(sunny_feeders=(2,), pv_percent=0)
    assert file.faults == (
        Fault(kind=FaultKind.SOLVER_LIES, target=1),
        Fault(kind=FaultKind.LINK_LOSS, percent=5, from_interval=10, to_interval=20),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LEAST + "sead = 3\n", "line 3, sead: unknown key: got 'sead', expected did you mean 'seed'?"),
        (
            LEAST + "[limits]\nc_extw = 3\n",
            "line 4, [limits] c_extw: unknown key: got 'c_extw', expected did you mean 'c_ext_w'?",
        ),
        (LEAST + "[limits]\n\nc_ext_w = -3\n", "line 5, [limits] c_ext_w: c_ext_w: got -3"),
        (LEAST + "[limits]\nc_ext_w = 3.5\n", "line 4, [limits] c_ext_w: wrong type: got 3.5, expected int"),
        (LEAST + "[limits]\nc_ext_w = true\n", "wrong type"),
        (LEAST + 'seed = "3"\n', "line 3, seed: wrong type: got '3', expected int"),
        (
            'name = "x"\nsource = "homes"\n',
            "line 2, source: unknown value: got 'homes', expected did you mean 'homes102'?",
        ),
        ('name = "x"\n', "source: missing key"),
        ('source = "synthetic"\n', "name: missing key"),
        ('name = "X Y"\nsource = "synthetic"\n', "line 1, name: bad name"),
        ('name = "x"\nsource = "transax"\n', "transax: missing key: got 'nothing', expected folder"),
        (LEAST + "[homes102]\n", "section of another source"),
        (
            LEAST + '[[faults]]\nkind = "solver-lie"\n',
            "line 4, [faults] kind: unknown value: got 'solver-lie', expected did you mean 'solver-lies'?",
        ),
        (LEAST + '[[faults]]\nkind = "link-loss"\n', "percent"),
        (LEAST + '[[faults]]\nkind = "miner-down"\nfrom_interval = 5\nto_interval = 4\n', "from_interval"),
        (LEAST + "faults = 3\n", "faults: wrong type"),
        (LEAST + "limits = 3\n", "limits: wrong type"),
        (LEAST + "[synthetic]\nhomes_per_feeder = [1]\n", "two homes or more"),
        (LEAST + '[synthetic]\nhomes_per_feeder = [1, "2"]\n', "wrong type: got '2'"),
        (LEAST + "[prices]\nsell_low_uc_per_kwh = 500_000\n", "price band"),
        (LEAST + "[tier]\nminers = 0\n", "[tier] miners"),
        (LEAST + "[synthetic]\npv_percent = 101\n", "0..100"),
        ("name = \n", "not TOML"),
    ],
)
def test_a_wrong_file_is_told_where_and_why(text: str, told: str) -> None:
    with pytest.raises(ScenarioFileError) as caught:
        parse(text, PATH)
    assert str(caught.value).startswith("day.toml: ")
    assert told in str(caught.value)


def test_shipped_scenarios() -> None:
    assert names() == [
        "homes102",
        "siege",
        "siege-elections",
        "siege7",
        "village",
        "village-continuous",
        "village-elections",
        "village-metered",
        "village-two-stage",
        "village-uniform-price",
    ]
    for name in names():
        assert find(name).name == name
    with pytest.raises(ScenarioFileError, match="did you mean 'village'"):
        find("vilage")
    with pytest.raises(ScenarioFileError, match="cannot be read"):
        find("nowhere.toml")


@pytest.mark.parametrize(
    ("section", "params"),
    [
        ("", MaximumEnergy()),
        ('kind = "uniform-price"\nprice_permille = 250', UniformPrice(price_permille=250)),
        ('kind = "continuous"\npair_price = "midpoint"', Continuous(pair_price=PairPrice.MIDPOINT)),
        (
            'kind = "two-stage"\naverage = "by-trade"\nreaction_s = 60',
            TwoStage(average=Average.BY_TRADE, reaction_ms=60_000),
        ),
    ],
)
def test_a_file_chooses_a_mechanism_with_its_switches(section: str, params: MechanismParams) -> None:
    assert parse(f"{LEAST}[mechanism]\n{section}\n", PATH).mechanism.params() == params


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('kind = "continous"', "did you mean 'continuous'"),
        ("price_permille = 1001", "price_permille"),
        ("reaction_s = 0", "reaction_s"),
        ("reaction = 1", "unknown key"),
    ],
)
def test_a_mechanism_that_cannot_be_is_refused(line: str, told: str) -> None:
    with pytest.raises(ScenarioFileError, match=told):
        parse(f"{LEAST}[mechanism]\n{line}\n", PATH)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('source = "reading"', "did you mean 'readings'?"),
        ('protocol = "dlms"', "one of"),
        ("every_s = 600", "1..120"),
        ("faults_per_day = 25", "0..24"),
        ('faults = ["reset@5"]', "HOME:KIND@SECOND+DURATION"),
    ],
)
def test_meters_that_cannot_be_are_refused(line: str, told: str) -> None:
    with pytest.raises(ScenarioFileError) as caught:
        parse(f'name = "x"\nsource = "synthetic"\n[meters]\n{line}\n', Path("x.toml"))
    assert told in str(caught.value)
    assert "line 4, [meters]" in str(caught.value)


def test_building_the_village_from_its_file() -> None:
    file = find("village")
    scenario = build(file)
    assert scenario.name == "village"
    assert len(scenario.homes) == 6
    assert {feeder.c_ext_w for feeder in scenario.feeders} == {1_000}
    assert build(file, seed=2).homes != scenario.homes
    assert build(file, day=date(2026, 6, 15)).first_interval == scenario.first_interval + 96


def test_the_published_microgrid_needs_a_price(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "prosumer_101.csv").write_text(
        "startTime,endTime,energy\n1,1,0.5\n2,2,-0.5\n", encoding="utf-8"
    )
    head = 'name = "t"\nsource = "transax"\n'
    path = tmp_path / "t.toml"
    path.write_text(head + '[transax]\nfolder = "csv"\n', encoding="utf-8")
    with pytest.raises(ScenarioFileError, match="uniform_uc_per_kwh"):
        build(find(str(path)))
    path.write_text(head + '[prices]\nuniform_uc_per_kwh = 9\n[transax]\nfolder = "csv"\n', encoding="utf-8")
    assert [offer.price_uc_per_kwh for offer in build(find(str(path))).offers] == [9, 9]
