"""Dual decomposition: communities keep their data to themselves, and answer prices with what they would buy.

Each price moves by its imbalance over ``A + B k``. Who announces prices sees net purchases and never a device.

Source: the trading rounds of the Proof-of-Solution paper: delegates announce, and a community believes what most say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Final, NamedTuple

import numpy as np

from testbed.experiments.wuzhong.clearing import Floats, Responses, settings_of
from testbed.experiments.wuzhong.model import GRID_PRICE, HEAT_PRICE, Community, Market, Settings

FIRST_ELECTRICITY: Final = GRID_PRICE / 2
FIRST_HEAT: Final = 200.0
CHANGE: Final = 1e-3
"""Smallest change of all prices together, CNY/MWh, that is gone on with."""
_MOST_ROUNDS: Final = 500


class Prices(NamedTuple):
    """What one community is told, CNY/MWh."""

    electricity: float
    heat: float


class Purchase(NamedTuple):
    """What a community answers, MWh, below 0 where it sells."""

    electricity: float
    heat: float


class Private:
    """A community that nobody else can look into."""

    def __init__(self, community: Community) -> None:
        self.number: Final = community.number
        self.zone: Final = community.zone
        self._responses = Responses(Market(communities=(community,), heat_limits=()))

    def answer(self, told: Prices) -> Purchase:
        """What it would buy."""
        inputs, electricity, _ = self._respond(told)
        bought, heat, _ = self._responses.balances(inputs, electricity)
        return Purchase(float(bought[0]), float(heat[0]))

    def settle(self, told: Prices) -> tuple[Settings, float]:
        """What it does in the end, and what cooling is worth to it: for whoever it shows its data to."""
        inputs, electricity, cooling = self._respond(told)
        return settings_of(self._responses, inputs, electricity)[0], float(cooling[0])

    def _respond(self, told: Prices) -> tuple[Floats, Floats, Floats]:
        electricity, heat = np.array([told.electricity]), np.array([told.heat])
        cooling = self._responses.cooling_at(electricity, heat)
        return self._responses.inputs(electricity, heat, cooling), electricity, cooling


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Prices as they follow from all answers."""

    electricity: float
    heat: tuple[float, ...]

    def told_to(self, community: Private) -> Prices:
        """What an honest delegate announces to it."""
        return Prices(self.electricity, self.heat[community.zone])


Announce = Callable[[Private, Prices], Prices]
"""What a delegate tells a community of the true prices."""


def truly(community: Private, prices: Prices) -> Prices:
    """An honest delegate."""
    del community
    return prices


class NoMajorityError(Exception):
    """Delegates announce so many different prices that a community can believe none."""


def believed(panel: Sequence[Announce], community: Private, prices: Prices) -> Prices:
    """The prices that more than half of the delegates announce.

    Raises:
        NoMajorityError: there are none.
    """
    said = Counter(announce(community, prices) for announce in panel)
    told, count = said.most_common(1)[0]
    if 2 * count <= len(panel):
        raise NoMajorityError(f"{count} of {len(panel)} delegates agree")
    return told


def rounds(
    communities: Sequence[Private],
    heat_limits: Sequence[float],
    panel: Sequence[Announce] = (truly,),
    *,
    a: float = 20.0,
    b: float = 0.1,
) -> Iterator[Round]:
    """Prices of every round, the first ones included, until they hardly change.

    Raises:
        NoMajorityError: the delegates fall apart.
    """
    limits = np.array(heat_limits)
    now = Round(electricity=FIRST_ELECTRICITY, heat=(FIRST_HEAT,) * len(limits))
    yield now
    for number in range(1, _MOST_ROUNDS + 1):
        answers = [one.answer(believed(panel, one, now.told_to(one))) for one in communities]
        wanted = np.bincount(
            [one.zone for one in communities], [answer.heat for answer in answers], len(limits)
        ).astype(np.float64)
        step = a + b * number
        heat = np.array(now.heat)
        moves = (wanted - _supply(heat, wanted, limits)) / step
        move = _beyond(sum(answer.electricity for answer in answers), now.electricity) / step
        price = min(now.electricity + move, GRID_PRICE)  # the grid gives any amount at its price
        now = Round(electricity=price, heat=tuple((heat + moves).tolist()))
        yield now
        if hypot(move, *moves.tolist()) < CHANGE:
            return


def _supply(price: Floats, wanted: Floats, limits: Floats) -> Floats:
    """What the zones' plants give: nothing below their price, all they can above it."""
    return np.where(
        price < HEAT_PRICE, 0.0, np.where(price > HEAT_PRICE, limits, np.clip(wanted, 0.0, limits))
    )


def _beyond(wanted: float, price: float) -> float:
    """Imbalance of electricity: the grid gives whatever is asked at its price."""
    return wanted if price < GRID_PRICE else min(wanted, 0.0)
