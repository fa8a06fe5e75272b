"""The running score: the loss of its definition, forecasts judged once, in time, and only on what was measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.forecast.score import RunningScore, pinball
from light_client.rules.errors import LocalError

_LEVELS = (100, 500, 900)


def _score(lead: int = 2) -> RunningScore:
    return RunningScore(_LEVELS, lead=lead, half_life=100.0)


def test_pinball_by_hand() -> None:
    # 10 J above the tenth part: 0.1 * 10; 0 at the median; 5 J below the ninth tenth: 0.1 * 5.
    assert pinball(20, (10, 20, 25), _LEVELS) == pytest.approx((1.0 + 0 + 0.5) / 3)


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=40), st.sampled_from(range(50, 1_000, 50)))
def test_the_loss_is_least_at_the_quantile(values: list[int], level: int) -> None:
    quantile = sorted(values)[min(len(values) * level // 1_000, len(values) - 1)]

    def loss(told: int) -> float:
        return sum(pinball(value, (told,), (level,)) for value in values)

    assert loss(quantile) <= min(loss(told) for told in range(0, 1_001, 50)) + 1e-9


def test_forecasts_are_judged_when_their_interval_is_over() -> None:
    score = _score()
    score.expect(12, (0, 10, 20), (0, 0, 0), 0)
    score.judge(11, 10)
    assert score.score().intervals == 0
    assert score.score().skill_permille is None
    score.judge(12, 10)
    found = score.score()
    assert (found.intervals, found.model_loss_j, found.naive_loss_j) == (1, round(2 / 3), round(15 / 3))
    assert (found.coverage_permille, found.nominal_permille, found.error_permille) == (1_000, 800, 0)
    assert found.skill_permille == round(1_000 * (5 - 2 / 3) / 5)
    score.judge(12, 10)
    assert score.score().intervals == 1, "judged once"


def test_what_was_not_measured_judges_nobody() -> None:
    score = _score()
    score.expect(12, (0, 10, 20), (0, 0, 0), 0)
    score.judge(12, None)
    score.expect(13, (0, 10, 20), (0, 0, 0), 0)
    score.judge(14, 10)
    assert score.score().intervals == 0


def test_an_interruption_drops_what_waits() -> None:
    score = _score()
    score.expect(12, (0, 10, 20), (0, 0, 0), 0)
    score.interrupted()
    score.judge(12, 10)
    assert score.score().intervals == 0


def test_forecasts_are_noted_in_order() -> None:
    score = _score()
    score.expect(12, (0, 10, 20), (0, 0, 0), 0)
    with pytest.raises(LocalError, match="above 12"):
        score.expect(12, (0, 10, 20), (0, 0, 0), 0)


def test_old_intervals_count_less() -> None:
    score = RunningScore(_LEVELS, lead=1, half_life=1.0)
    for interval, actual in enumerate((1_000, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10)):
        score.expect(interval, (10, 10, 10), (9, 9, 9), 9)
        score.judge(interval, actual)
    assert score.score().intervals == 2
    assert score.score().model_loss_j <= 1
