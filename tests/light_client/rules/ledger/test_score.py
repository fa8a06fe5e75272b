"""The composite score: the published formula where it says something, the stated rule where it does not."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.epochs import PPM, EpochParams, epoch_params_from_wire
from light_client.rules.ledger.score import (
    NO_DELIVERY,
    Delivery,
    amounts_ppm,
    delivery_of,
    reputation_ppm,
    scores,
)

NEWCOMER = 400_000
energies = st.integers(0, 1 << 50)


def test_the_published_reputation_where_it_is_defined() -> None:
    """S_rep = 1 - |Epre - Ereal| / Epre."""
    assert reputation_ppm(delivery_of(100, 100), NEWCOMER) == PPM
    assert reputation_ppm(delivery_of(100, 80), NEWCOMER) == 800_000
    assert reputation_ppm(delivery_of(100, 120), NEWCOMER) == 800_000
    assert reputation_ppm(delivery_of(3, 2), NEWCOMER) == 666_666


@pytest.mark.parametrize(
    ("promised_j", "delivered_j", "expected"),
    [(0, 0, NEWCOMER), (0, 5, 0), (100, 250, 0), (100, 200, 0), (100, 0, 0), (1, 1 << 50, 0)],
)
def test_what_the_published_reputation_leaves_open(promised_j: int, delivered_j: int, expected: int) -> None:
    assert reputation_ppm(delivery_of(promised_j, delivered_j), NEWCOMER) == expected


def test_too_much_later_does_not_make_up_for_too_little() -> None:
    both = delivery_of(100, 50).plus(delivery_of(100, 150))
    assert both == Delivery(promised_j=200, deviation_j=100, amount_j=150)
    assert reputation_ppm(both, NEWCOMER) == 500_000


@given(energies, energies)
def test_a_reputation_is_the_published_one_clipped_and_rounded_down(promised: int, delivered: int) -> None:
    got = reputation_ppm(delivery_of(promised, delivered), NEWCOMER)
    if promised:
        exact = max(Fraction(0), 1 - Fraction(abs(promised - delivered), promised))
        assert got == int(exact * PPM)
    assert 0 <= got <= PPM


def test_amounts_are_spread_over_the_candidates() -> None:
    assert amounts_ppm([10, 20, 15], 2) == (0, PPM, 500_000)
    assert amounts_ppm([0, 20], 2) == (0, PPM)


@pytest.mark.parametrize("amounts", [[], [0], [0, 0, 0], [7], [7, 7, 7]])
def test_amounts_that_tell_nobody_apart_count_for_nobody(amounts: list[int]) -> None:
    assert amounts_ppm(amounts, 2) == (0,) * len(amounts)


def test_a_whale_counts_as_twice_the_median() -> None:
    """Without the cap everybody but the whale would have next to nothing."""
    assert amounts_ppm([10, 12, 14, 1 << 50], 2) == (0, 142_857, 285_714, PPM)
    assert amounts_ppm([10, 12, 14, 1 << 50], 2) == amounts_ppm([10, 12, 14, 24], 2)
    assert amounts_ppm([10, 12, 14, 1 << 50], PPM)[2] == 0


@given(st.lists(energies, max_size=12), st.integers(1, 5))
def test_amounts_are_normalised_and_never_turn_the_order_round(amounts: list[int], cap: int) -> None:
    got = amounts_ppm(amounts, cap)
    assert all(0 <= value <= PPM for value in got)
    for one, part in zip(amounts, got, strict=True):
        for other, other_part in zip(amounts, got, strict=True):
            assert part <= other_part or one > other


def test_the_score_weighs_both_parts() -> None:
    params = EpochParams(alpha_ppm=700_000, newcomer_ppm=NEWCOMER)
    found = scores({b"a": delivery_of(100, 80), b"b": delivery_of(200, 200), b"c": NO_DELIVERY}, params)
    assert found == {
        b"a": 700_000 * 800_000 + 300_000 * (80 * PPM // 160),
        b"b": 700_000 * PPM + 300_000 * PPM,
        b"c": 700_000 * NEWCOMER,
    }


@given(st.lists(st.tuples(energies, energies), max_size=8), st.integers(0, PPM))
def test_every_score_is_a_whole_number_in_bounds(reports: list[tuple[int, int]], alpha_ppm: int) -> None:
    deliveries = {bytes((n,)): delivery_of(*pair) for n, pair in enumerate(reports)}
    for score in scores(deliveries, EpochParams(alpha_ppm=alpha_ppm)).values():
        assert type(score) is int
        assert 0 <= score <= PPM * PPM


def test_a_score_in_floating_point_mixes_up_candidates() -> None:
    """Why whole numbers: two candidates that differ by a joule are one to a float, whose order is then chance."""
    large = 1 << 60
    more, less = Delivery(large, 1, large - 1), Delivery(large, 0, large)
    as_float = [1 - delivery.deviation_j / delivery.promised_j for delivery in (more, less)]
    assert as_float[0] == as_float[1]
    assert reputation_ppm(more, NEWCOMER) < reputation_ppm(less, NEWCOMER)


# -- parameters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": 0},
        {"blocks": True},
        {"seats": 65},
        {"min_seats": 0},
        {"min_seats": 5},
        {"alpha_ppm": -1},
        {"alpha_ppm": PPM + 1},
        {"history": 0},
        {"history": 65},
        {"newcomer_ppm": b""},
        {"amount_cap": 0},
    ],
)
def test_epoch_parameters_are_bounded(change: dict[str, int]) -> None:
    with pytest.raises(RuleViolation) as broken:
        EpochParams(**change)
    assert broken.value.rule == "CNS-20"


def test_epoch_parameters_read_back() -> None:
    params = EpochParams(blocks=9, seats=7, min_seats=5, alpha_ppm=3, history=4, newcomer_ppm=5, amount_cap=6)
    assert epoch_params_from_wire(params.to_wire()) == params
    for wire in (0, (), params.to_wire()[:6], (*params.to_wire(), 0)):
        with pytest.raises(RuleViolation) as broken:
            epoch_params_from_wire(wire)
        assert broken.value.rule == "CNS-20"


@given(st.integers(1, 50), st.integers(1, 1_000))
def test_epochs_divide_the_heights(blocks: int, height: int) -> None:
    params = EpochParams(blocks=blocks)
    epoch = params.epoch_of(height)
    assert epoch * blocks < height <= params.last_height(epoch)
    assert params.ends_at(height) == (height == params.last_height(epoch))
