"""What one step of a counter means, row by row of the table that the module shows."""

import re

import pytest

from meter_io.guard import CounterSpec, GuardParams, steps
from meter_io.guard.steps import DECISIONS, Step, classify, energy_j, worst
from meter_io.obis import IMPORT_TOTAL
from meter_io.reading import Quality

WH = 3_600
KWH = 1_000 * WH
PARAMS = GuardParams(connection_w=36_000, timing_ms=0)  # 10 Wh a second
PLAIN = CounterSpec(codes=(IMPORT_TOTAL,))
SMALL = CounterSpec(codes=(IMPORT_TOTAL,), modulus_j=65_536 * WH)


@pytest.mark.parametrize(
    ("base_wh", "value_wh", "elapsed_s", "counter", "expected"),
    [
        (5_000, 5_000, 10, PLAIN, Step.PLAUSIBLE),
        (5_000, 5_000, None, PLAIN, Step.PLAUSIBLE),
        (5_000, 5_100, 10, PLAIN, Step.PLAUSIBLE),
        (5_000, 5_101, 10, PLAIN, Step.PLAUSIBLE),  # one step of the counter more
        (5_000, 5_102, 10, PLAIN, Step.IMPOSSIBLE),
        (5_000, 8_000, 300, PLAIN, Step.PLAUSIBLE),
        (5_000, 5_001, 301, PLAIN, Step.UNCONFIRMED),
        (5_000, 5_001, None, PLAIN, Step.UNTIMED),
        (5_000, 4_999, None, PLAIN, Step.UNTIMED),
        (5_000, 0, 10, PLAIN, Step.NEAR_ZERO),
        (5_000, 101, 10, PLAIN, Step.NEAR_ZERO),
        (5_000, 102, 10, PLAIN, Step.LARGE_BACK),
        (5_000, 4_999, 10, PLAIN, Step.SMALL_BACK),
        (3_000, 0, 10, PLAIN, Step.SMALL_ZERO),
        (3_002, 0, 10, PLAIN, Step.NEAR_ZERO),
        (50_000, 46_999, 10, PLAIN, Step.SMALL_BACK),
        (50_000, 46_998, 10, PLAIN, Step.LARGE_BACK),
        (90, 0, 10, PLAIN, Step.SMALL_BACK),  # nobody can tell this from a reset, and it costs little
        (65_500, 30, 10, SMALL, Step.ROLLED),
        (65_500, 66, 10, SMALL, Step.NEAR_ZERO),
        (65_500, 30, 10, PLAIN, Step.NEAR_ZERO),
        (65_500, 30, 7_000, SMALL, Step.NEAR_ZERO),  # it may have gone round more than once
        (40_000, 40_001, 7_000, SMALL, Step.IMPOSSIBLE),
        (66_000, 30, 10, SMALL, Step.NEAR_ZERO),  # was beyond its own end: the profile is wrong
        (500_000, 5_000_000, 10, PLAIN, Step.SCALED),
        (500_000, 5_001_000, 10, PLAIN, Step.SCALED),
        (500_000, 50_000_000, 10, PLAIN, Step.SCALED),
        (500_000, 500_000_000, 10, PLAIN, Step.SCALED),
        (500_000, 500, 10, PLAIN, Step.SCALED),
        (500_000, 50_001, 10, PLAIN, Step.SCALED),
        (500_000, 5_002_000, 10, PLAIN, Step.IMPOSSIBLE),
        (50, 50_000, 10, PLAIN, Step.IMPOSSIBLE),  # too little to see a factor in
    ],
)
def test_steps(
    base_wh: int, value_wh: int, elapsed_s: int | None, counter: CounterSpec, expected: Step
) -> None:
    elapsed_ms = None if elapsed_s is None else elapsed_s * 1_000
    assert classify(base_wh * WH, value_wh * WH, elapsed_ms, counter, PARAMS) is expected


def test_every_step_has_a_decision_and_a_rank() -> None:
    assert set(DECISIONS) == set(Step) == set(steps._SEVERITY)
    assert [worst((step, Step.PLAUSIBLE)) for step in Step] == list(Step)
    assert worst((Step.IMPOSSIBLE, Step.SCALED)) is Step.SCALED


def test_the_table_of_the_module_is_the_table_in_force() -> None:
    rows = re.findall(
        r"^\| ([A-Z_]+) +\| .*? \| ([A-Z_-]+) +\| (\w+) +\| (.*?) *\|$", steps.__doc__ or "", re.MULTILINE
    )
    assert {row[0] for row in rows} == {step.name for step in Step}
    for name, held, confirmed, then in rows:
        decision = DECISIONS[Step[name]]
        assert held == (decision.held.name if Step[name] is not Step.PLAUSIBLE else "-")
        assert confirmed == (decision.confirmed.name if decision.confirmed else "never")
        assert then.startswith("booked") == decision.energy_known


def test_only_a_plausible_step_is_good() -> None:
    good = [step for step, row in DECISIONS.items() if Quality.GOOD in (row.held, row.confirmed)]
    assert good == [Step.PLAUSIBLE]


def test_what_a_step_books() -> None:
    assert energy_j(Step.PLAUSIBLE, 10, 30, PLAIN) == 20
    assert energy_j(Step.UNCONFIRMED, 10, 30, PLAIN) == 20
    assert energy_j(Step.ROLLED, 65_500 * WH, 30 * WH, SMALL) == 66 * WH
    assert {energy_j(step, 10, 30, SMALL) for step in Step if not DECISIONS[step].energy_known} == {None}


@pytest.mark.parametrize(
    "broken",
    [
        {"connection_w": 0},
        {"counters": (None, None)},
        {"confirm": 1},
        {"trust_gap_ms": 999},
        {"timing_ms": -1},
    ],
)
def test_parameters_validate_themselves(broken: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"got|watches counters|not below"):
        GuardParams(**broken)  # type: ignore[arg-type]


def test_counters_validate_themselves() -> None:
    with pytest.raises(ValueError, match="at least one register"):
        CounterSpec(codes=())
    with pytest.raises(ValueError, match="at least 1 J, got 0"):
        CounterSpec(codes=(IMPORT_TOTAL,), resolution_j=0)
    with pytest.raises(ValueError, match="at least 1000 steps"):
        CounterSpec(codes=(IMPORT_TOTAL,), modulus_j=WH * 999)
