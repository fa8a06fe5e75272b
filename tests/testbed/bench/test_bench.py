"""The bench measures what it says, and stops where two formulations disagree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_app.console import Exit
from testbed import cli
from testbed.bench import measure as measure_module
from testbed.bench.cases import Base, busiest_interval, case_of, shipped_day
from testbed.bench.clearing import TARGETS, growth, judged
from testbed.bench.measure import measure_case
from testbed.bench.pairwise import count_pairs, pairs_of, solve_pairwise
from testbed.bench.suites import SUITES, suite
from testbed.solver.errors import NotSolvedError


@pytest.fixture(scope="module")
def village() -> Base:
    return shipped_day("village")


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("priced", [False, True])
@pytest.mark.parametrize("day", [False, True])
def test_a_small_grid_is_cleared_as_well_as_pair_by_pair(
    village: Base, day: bool, priced: bool, limited: bool
) -> None:
    case = case_of(village, copies=2, priced=priced, limited=limited, day=day)
    timing = measure_case(case, repeats=1, pairwise_limit_s=60, by_rules=True)
    assert (timing.gap_j, timing.tie_break_gap) == (0, 0)
    assert timing.traded_j > 0
    assert timing.pairwise_s is not None
    assert timing.rules_check_s is not None
    assert min(timing.group_s, timing.clear_s, timing.settle_s, timing.total_s) > 0


def test_pairs_are_counted_as_they_are_made(village: Base) -> None:
    case = case_of(village, copies=2, priced=True, limited=False, day=True)
    assert count_pairs(case.columns, case.first_interval) == len(
        pairs_of(case.columns, case.first_interval)[0]
    )


def test_a_wrong_optimum_stops_the_bench(village: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = solve_pairwise

    def generous(*args: object, **options: object) -> object:
        result = sound(*args, **options)  # type: ignore[arg-type]
        return None if result is None else replace(result, energy_j=result.energy_j + 90_000)

    monkeypatch.setattr(measure_module, "solve_pairwise", generous)
    case = case_of(village, copies=1, priced=False, limited=False, day=False)
    with pytest.raises(NotSolvedError, match="pairwise"):
        measure_case(case, repeats=1, pairwise_limit_s=60, by_rules=False)


def test_the_interval_is_the_busiest_one(village: Base) -> None:
    columns, chosen = village.columns, busiest_interval(village.columns)
    sells = columns.where(columns.side == 0)
    sums = {t: int(sells.energy_j[sells.first_interval == t].sum()) for t in sells.first_interval.tolist()}
    assert sums[chosen] == max(sums.values())


def test_growth_and_targets_are_derived_from_the_timings(village: Base) -> None:
    case = case_of(village, copies=1, priced=False, limited=False, day=True)
    one = measure_case(case, repeats=1, pairwise_limit_s=0, by_rules=True)
    squared = [
        replace(one, offers=100, total_s=1.0),
        replace(one, case="x4 day uniform", offers=400, total_s=16.0),
    ]
    assert growth(squared) == {"day uniform": 2.0}
    target = next(target for target in TARGETS if target.case == "x1 day uniform")
    slow = replace(one, rules_bound_s=1.0)
    assert [(aim.met, aim.asked) for aim in judged([slow])] == [(False, target.at_most_rules_bound_s)]
    assert "MISSED" in judged([slow])[0].line()


@pytest.mark.slow
def test_the_command_prints_a_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDLIGHT_SHARED", "nowhere")
    monkeypatch.setattr("testbed.bench.clearing.COPIES", (1, 2))
    monkeypatch.setattr("testbed.bench.clearing.INTERVAL_REPEATS", 1)
    assert cli.main(["bench", "clearing", "--quick", "--json", "--quiet"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert next(iter(document)) == "schema"
    cases = document["suites"]["clearing"]["cases"]
    assert len(cases) == 17
    assert all(case["gap_j"] == 0 for case in cases)
    assert {"total_s", "bound_s", "ratio"} <= set(cases[0])
    assert {aim["suite"] for aim in document["aims"]} == {"clearing"}


def test_a_suite_that_does_not_exist_is_answered_with_the_likely_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["bench", "claering"]) == Exit.USAGE
    assert "Did you mean 'clearing'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_says_what_it_measures(name: str) -> None:
    assert suite(name).SUMMARY.endswith(".")


def test_without_an_armhf_root_the_suite_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["bench", "armhf"]) == Exit.OK
    assert "--armhf-root" in capsys.readouterr().out
    assert cli.main(["bench", "armhf", "--armhf-root", str(tmp_path)]) == Exit.OK
    assert "no armhf root" in capsys.readouterr().out
