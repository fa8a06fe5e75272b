"""MKT-01: what a genesis may say about the market."""

from __future__ import annotations

from typing import Any

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.market.params import OBJECTIVE_ORDERS, MarketParams, Objective
from light_client.rules.units import MAX_ENERGY_J, MAX_PRICE_UC_PER_KWH


def test_the_defaults_and_both_ends_of_every_bound_are_valid() -> None:
    assert MarketParams().objectives == (Objective.ENERGY, Objective.EXPIRY)
    low = MarketParams(
        interval_s=1, t_clear=1, horizon=1, expiry_weight=1, uniform_price_uc_per_kwh=0, max_gap_j=0
    )
    high = MarketParams(
        interval_s=86_400,
        t_clear=96,
        horizon=4_096,
        expiry_weight=4_096,
        uniform_price_uc_per_kwh=MAX_PRICE_UC_PER_KWH,
        max_gap_j=MAX_ENERGY_J,
        objectives=OBJECTIVE_ORDERS[1],
    )
    assert low.uniform_price_uc_per_kwh == 0
    assert high.objectives[-1] is Objective.WELFARE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("interval_s", 0),
        ("interval_s", 86_401),
        ("interval_s", True),
        ("t_clear", 0),
        ("t_clear", 97),
        ("expiry_weight", 95),
        ("expiry_weight", 4_097),
        ("horizon", 0),
        ("horizon", 129),
        ("max_gap_j", -1),
        ("max_gap_j", MAX_ENERGY_J + 1),
        ("uniform_price_uc_per_kwh", -1),
        ("uniform_price_uc_per_kwh", MAX_PRICE_UC_PER_KWH + 1),
        ("uniform_price_uc_per_kwh", False),
        ("uniform_price_uc_per_kwh", 0.0),
        ("objectives", ()),
        ("objectives", (Objective.EXPIRY, Objective.ENERGY)),
        ("objectives", [Objective.ENERGY, Objective.EXPIRY]),
        ("objectives", (0, 1)),
    ],
)
def test_anything_else_breaks_mkt_01(name: str, value: Any) -> None:
    with pytest.raises(RuleViolation, match="MKT-01") as caught:
        MarketParams(**{name: value})
    assert caught.value.rule == "MKT-01"
