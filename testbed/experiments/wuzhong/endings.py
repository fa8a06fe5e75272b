"""What each scheme of coordination ends with: prices, volumes, who pays for the lie, and who notices it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import fsum
from typing import Final

from light_client.rules.verdict import Rejected
from testbed.experiments.findings import ExperimentError, Table
from testbed.experiments.work import Work
from testbed.experiments.wuzhong.model import GAS_PRICE, GRID_PRICE, HEAT_PRICE, Market, balance_of
from testbed.experiments.wuzhong.schemes import (
    PROOF_SCENES,
    Chained,
    Ended,
    Lie,
    centralised,
    chain,
    check_receipts,
    copied,
    decided,
    hierarchical,
    proven,
    some,
)

STEPS: Final = 8
"""Runs that are kept, and so announced."""
_NOBODY: Final = "nobody"
_OUTVOTED: Final = "the victim and all delegates: one is outvoted"
_DISPUTED: Final = "the victim and all delegates: prices disagree, most decide"
_MESSAGES: Final = "that messages agree"
_COLUMNS: Final = (
    "scheme",
    "dishonest",
    "checked",
    "price, CNY/MWh",
    "the victim is told",
    "and sells, MWh",
    "it loses, CNY",
    "liar keeps, CNY",
    "wasted, CNY",
    "who notices",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One scheme, run once.

    Attributes:
        scheme: its name.
        dishonest: who lies.
        checked: what anybody but the coordinator checks.
        noticed: who finds out, and what comes of it.
        ended: prices and volumes.
        bought: electricity of each community, MWh, below 0 where it sells.
        costs: of each community, at what it was told, CNY.
        kept: paid by communities and passed on to nobody, CNY.
        resources: gas, plants and purchases from outside, CNY.
    """

    scheme: str
    dishonest: str
    checked: str
    noticed: str
    ended: Ended
    bought: tuple[float, ...]
    costs: tuple[float, ...]
    kept: float
    resources: float

    @property
    def believed_lie(self) -> bool:
        """Whether communities ended with different prices."""
        return len(set(self.ended.told.values())) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """All of them, in the order of the schemes; the first one is the honest centralised one."""

    victim: int
    honest: Ended
    lied: Ended
    chained: Chained
    rows: tuple[Ending, ...]

    def damage(self, row: Ending) -> list[float]:
        """What each community pays more than with an honest operator, CNY."""
        return [late - early for late, early in zip(row.costs, self.rows[0].costs, strict=True)]

    def table(self) -> Table:
        """For the page."""
        return Table(
            finding="The four schemes, each run by itself",
            columns=_COLUMNS,
            rows=tuple(self._line(row) for row in self.rows),
        )

    def _line(self, row: Ending) -> tuple[str, ...]:
        place = list(row.ended.told).index(self.victim)
        return (
            row.scheme,
            row.dishonest,
            row.checked,
            f"{row.ended.cleared.electricity_price:.2f}",
            f"{row.ended.told[self.victim]:.2f}",
            f"{-row.bought[place]:.1f}",
            f"{_plain(self.damage(row)[place]):,.0f}",
            f"{_plain(row.kept):,.0f}",
            f"{_plain(row.resources - self.rows[0].resources):,.0f}",
            row.noticed,
        )


def _plain(value: float) -> float:
    """Without the remainder of rounds that stop short of the limit: to whole hundreds."""
    return round(value, -2) + 0.0


def run_all(market: Market, lie: Lie, work: Work, *, seed: int) -> Endings:
    """Run each scheme, honestly and with a liar."""

    def keep(name: str, run: Callable[[], Ended]) -> Ended:
        return work.keep(name, Ended, run)

    def keep_chain(name: str, run: Callable[[], Chained]) -> Chained:
        return work.keep(name, Chained, run)

    honest = keep("centralised, honest", partial(centralised, market))
    lied = keep("centralised, its operator lies", partial(centralised, market, lie))
    layered = keep("hierarchical, honest", partial(hierarchical, market))
    layered_lie = keep("hierarchical, a zone's operator lies", partial(hierarchical, market, lie))
    chained = keep_chain("chain, honest", partial(chain, market))
    relayed = keep_chain("chain, the leader's lie is relayed", partial(chain, market, copied(lie)))
    alone = keep_chain("chain, one of five lies", partial(chain, market, some(lie, 1)))
    most = keep_chain("chain, three of five lie", partial(chain, market, some(lie, 3)))
    end = partial(_ending, market)
    rows = (
        end("centralised", _NOBODY, "nothing", honest),
        end("centralised", "the operator", "nothing", lied),
        end("hierarchical", _NOBODY, "nothing", layered),
        end("hierarchical", "the operator of the victim's zone", "nothing", layered_lie),
        end("chain as coordinator", _NOBODY, _MESSAGES, chained.ended),
        end("chain as coordinator", "the leader; others relay", _MESSAGES, relayed.ended),
        end("chain as coordinator", "1 of 5, each computes prices", _MESSAGES, alone.ended),
        end(
            "chain as coordinator",
            "3 of 5, together",
            _MESSAGES,
            most.ended,
            believed=_DISPUTED if most.disputed else _NOBODY,
        ),
        *_proofs(market, honest, lied, seed),
        _private(market, chained, relayed),
    )
    return Endings(victim=lie.victim, honest=honest, lied=lied, chained=chained, rows=rows)


def _proofs(market: Market, honest: Ended, lied: Ended, seed: int) -> list[Ending]:
    """Five delegates that judge the certificate; what they decide is what is carried out."""
    rows = []
    for scene, who in zip(PROOF_SCENES, ("the leader", "3 of 5, together"), strict=True):
        outcome = proven(market, honest.answer(), lied.answer(), scene, seed=seed)
        answer = decided(outcome)
        if answer is None:
            raise ExperimentError(f"{scene.what}: the honest delegates end with no one answer")
        believed = answer.to_bytes() == lied.answer().to_bytes()
        accused = " and ".join(sorted(outcome.convicted)) or _NOBODY
        noticed = f"every honest delegate; convicted: {accused}; round {outcome.rounds} decides"
        final = lied if believed else honest
        rows.append(
            _ending(
                market,
                "Proof of Solution",
                who,
                "the proof, by every delegate",
                final,
                noticed,
            )
        )
    return rows


def _private(market: Market, chained: Chained, relayed: Chained) -> Ending:
    """Delegates that see no data, and compare what communities signed that they were told."""
    verdict = check_receipts(market, relayed)
    return _ending(
        market,
        "Proof of Solution, private data",
        "the leader",
        "signed receipts of the prices told",
        chained.ended if isinstance(verdict, Rejected) else relayed.ended,
        f"every delegate: {verdict.rule}" if isinstance(verdict, Rejected) else "",
    )


def _ending(
    market: Market,
    scheme: str,
    dishonest: str,
    checked: str,
    ended: Ended,
    noticed: str = _OUTVOTED,
    *,
    believed: str = _NOBODY,
) -> Ending:
    """What a run came to.

    Args:
        noticed: who notices, if the lie was not believed.
        believed: who does nevertheless, if it was.
    """
    deceived = len(set(ended.told.values())) > 1
    if dishonest == _NOBODY:
        noticed = "-"
    balances = [
        balance_of(community, settings)
        for community, settings in zip(market.communities, ended.cleared.settings, strict=True)
    ]
    heat_prices = ended.cleared.heat_prices
    paid = [
        ended.told[community.number] * balance.electricity + heat_prices[community.zone] * balance.heat
        for community, balance in zip(market.communities, balances, strict=True)
    ]
    own = [GAS_PRICE * balance.gas + balance.plant_cost for balance in balances]
    heats = [0.0] * len(heat_prices)
    for community, balance in zip(market.communities, balances, strict=True):
        heats[community.zone] += balance.heat
    outside = GRID_PRICE * max(0.0, fsum(balance.electricity for balance in balances))
    outside += HEAT_PRICE * fsum(max(0.0, heat) for heat in heats)
    return Ending(
        scheme=scheme,
        dishonest=dishonest,
        checked=checked,
        noticed=believed if deceived else noticed,
        ended=ended,
        bought=tuple(balance.electricity for balance in balances),
        costs=tuple(used + bill for used, bill in zip(own, paid, strict=True)),
        kept=fsum(paid) - outside,
        resources=fsum(own) + outside,
    )
