"""Paths through trees of feeders against a search that knows nothing of ancestors."""

from __future__ import annotations

from collections import deque
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.grid import ROOT, Feeder, Grid
from light_client.rules.market.mechanisms.mechanism import Transfer
from light_client.rules.market.routing import path_between, path_queue, routes_hash
from light_client.rules.units import FeederId


def random_tree(seed: int) -> dict[int, int]:
    """Return feeder -> parent; every feeder hangs on the root or on an earlier one."""
    random = Random(seed)
    parents: dict[int, int] = {}
    for feeder in random.sample(range(100), random.randint(1, 12)):
        parents[feeder] = random.choice([ROOT, *parents])
    return parents


def searched(parents: dict[int, int], start: int, end: int) -> tuple[int, ...]:
    """Return the shortest path, by breadth-first search over the lines of the tree."""
    lines: dict[int, set[int]] = {}
    for child, parent in parents.items():
        lines.setdefault(child, set()).add(parent)
        lines.setdefault(parent, set()).add(child)
    ways: deque[tuple[int, ...]] = deque([(start,)])
    while ways[0][-1] != end:
        way = ways.popleft()
        ways.extend((*way, node) for node in lines[way[-1]] if node not in way)
    return ways[0]


@given(st.integers(0, 1 << 32), st.randoms(use_true_random=False))
def test_a_path_is_the_one_that_a_search_finds(seed: int, random: Random) -> None:
    parents = random_tree(seed)
    start, end = random.choice(sorted(parents)), random.choice(sorted(parents))
    assert path_between(parents, start, end) == searched(parents, start, end)


def test_every_feeder_of_a_grid_hangs_on_the_root() -> None:
    grid = Grid(feeders=tuple(Feeder(feeder=FeederId(n), c_ext_w=1) for n in (1, 2)), interval_s=900)
    assert path_between(grid.parents, 1, 2) == (1, ROOT, 2)
    assert path_between(grid.parents, 2, 2) == (2,)


@pytest.mark.parametrize("parents", [{1: 2, 2: 1}, {1: 1}, {1: 7}, {}])
def test_what_is_no_tree_has_no_paths(parents: dict[int, int]) -> None:
    with pytest.raises(RuleViolation) as broken:
        path_between(parents, 1, 1)
    assert broken.value.rule == "MKT-39"


def test_the_queue_keeps_the_order_and_its_hash_tells_every_change() -> None:
    parents = {1: ROOT, 2: 1, 3: 1}
    transfers = (Transfer(2, 3, 10), Transfer(3, 1, 4), Transfer(2, 3, 6))
    queue = path_queue(parents, transfers)
    assert queue == ((10, (2, 1, 3)), (4, (3, 1)), (6, (2, 1, 3)))
    others = {
        routes_hash(7, queue),
        routes_hash(8, queue),
        routes_hash(7, queue[::-1]),
        routes_hash(7, queue[:2]),
        routes_hash(7, path_queue({**parents, 3: 2}, transfers)),
        routes_hash(7, ((11, queue[0][1]), *queue[1:])),
    }
    assert len(others) == 6
