"""Seeded choices: stable over machines, independent of order."""

from __future__ import annotations

from collections import Counter

from testbed.scenarios.chance import Chance


def test_choices_are_the_same_for_ever() -> None:
    # Golden: a change here changes every published scenario.
    assert [Chance(1).below(1000, "price", home) for home in (101, 102, 201)] == [841, 936, 544]
    assert Chance(1).shuffled(range(6), "x") == [0, 5, 3, 1, 4, 2]


def test_a_choice_depends_on_seed_and_name_alone() -> None:
    chance = Chance(3)
    before = chance.below(10**9, "pv", 7)
    chance.below(10**9, "something else")
    assert chance.below(10**9, "pv", 7) == before
    assert Chance(4).below(10**9, "pv", 7) != before
    assert chance.below(10**9, "pv", 8) != before
    assert chance.below(10**9, "pv7") != chance.below(10**9, "pv", 7)


def test_shuffling_ignores_the_order_of_the_items() -> None:
    assert Chance(5).shuffled("abcdef", "s") == Chance(5).shuffled("fedcba", "s")


def test_shares_are_about_right() -> None:
    hits = sum(Chance(seed).percent(30, "x") for seed in range(2000))
    assert 520 < hits < 680
    assert not any(Chance(seed).percent(0, "x") for seed in range(50))
    assert all(Chance(seed).percent(100, "x") for seed in range(50))


def test_the_grid_includes_both_ends_and_nothing_between_steps() -> None:
    seen = Counter(Chance(seed).on_grid(80, 120, 10, "p") for seed in range(400))
    assert set(seen) == {80, 90, 100, 110, 120}
