"""Four ways to coordinate the market, each run by itself, honestly and with somebody who lies to one community.

    centralised      one operator knows all data, computes, and tells everybody a price
    hierarchical     an operator for each heat zone knows its members; one above them knows zone totals
    chain            communities keep their data; five delegates announce prices and agree on messages
    Proof of Solution    the same, and what they agree on has to be proven

Nobody here is told who lies: what each party checks, and what it can see at all, follows from the scheme.

Source: the four schemes of the Proof-of-Solution paper (its extended data, Figure 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from light_client.rules.crypto import public_key_of, tagged_hash
from light_client.rules.verdict import Verdict
from testbed.experiments.council import Case
from testbed.experiments.delegate_scenes import Answers, Outcome, Scene, leads, play, vouches
from testbed.experiments.wuzhong.certificate import Answer, answer_from_bytes, judge_bytes
from testbed.experiments.wuzhong.clearing import (
    Cleared,
    Floats,
    Responses,
    Seen,
    balancing_price,
    clear,
    honest,
    react,
    settings_of,
)
from testbed.experiments.wuzhong.decomposition import (
    Announce,
    Prices,
    Private,
    Round,
    believed,
    rounds,
    truly,
)
from testbed.experiments.wuzhong.model import Market, Settings
from testbed.experiments.wuzhong.receipts import Receipt, check

DELEGATES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """Part of the electricity price that one community is shown."""

    victim: int
    shown: float

    def prices(self, market: Market) -> Seen:
        """As an operator tells it who knows everybody."""
        place = [community.number for community in market.communities].index(self.victim)

        def seen(price: Floats) -> Floats:
            told = price.copy()
            told[place] *= self.shown
            return told

        return seen

    def announce(self, community: Private, prices: Prices) -> Prices:
        """As a delegate tells it in a round."""
        return truly(community, prices)._replace(
            electricity=prices.electricity * (self.shown if community.number == self.victim else 1.0)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a scheme ends with: prices, what everybody does at them, and how often it was asked for it."""

    cleared: Cleared
    told: dict[int, float]
    """Electricity price that each community was told, CNY/MWh."""
    asked: int
    """How often communities (or zones) answered a price."""

    def answer(self) -> Answer:
        """What the coordinator publishes, with the true prices as its proof."""
        cleared = self.cleared
        return Answer(
            settings=cleared.settings,
            electricity_price=cleared.electricity_price,
            heat_prices=cleared.heat_prices,
            cooling_prices=cleared.cooling_prices,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chained:
    """The same, with the prices of all rounds."""

    ended: Ended
    trace: tuple[Round, ...]
    disputed: bool
    """Whether some community heard different prices from different delegates."""


def centralised(market: Market, lie: Lie | None = None) -> Ended:
    """One operator that knows everything."""
    shown = honest if lie is None else lie.prices(market)
    cleared = clear(market, shown)
    return Ended(cleared=cleared, told=_told(market, shown, cleared.electricity_price), asked=0)


class ZoneOperator:
    """Knows its members, balances their heat, and tells the operator above it no more than what they buy together."""

    def __init__(self, market: Market, zone: int, lie: Lie | None) -> None:
        members = tuple(
            replace(community, zone=0) for community in market.communities if community.zone == zone
        )
        self.market: Final = Market(communities=members, heat_limits=(market.heat_limits[zone],))
        mine = lie is not None and lie.victim in [community.number for community in members]
        self.shown: Final = lie.prices(self.market) if lie is not None and mine else honest
        self.responses: Final = Responses(self.market)

    def wants(self, price: float) -> float:
        """Of the electricity, at a price, MWh."""
        return float(react(self.responses, self._seen(price)).bought.sum())

    def clear(self, price: float) -> Cleared:
        """What its members do in the end."""
        electricity = self._seen(price)
        reaction = react(self.responses, electricity)
        return Cleared(
            electricity_price=price,
            heat_prices=tuple(reaction.heat_prices.tolist()),
            cooling_prices=tuple(reaction.cooling_prices.tolist()),
            settings=settings_of(self.responses, reaction.inputs, electricity),
        )

    def _seen(self, price: float) -> Floats:
        return self.shown(np.full(len(self.market.communities), price))


def hierarchical(market: Market, lie: Lie | None = None) -> Ended:
    """Operators of zones below one that sees their totals; the victim's own may lie to it."""
    zones = [ZoneOperator(market, zone, lie) for zone in range(len(market.heat_limits))]
    asked = 0

    def wanted(price: float) -> float:
        nonlocal asked
        asked += 1
        return sum(zone.wants(price) for zone in zones)

    price = balancing_price(wanted)
    done = [zone.clear(price) for zone in zones]
    settings: dict[int, tuple[Settings, float]] = {}
    told: dict[int, float] = {}
    for zone, cleared in zip(zones, done, strict=True):
        numbers = [community.number for community in zone.market.communities]
        settings |= dict(
            zip(numbers, zip(cleared.settings, cleared.cooling_prices, strict=True), strict=True)
        )
        told |= _told(zone.market, zone.shown, price)
    order = [community.number for community in market.communities]
    return Ended(
        cleared=Cleared(
            electricity_price=price,
            heat_prices=tuple(cleared.heat_prices[0] for cleared in done),
            cooling_prices=tuple(settings[number][1] for number in order),
            settings=tuple(settings[number][0] for number in order),
        ),
        told={number: told[number] for number in order},
        asked=asked,
    )


def chain(market: Market, panel: Sequence[Announce] = (truly,) * DELEGATES) -> Chained:
    """Dual decomposition between communities with private data and delegates that agree on messages."""
    communities = [Private(community) for community in market.communities]
    trace = tuple(rounds(communities, market.heat_limits, panel))
    last = trace[-1]
    told = {one.number: believed(panel, one, last.told_to(one)) for one in communities}
    settled = [one.settle(told[one.number]) for one in communities]
    ended = Ended(
        cleared=Cleared(
            electricity_price=last.electricity,
            heat_prices=last.heat,
            cooling_prices=tuple(cooling for _, cooling in settled),
            settings=tuple(settings for settings, _ in settled),
        ),
        told={number: prices.electricity for number, prices in told.items()},
        asked=(len(trace) - 1) * len(communities),
    )
    heard = [{announce(one, last.told_to(one)) for announce in panel} for one in communities]
    return Chained(ended=ended, trace=trace, disputed=any(len(prices) > 1 for prices in heard))


def copied(lie: Lie) -> tuple[Announce, ...]:
    """The leader lies, and the others agree on its message, as its signature is right: what is published."""
    return (lie.announce,) * DELEGATES


def some(lie: Lie, count: int) -> tuple[Announce, ...]:
    """So many lie, and the others compute prices themselves."""
    return (lie.announce,) * count + (truly,) * (DELEGATES - count)


# -- Proof of Solution -------------------------------------------------------------------------------------------------

_LEADERS: Final = ("C", "F", "G")
PROOF_SCENES: Final = (
    Scene(
        name="leader",
        what="leader C proposes the manipulated answer to all",
        parts={"C": leads("D", "E", "F", "G")},
        convicts=frozenset("C"),
    ),
    Scene(
        name="three of five",
        what="leader C proposes it to all, and F and G vouch for it",
        parts={"C": leads("D", "E", "F", "G"), "F": vouches, "G": vouches},
        convicts=frozenset(_LEADERS),
    ),
)
"""A quorum is strictly more than two thirds: four of five. Three that lie cannot make a false answer final."""


def proven(market: Market, answer: Answer, manipulated: Answer, scene: Scene, *, seed: int) -> Outcome:
    """Delegates on the project's own consensus, each judging the certificate for itself."""
    wrong = manipulated.to_bytes()
    answers = Answers(proven=answer.to_bytes(), wrong=wrong, broken=wrong)
    case = Case(
        problem=tagged_hash("gridlight-experiment/trading/1", repr(market).encode()),
        judge=lambda raw: judge_bytes(market, raw).verdict,
    )
    return play(scene, case, answers, seed=seed)


def decided(outcome: Outcome) -> Answer | None:
    """What all honest delegates ended with; None where they have nothing, or not the same."""
    found = set(outcome.decided.values())
    raw = found.pop() if len(found) == 1 else None
    return None if raw is None else answer_from_bytes(raw)


def receipts_of(market: Market, chained: Chained) -> list[Receipt]:
    """What communities sign that show nobody their data: the prices they were told, and what they buy."""
    found = []
    for community in map(Private, market.communities):
        heat = chained.trace[-1].heat
        told = Prices(chained.ended.told[community.number], heat[community.zone])
        bought = community.answer(told)
        receipt = Receipt(
            public_key=b"",
            zone=community.zone,
            electricity_price=told.electricity,
            heat_prices=heat,
            electricity=bought.electricity,
            heat=bought.heat,
        )
        found.append(receipt.signed(secret_of(community.number)))
    return found


def members_of(market: Market) -> list[bytes]:
    """Public keys of all communities."""
    return [public_key_of(secret_of(community.number)) for community in market.communities]


def check_receipts(market: Market, chained: Chained) -> Verdict:
    """What every delegate makes of a market whose communities keep their data."""
    return check(receipts_of(market, chained), members_of(market), market.heat_limits)


def secret_of(number: int) -> bytes:
    """A community's key; made up, as everything here."""
    return tagged_hash("gridlight-experiment/community-key/1", number.to_bytes(4, "big"))


def _told(market: Market, shown: Callable[[Floats], Floats], price: float) -> dict[int, float]:
    seen = shown(np.full(len(market.communities), price)).tolist()
    return dict(zip((community.number for community in market.communities), seen, strict=True))
