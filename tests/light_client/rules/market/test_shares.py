"""Pro-rata shares against the oracle's fractions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.market.shares import prefix_shares
from tests.oracles.fairness import pro_rata

WEIGHTS = st.lists(st.integers(0, 1 << 40), min_size=1, max_size=8)


def test_equals_get_equal_shares_up_to_one_joule() -> None:
    assert prefix_shares([10, 10, 10], 10) == [3, 3, 4]
    assert prefix_shares([3_600, 7_200], 5_400) == [1_800, 3_600]
    assert prefix_shares([], 0) == []
    assert prefix_shares([0, 0], 0) == [0, 0]


@given(WEIGHTS, st.data())
def test_shares_are_those_of_the_oracle(weights: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(weights)))
    shares = prefix_shares(weights, total)
    assert shares == pro_rata(weights, total)
    assert sum(shares) == total
    for weight, share in zip(weights, shares, strict=True):
        assert 0 <= share <= weight
        if sum(weights):
            assert abs(share - Fraction(weight * total, sum(weights))) < 1
