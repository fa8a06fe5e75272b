"""Power routing: the path of every transfer through the tree of feeders, and the hash of their queue.

Source: section 2 of the paper on blockchain-based distributed power transactions (FAIA241134) has each producer
compute a routing queue and compare its hash with the voters'; how the routes are found it does not say. Ours: in a tree
there is one path, from the seller's feeder up to the first common ancestor and down to the buyer's. docs/adr/0018.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.market.grid import ROOT
from light_client.rules.market.mechanisms.mechanism import Transfer
from light_client.rules.units import HASH_BYTES

NO_ROUTES = bytes(HASH_BYTES)
"""Of a block that clears nothing."""

Path = tuple[int, ...]
"""Nodes from the seller's feeder to the buyer's, both included; one node where they are the same."""


def way_to_root(parents: Mapping[int, int], feeder: int) -> Path:
    """The nodes from a feeder up to the root.

    Raises:
        RuleViolation: MKT-39 for a feeder that is not in the tree, or that its ancestors lead back to.
    """
    way = [feeder]
    while way[-1] != ROOT:
        parent = parents.get(way[-1])
        if parent is None or parent in way:
            raise RuleViolation(
                "MKT-39", "feeders do not form a tree", got=parent, expected=f"above {way[-1]}"
            )
        way.append(parent)
    return tuple(way)


def path_between(parents: Mapping[int, int], seller: int, buyer: int) -> Path:
    """The one path between two feeders.

    Args:
        parents: feeder -> the feeder that it hangs on, or ``ROOT``.

    Raises:
        RuleViolation: MKT-39.
    """
    up, down = way_to_root(parents, seller), way_to_root(parents, buyer)
    shared = set(up) & set(down)
    top = next(node for node in up if node in shared)
    return (*up[: up.index(top) + 1], *reversed(down[: down.index(top)]))


def path_queue(parents: Mapping[int, int], transfers: Iterable[Transfer]) -> tuple[tuple[int, Path], ...]:
    """(energy in J, path) of every transfer, in the order in which they were matched.

    Raises:
        RuleViolation: MKT-39.
    """
    known: dict[tuple[int, int], Path] = {}
    queue = []
    for seller, buyer, energy_j in transfers:
        path = known.get((seller, buyer))
        if path is None:
            path = known[seller, buyer] = path_between(parents, seller, buyer)
        queue.append((energy_j, path))
    return tuple(queue)


def routes_hash(interval: int, queue: tuple[tuple[int, Path], ...]) -> bytes:
    """What the header says of the path queue of an interval, 32 bytes."""
    return tagged_hash("gridlight/routes/1", encode((interval, queue)))
