"""Sets, entropies, intervals and bundles against values worked out by hand, and the price in bytes."""

from __future__ import annotations

from math import inf, log, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.trading.intent import Intent
from light_client.rules.crypto import public_key_of
from light_client.rules.ledger.transactions import DepositAssets, PostOffer, sign_transaction
from light_client.rules.market.offer import Offer
from light_client.rules.units import Address, FeederId, Side
from testbed.adversaries.linker import Sighting
from testbed.privacy.estimate import estimate, ratio
from testbed.privacy.intersection import intersect
from testbed.privacy.sets import Belief, entropy_bits, hiding_of
from testbed.privacy.weight import ledger_bytes
from testbed.year.market import Order

FOUR = (0.25,) * 4


def belief(probabilities: tuple[float, ...], truth: int = 0, group: int = 0) -> Belief:
    """With four homes alike beforehand."""
    return Belief(group=group, probabilities=probabilities, prior=FOUR, truth=truth)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12))
def test_entropy_is_at_most_that_of_homes_alike(weights: list[float]) -> None:
    entropy = entropy_bits([weight / sum(weights) for weight in weights])
    assert -1e-12 <= entropy <= log2(len(weights)) + 1e-9


def test_sets_by_hand() -> None:
    found = hiding_of([belief(FOUR), belief((0.5, 0.5, 0.0, 0.0)), belief((1.0, 0.0, 0.0, 0.0))])
    assert found is not None
    assert found.addresses == 3
    assert (found.homes, found.prior_set) == (4.0, 4.0)
    assert found.effective_set.value == pytest.approx(2.0), "2 to the mean of 2, 1 and 0 bits"
    assert found.degree.value == pytest.approx(0.5)
    assert found.surprise_bits == pytest.approx(1.0)
    assert found.named.value == pytest.approx((0.25 + 0.5 + 1.0) / 3), "ties are broken by chance"
    assert found.guessed == 0.25
    assert hiding_of([]) is None


def test_an_adversary_that_is_sure_of_the_false_is_surprised_and_names_nobody() -> None:
    found = hiding_of([belief((0.0, 1.0, 0.0, 0.0))])
    assert found is not None
    assert (found.effective_set.value, found.named.value, found.worst_bits, found.worst_named) == (1, 0, 0, 0)
    assert found.surprise_bits > log2(4), "told, and no set: no home hides among more than there are"


def test_the_worst_twentieth_are_those_it_is_surest_of() -> None:
    hidden = [belief(FOUR)] * 38
    found = hiding_of([*hidden, belief((1.0, 0.0, 0.0, 0.0)), belief((0.5, 0.5, 0.0, 0.0), truth=2)])
    assert found is not None
    assert found.worst_bits == pytest.approx(0.5), "of 0 bits and 1 bit"
    assert found.worst_named == 0.5


def test_an_interval_holds_the_value_and_narrows_with_more_days() -> None:
    few, many = [(float(day % 2), 1.0) for day in range(10)], [(float(day % 2), 1.0) for day in range(1_000)]
    wide, narrow = (estimate(rows, lambda sums: ratio(sums[..., 0], sums[..., 1])) for rows in (few, many))
    assert wide.value == narrow.value == 0.5
    assert wide.low < narrow.low < 0.5 < narrow.high < wide.high
    assert narrow.low > 0.45, "1.96 times 0.5 / sqrt(1000)"
    assert narrow.permille()[0] == 500


def test_days_are_drawn_whole() -> None:
    """A thousand addresses of two days say no more than two days."""
    rows = [(500.0, 500.0), (0.0, 500.0)]
    found = estimate(rows, lambda sums: ratio(sums[..., 0], sums[..., 1]))
    assert (found.low, found.value, found.high) == (0.0, 0.5, 1.0)


def sighting(interval: int) -> Sighting:
    """An address that trades then."""
    return Sighting(
        selling=True,
        energy_j=360_000,
        price_uc_per_kwh=1,
        first_interval=interval,
        intervals=1,
        posted_ms=0,
        connection=f"{interval}",
    )


def test_what_each_address_says_adds_up_within_its_window() -> None:
    judged = [(1, sighting(100 + at)) for at in range(8)]
    evidence = {0: log(1.0), 1: log(2.0)}
    found = list(
        intersect(lambda _: (evidence[0], evidence[1]), judged, 3, range(100, 108), lambda home: home)
    )
    assert [round(one.probabilities[1] / one.probabilities[0]) for one in found] == [8, 8], (
        "2 to the third, twice"
    )
    assert all(one.prior == [0.5, 0.5] and one.truth == 1 for one in found), "the rest is no whole window"
    certain = list(intersect(lambda _: (-inf, 0.0), judged, 8, range(100, 108), lambda home: home))
    assert certain[0].probabilities == [0.0, 1.0]


def test_bytes_are_those_of_signed_transactions() -> None:
    secret = b"\x07" * 32
    intent = Intent(
        side=Side.SELL,
        energy_j=360_000,
        price_uc_per_kwh=400_000,
        first_interval=496_000,
        last_interval=496_003,
        post_interval=495_999,
    )
    order = Order(home=0, intent=intent, number=0, posted_ms=0)
    offer = Offer(
        side=intent.side,
        feeder=FeederId(1),
        energy_j=intent.energy_j,
        ranges=((intent.first_interval, intent.last_interval),),
        price_uc_per_kwh=intent.price_uc_per_kwh,
        address=Address(bytes(20)),
    )
    assert len(public_key_of(secret)) == 33
    chain = b"\x01" * 32
    sent = [
        sign_transaction(transaction, chain, secret).raw
        for transaction in (PostOffer(sequence=0, offer=offer), DepositAssets(sequence=1))
    ]
    grant = (
        1 + 21 + 1 + 5 + 5 + 5 + 1 + 1
    )  # the list, address, feeder, two intervals, energy to sell, none to buy, money
    assert ledger_bytes([order]) == sum(map(len, sent)) + grant
    assert ledger_bytes([order, order]) == 2 * ledger_bytes([order])
