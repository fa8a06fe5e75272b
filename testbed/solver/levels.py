"""Price levels on demand: most of them do not matter, so they are joined until a plan shows that one does.

Joining neighbouring levels relaxes a market: within a joined level every buyer may be served by every seller.
A plan of the relaxed market in which, inside joined levels, the cheapest sell first and the highest bidders
buy first is either feasible, then optimal for the market itself (and its prices, which are step functions of
fewer steps, prove it), or purchases exceed sales up to some level: there the levels are parted, and it is
solved again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from testbed.solver.reduction import Arcs, Reduced, hand_back
from testbed.solver.runs import Ints, Mask, fresh, positions

FEW_LEVELS = 1_500
"""A linear program with fewer levels takes less time than relaxing it first."""


class Flows(Protocol):
    """A solved relaxation."""

    @property
    def sold(self) -> Ints:
        """Flow per sellers' arc, J."""

    @property
    def bought(self) -> Ints:
        """Flow per buyers' arc, J."""


Answer = TypeVar("Answer", bound=Flows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A market whose levels are joined."""

    reduced: Reduced
    """The relaxed market; places are those of the original one."""
    level_of: Ints
    """Joined level of each original one."""


def join(reduced: Reduced, opens: Mask) -> Joined:
    """Join each level to the one below it unless ``opens`` says that it begins a new one."""
    if opens.all():
        return Joined(reduced=reduced, level_of=np.arange(len(opens)))
    level_of = opens.cumsum() - 1
    return Joined(
        reduced=replace(
            reduced,
            node_t=reduced.node_t[opens],
            node_price=reduced.node_price[opens],
            sells=_joined(reduced.sells, level_of, downwards=False),
            buys=_joined(reduced.buys, level_of, downwards=True),
        ),
        level_of=level_of,
    )


def _joined(arcs: Arcs, level_of: Ints, *, downwards: bool) -> Arcs:
    """Arcs that differ in joined levels only become one; its entries are the original arcs."""
    node = level_of[arcs.node]
    order = np.lexsort((-arcs.node if downwards else arcs.node, arcs.owner, arcs.kappa, node, arcs.place))
    place, node, kappa, owner = arcs.place[order], node[order], arcs.kappa[order], arcs.owner[order]
    opens = fresh(place, node, kappa, owner)
    leader = positions(opens)
    return Arcs(
        t=arcs.t[order[leader]],
        place=place[leader],
        node=node[leader],
        cap=np.add.reduceat(arcs.cap[order], leader) if len(leader) else arcs.cap,
        kappa=kappa[leader],
        owner=owner[leader],
        entry=order,
        entry_arc=opens.cumsum() - 1,
    )


def solve_lazily(
    reduced: Reduced, solve: Callable[[Joined], Answer], *, gradually: bool
) -> tuple[Joined, Answer, Ints, Ints]:
    """Solve relaxations until one is feasible.

    Args:
        reduced: the market.
        solve: an optimal plan of a relaxation.
        gradually: part levels where purchases exceed sales, as often as needed: right where solving is cheap.
        Otherwise
            part all levels as soon as one matters, and from the start where they are few.

    Returns:
        The last relaxation, its answer, and the flow per sellers' and buyers' arc of the market itself.
    """
    opens = fresh(reduced.node_t)
    if not gradually and len(opens) < FEW_LEVELS:
        opens[:] = True
    while True:
        joined = join(reduced, opens)
        answer = solve(joined)
        if joined.reduced is reduced:
            return joined, answer, answer.sold, answer.bought
        sold = hand_back(reduced.sells.cap, joined.reduced.sells, answer.sold)
        bought = hand_back(reduced.buys.cap, joined.reduced.buys, answer.bought)
        parted = _short_levels(reduced, sold, bought)
        if not len(parted):
            return joined, answer, sold, bought
        if gradually:
            opens[parted + 1] = True
        else:
            opens[:] = True


def _short_levels(reduced: Reduced, sold: Ints, bought: Ints) -> Ints:
    """Levels up to which purchases exceed sales, the worst of each stretch of such levels."""
    count = len(reduced.node_t)
    surplus = np.bincount(reduced.sells.node, sold, count) - np.bincount(reduced.buys.node, bought, count)
    upto = surplus.cumsum()
    short = upto < 0
    if not short.any():
        return positions(short)
    begins = positions(short & ~np.concatenate(([False], short[:-1])))
    worst = np.minimum.reduceat(np.where(short, upto, 0), begins)
    stretch = np.cumsum(short & ~np.concatenate(([False], short[:-1]))) - 1
    lowest = positions(short & (upto == worst[np.maximum(stretch, 0)]))
    return lowest[fresh(stretch[lowest])]
