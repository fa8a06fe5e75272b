"""Problems: offers grouped into classes, and what every verifier derives from them."""

from __future__ import annotations

from random import Random

from hypothesis import given

from light_client.rules.market.problem import SpotClass, problem_of
from light_client.rules.units import Side
from tests.light_client.rules.market.samples import BUY, SELL, key, market, problem
from tests.oracles.pairwise import PairMarket
from tests.oracles.translate import first_interval_of, grid_of, open_offers, params_of, problem_from
from tests.property.markets import markets


def test_offers_of_one_class_are_added_up_and_listed_by_number() -> None:
    subject = problem(
        [(1, 5, 30, (0, 2)), (1, 5, 12, (0, 2)), (1, 6, 1, (0, 2))], [(2, 9, 7, (2,))], external={1: 9, 2: 9}
    )
    assert subject.classes == {key(SELL, 1, 5, 0, 2): 42, key(SELL, 1, 6, 0, 2): 1, key(BUY, 2, 9, 2): 7}
    assert subject.shares[key(SELL, 1, 5, 0, 2)] == ((1, 30), (2, 12))
    assert list(subject.classes) == sorted(subject.classes)


def test_spot_flexible_and_two_sided_are_told_apart() -> None:
    subject = problem(
        [(1, 5, 30, (0, 1, 3)), (1, 5, 12, (2,))],
        [(2, 9, 7, (1,)), (2, 9, 8, (2, 3)), (1, 9, 8, (4,))],
        external={1: 9, 2: 9},
    )
    assert subject.two_sided == {1, 2, 3}
    assert subject.spot == ({2: [SpotClass(1, 5, 12)]}, {1: [SpotClass(2, 9, 7)], 4: [SpotClass(1, 9, 8)]})
    assert subject.flexible == ([(key(SELL, 1, 5, 0, 1, 3), 30)], [(key(BUY, 2, 9, 2, 3), 8)])
    assert not subject.uniform


def test_a_later_moment_cuts_classes_merges_them_and_drops_what_has_passed() -> None:
    drawn = market(
        [(1, 5, 30, (0, 3)), (1, 5, 12, (3,)), (1, 5, 1, (0,))], [(1, 9, 7, (1, 3))], external={1: 9}
    )
    later = problem_of(open_offers(drawn), first_interval=2, params=params_of(drawn), grid=grid_of(drawn))
    assert later.classes == {key(SELL, 1, 5, 3): 42, key(BUY, 1, 9, 3): 7}
    assert later.shares[key(SELL, 1, 5, 3)] == ((1, 30), (2, 12))
    assert (
        problem_of([], first_interval=0, params=params_of(drawn), grid=grid_of(drawn)).two_sided
        == frozenset()
    )


@given(markets())
def test_the_order_of_offers_does_not_matter(drawn: PairMarket) -> None:
    offers = open_offers(drawn)
    Random(1).shuffle(offers)
    again = problem_of(
        offers, first_interval=first_interval_of(drawn), params=params_of(drawn), grid=grid_of(drawn)
    )
    assert again == problem_from(drawn)


@given(markets())
def test_every_joule_is_in_exactly_one_class(drawn: PairMarket) -> None:
    subject = problem_from(drawn)
    for side, offers in zip(Side, (drawn.sells, drawn.buys), strict=True):
        total = sum(energy for cls, energy in subject.classes.items() if cls.side == side)
        walked = sum(e for spots in subject.spot[side].values() for *_, e in spots)
        walked += sum(e for _, e in subject.flexible[side])
        assert total == walked == sum(offer.energy for offer in offers)
    sold_at = {t for offer in drawn.sells for t in offer.intervals}
    assert subject.two_sided == sold_at & {t for offer in drawn.buys for t in offer.intervals}
