"""How long moods last: learnt where they do, nothing where they do not, bounded whatever happens."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.forecast.deviation import (
    LIMIT,
    USUAL_VARIANCE,
    Deviation,
    inverse,
    logit,
    share_at,
)


def test_the_usual_variance_is_that_of_a_uniform_share() -> None:
    steps = 20_000
    assert sum(logit((step + 0.5) / steps) ** 2 for step in range(steps)) / steps == pytest.approx(
        USUAL_VARIANCE, abs=1e-3
    )


@given(st.floats(0, 1))
def test_places_are_bounded_and_turn_back_into_their_shares(share: float) -> None:
    assert abs(logit(share)) <= LIMIT
    assert share_at(logit(share)) == pytest.approx(min(max(share, 1 / 64), 63 / 64))


@given(st.lists(st.lists(st.floats(-3, 3), min_size=3, max_size=3), min_size=3, max_size=3))
def test_a_matrix_times_its_inverse_is_one(rows: list[list[float]]) -> None:
    matrix = [[sum(r[i] * r[j] for r in rows) + (i == j) for j in range(3)] for i in range(3)]
    product = [
        [sum(matrix[i][k] * inverse(matrix)[k][j] for k in range(3)) for j in range(3)] for i in range(3)
    ]
    for i in range(3):
        assert product[i] == pytest.approx([float(i == j) for j in range(3)], abs=1e-6)


def test_what_is_no_covariance_is_refused() -> None:
    with pytest.raises(ValueError, match="positive definite"):
        inverse([[1.0, 2.0], [2.0, 1.0]])


def _taught(lasting: float, *, steps: int = 3_000) -> Deviation:
    """Logits that follow their predecessor with the given correlation."""
    chance, place = random.Random(3), 0.0
    deviation = Deviation(24)
    for _ in range(steps):
        place = lasting * place + (1 - lasting**2) ** 0.5 * chance.gauss(0, USUAL_VARIANCE**0.5)
        deviation.learn(min(max(place, -LIMIT), LIMIT))
    return deviation


def test_a_mood_that_lasts_shifts_and_narrows_the_next_intervals_and_fades() -> None:
    deviation = _taught(0.9)
    for _ in range(6):
        deviation.learn(2.0)
    outlook = deviation.outlook()
    shifts = [outlook.at(lag)[0] for lag in (1, 4, 12, 24)]
    spreads = [outlook.at(lag)[1] for lag in (1, 4, 12, 24)]
    assert 1.2 < shifts[0] < 2.0
    assert shifts == sorted(shifts, reverse=True)
    assert 0.3 < spreads[0] < 0.7
    assert spreads == sorted(spreads)


def test_chance_alone_is_not_taken_for_a_mood() -> None:
    deviation = _taught(0.0)
    deviation.learn(LIMIT)
    shift, spread = deviation.outlook().at(1)
    assert abs(shift) < 0.5
    assert spread == pytest.approx(1, abs=0.12)


def test_beyond_a_day_and_in_the_past_only_the_usual_is_known() -> None:
    outlook = _taught(0.9).outlook()
    assert outlook.at(25) == outlook.at(0) == outlook.at(-3) == (0.0, 1.0)


def test_an_interruption_forgets_the_mood_and_not_how_long_moods_last() -> None:
    deviation = _taught(0.9)
    deviation.learn(2.0)
    deviation.interrupted()
    assert deviation.outlook().at(1)[0] == 0
    deviation.learn(2.0)
    assert deviation.outlook().at(1)[0] > 0.5


@given(st.lists(st.none() | st.floats(-LIMIT, LIMIT), max_size=200))
def test_whatever_is_learnt_no_correction_is_beyond_its_bounds(places: list[float | None]) -> None:
    deviation = Deviation(12)
    for place in places:
        deviation.learn(place)
    outlook = deviation.outlook()
    for lag in range(1, 13):
        shift, spread = outlook.at(lag)
        assert abs(shift) <= LIMIT
        assert 0 < spread <= LIMIT / USUAL_VARIANCE**0.5
