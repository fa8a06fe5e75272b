"""Units: exact conversions, and rounding that is named."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.units import (
    JOULES_PER_KWH,
    JOULES_PER_WH,
    LOT_J,
    MAX_ENERGY_J,
    MAX_PRICE_UC_PER_KWH,
    Side,
    energy_of_power,
    payment_ceiling_uc,
)


@given(st.integers(0, MAX_ENERGY_J), st.integers(0, MAX_PRICE_UC_PER_KWH))
def test_a_payment_is_rounded_up_to_the_next_unit(energy_j: int, price: int) -> None:
    exact = Fraction(energy_j * price, JOULES_PER_KWH)
    assert payment_ceiling_uc(energy_j, price) == ceil(exact)


def test_energies_are_exact() -> None:
    assert (JOULES_PER_WH, JOULES_PER_KWH, LOT_J) == (3_600, 3_600_000, 3_600)
    assert energy_of_power(20_000, 900) == 5 * JOULES_PER_KWH
    assert (MAX_ENERGY_J << 20) == 1 << 60


def test_the_sides_have_the_numbers_of_the_encoding() -> None:
    assert [(side.name, int(side)) for side in Side] == [("SELL", 0), ("BUY", 1)]
