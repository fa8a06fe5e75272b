"""Parameters of mechanisms: their bounds, their spelling, and what else a market may say beside them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.mechanisms.kinds import (
    MAX_REACTION_MS,
    Average,
    Continuous,
    MaximumEnergy,
    MechanismParams,
    PairPrice,
    TwoStage,
    UniformPrice,
    mechanism_from_wire,
)
from light_client.rules.market.params import MarketParams

anything: st.SearchStrategy[object] = st.recursive(
    st.integers(-2, 5) | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "params",
    [
        MaximumEnergy(),
        UniformPrice(price_permille=0),
        UniformPrice(price_permille=1_000),
        *(Continuous(pair_price=price) for price in PairPrice),
        *(TwoStage(average=average, reaction_ms=MAX_REACTION_MS) for average in Average),
    ],
)
def test_every_mechanism_reads_back(params: MechanismParams) -> None:
    assert mechanism_from_wire(params.to_wire()) == params


@given(anything)
def test_nothing_else_is_a_mechanism(wire: object) -> None:
    try:
        params = mechanism_from_wire(wire)
    except RuleViolation as broken:
        assert broken.rule == "MKT-30"
    else:
        assert params.to_wire() == wire


@pytest.mark.parametrize(
    "make",
    [
        lambda: UniformPrice(price_permille=-1),
        lambda: UniformPrice(price_permille=1_001),
        lambda: UniformPrice(price_permille=True),
        lambda: Continuous(pair_price=0),  # type: ignore[arg-type]
        lambda: TwoStage(average=0),  # type: ignore[arg-type]
        lambda: TwoStage(reaction_ms=0),
        lambda: TwoStage(reaction_ms=MAX_REACTION_MS + 1),
        lambda: MarketParams(mechanism=(0,)),  # type: ignore[arg-type]
        lambda: MarketParams(mechanism=UniformPrice(), uniform_price_uc_per_kwh=5),
        lambda: MarketParams(interval_s=900, mechanism=TwoStage(reaction_ms=900_000)),
    ],
)
def test_parameters_are_held_to_their_bounds(make: Callable[[], object]) -> None:
    with pytest.raises(RuleViolation) as broken:
        make()
    assert broken.value.rule == "MKT-30"


def test_the_longest_reaction_is_shorter_than_an_interval() -> None:
    assert (
        MarketParams(interval_s=900, mechanism=TwoStage(reaction_ms=899_999)).mechanism.kind.name
        == "TWO_STAGE"
    )
