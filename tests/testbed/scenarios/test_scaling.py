"""The scaling recipe: optima known from elsewhere, found by an independent linear program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from light_client.rules.units import Side
from testbed.scenarios.columns import OfferColumns
from testbed.scenarios.errors import PlanError
from testbed.scenarios.model import first_interval_of
from testbed.scenarios.scaling import UNIT_J, scale
from tests.testbed.scenarios.aggregated_lp import optimum_j
from tests.testbed.scenarios.conftest import DAY

C_EXT_J = 20_000 * 900
PAPER_UNIT_J = 900_000


@pytest.mark.parametrize(
    ("copies", "priced", "optimum"),
    [(1, False, 3443.8), (1, True, 3422.5), (4, False, 13523.5), (4, True, 13527.4)],
)
def test_published_optima_with_batteries(
    with_battery: OfferColumns, copies: int, priced: bool, optimum: float
) -> None:
    scaled = scale(with_battery, copies, priced=priced)
    assert len(scaled) == copies * 9638
    assert optimum_j(scaled, C_EXT_J) / PAPER_UNIT_J == pytest.approx(optimum, abs=0.05)


@pytest.mark.parametrize(("priced", "optimum"), [(False, 33850.7), (True, 33876.6)])
def test_published_optima_ten_times_as_large(
    with_battery: OfferColumns, priced: bool, optimum: float
) -> None:
    scaled = scale(with_battery, 10, priced=priced)
    assert optimum_j(scaled, C_EXT_J) / PAPER_UNIT_J == pytest.approx(optimum, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("priced", "optimum"), [(False, 136083.0), (True, 135415.8)])
def test_published_optima_forty_times_as_large(
    with_battery: OfferColumns, priced: bool, optimum: float
) -> None:
    scaled = scale(with_battery, 40, priced=priced)
    assert len(scaled) == 385_520
    assert optimum_j(scaled, C_EXT_J) / PAPER_UNIT_J == pytest.approx(optimum, abs=0.05)


@pytest.mark.parametrize(("priced", "optimum"), [(False, 3263.8), (True, 3225.9)])
def test_published_optima_without_batteries(no_battery: OfferColumns, priced: bool, optimum: float) -> None:
    assert optimum_j(scale(no_battery, 1, priced=priced), C_EXT_J) / PAPER_UNIT_J == pytest.approx(
        optimum, abs=0.05
    )


@pytest.mark.parametrize(("priced", "optimum"), [(False, 423.4), (True, 378.2)])
def test_published_optima_of_a_window(with_battery: OfferColumns, priced: bool, optimum: float) -> None:
    first = first_interval_of(DAY, 900) + 56
    window = scale(with_battery, 1, priced=priced).visible(first, first + 3)
    from_now = replace(window, first_interval=np.maximum(window.first_interval, first))
    assert optimum_j(from_now, C_EXT_J) / PAPER_UNIT_J == pytest.approx(optimum, abs=0.05)


def test_the_oracle_sees_a_wrong_order_of_draws(with_battery: OfferColumns) -> None:
    backwards = with_battery.where(np.ones(len(with_battery), np.bool_))
    backwards = OfferColumns(
        **{name: getattr(backwards, name)[::-1].copy() for name in OfferColumns.__dataclass_fields__}
    )
    found = optimum_j(scale(backwards, 4, priced=False), C_EXT_J) / PAPER_UNIT_J
    assert abs(found - 13523.5) > 0.5


def _two_homes() -> OfferColumns:
    column = np.array
    return OfferColumns(
        side=column([Side.BUY, Side.SELL, Side.BUY]),
        feeder=column([1, 2, 2]),
        price_uc_per_kwh=column([5, 5, 5]),
        energy_j=column([UNIT_J, 40 * UNIT_J, 20 * UNIT_J]),
        first_interval=column([10, 10, 11]),
        last_interval=column([10, 14, 11]),
        home_id=column([101, 201, 201]),
        post_interval=column([9, 9, 9]),
    )


def test_the_first_copy_is_the_original() -> None:
    base = _two_homes()
    scaled = scale(base, 3, priced=False)
    for name in OfferColumns.__dataclass_fields__:
        assert getattr(scaled, name)[:3].tolist() == getattr(base, name).tolist()
    assert scaled.feeder.tolist() == [1, 2, 2, 12, 13, 13, 23, 24, 24]
    assert scaled.home_id.tolist()[3:6] == [100_101, 100_201, 100_201]


def test_copies_vary_by_half_and_never_vanish() -> None:
    scaled = scale(_two_homes(), 200, priced=False)
    assert not np.any(scaled.energy_j % UNIT_J)
    sold = scaled.energy_j[scaled.side == Side.SELL] // UNIT_J
    assert 20 <= sold.min() < 22
    assert 58 < sold.max() <= 60
    assert scaled.energy_j.min() == UNIT_J


def test_prices_are_per_home_and_side_in_tenths_of_a_cent() -> None:
    scaled = scale(_two_homes(), 50, priced=True)
    assert not np.any(scaled.price_uc_per_kwh % 1_000)
    for side, (low, high) in ((Side.SELL, (50, 250)), (Side.BUY, (100, 300))):
        prices = scaled.price_uc_per_kwh[scaled.side == side] // 1_000
        assert low <= prices.min() < prices.max() < high


def test_scaling_what_it_cannot_is_refused() -> None:
    with pytest.raises(PlanError, match="copies"):
        scale(_two_homes(), 0, priced=False)
    odd = replace(_two_homes(), energy_j=np.array([UNIT_J, 3_600, UNIT_J]))
    with pytest.raises(PlanError, match="energies to scale"):
        scale(odd, 2, priced=False)
