"""Trading electricity and heat between communities: who believes the coordinator, and who checks its proof."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import fsum
from pathlib import Path
from time import perf_counter
from typing import Final

from matplotlib.figure import Figure

from light_client.rules.verdict import Rejected
from testbed.experiments.data import folder
from testbed.experiments.findings import Comparison, Findings, Options, Picture
from testbed.experiments.papers import POSO
from testbed.experiments.work import Work
from testbed.experiments.wuzhong.certificate import Answer, Judged, judge
from testbed.experiments.wuzhong.clearing import Cleared, Floats, Responses, clear
from testbed.experiments.wuzhong.decomposition import Round, rounds
from testbed.experiments.wuzhong.model import GAS_PRICE, Market, balance_of
from testbed.experiments.wuzhong.workbook import defect_corrected, read_market, read_results
from testbed.report.drawing import BLUE, GREEN, MUTED, VERMILION, Size

TITLE: Final = "Multi-energy trading: a manipulated price, believed or refused"
SUMMARY: Final = (
    "12 and 120 communities trade electricity and heat; every delegate evaluates the proof of optimality."
)
PAPER: Final = POSO
VICTIM, LIAR = 5, 1
SHOWN: Final = 0.4
"""Part of the price that the dishonest coordinator shows to its victim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One cleared market."""

    market: Market
    cleared: Cleared
    judged: Judged
    solve_s: float
    check_s: float

    @property
    def electricity(self) -> list[float]:
        """Bought by each community, MWh."""
        pairs = zip(self.market.communities, self.cleared.settings, strict=True)
        return [balance_of(community, settings).electricity for community, settings in pairs]


def steps(options: Options) -> int:
    """Clearings and the decomposition; the large market takes as long as the others together."""
    return 4 if options.quick else 5


def perform(options: Options, work: Work) -> Findings:
    """Clear, lie, check.

    Raises:
        DataUnavailableError: the published workbooks are not there.
        ScenarioFileError: they are not what they should be.
    """
    root = folder(options, "wuzhong", f"the workbooks published with {POSO!r}")
    market = defect_corrected(read_market(root / "12-parameters.xlsx"))
    honest = _case(work, "12 communities, honest", market)
    lied = _case(work, "12 communities, the price of one manipulated", market, partial(_shown, market))
    without = _case(work, "12 communities, the liar blacklisted", market.without(LIAR))
    private = "12 communities, dual decomposition with private data"
    trace = work.keep(private, list[Round], lambda: list(rounds(Responses(market))))
    large = None
    if not options.quick:
        many = defect_corrected(read_market(root / "120-parameters.xlsx"))
        large = _case(work, "120 communities, honest", many)
    believed = replace_price(honest, lied)
    return Findings(
        conclusions=_conclusions(honest, lied, believed),
        comparisons=tuple(_comparisons(root, honest, lied, without, trace, large)),
        document={
            "prices": {
                "honest": honest.cleared.electricity_price,
                "manipulated": lied.cleared.electricity_price,
                "blacklisted": without.cleared.electricity_price,
            },
            "check_s": honest.check_s,
            "solve_s": honest.solve_s,
            "schemes": _schemes(honest, lied),
        },
        pictures=(
            Picture(
                name="prices",
                finding="Without a proof a lie to one community moves everybody's price",
                caption="Electricity price by round of the dual decomposition, and where it settles for honest and "
                "manipulated coordination.",
                draw=partial(_draw_prices, trace, honest, lied),
            ),
            Picture(
                name="who-pays",
                finding="Who gains and who pays for the lie",
                caption="Cost of each community with the manipulated price less its cost with the true one.",
                draw=partial(_draw_damage, honest, lied),
            ),
        ),
        settings=(
            "data: 12 and 120 communities, one hour; plants of four communities in twelve corrected (defect D1)",
            f"the dishonest coordinator shows community {VICTIM} {SHOWN} of the price",
            "a delegate that compares the prices sent to communities sees the lie, too; here only the proof acts",
        ),
    )


def _shown(market: Market, price: Floats) -> Floats:
    seen = price.copy()
    seen[[community.number for community in market.communities].index(VICTIM)] *= SHOWN
    return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """What a coordinator found, and how long it took."""

    cleared: Cleared
    solve_s: float


def _clear(market: Market, shown: partial[Floats] | None) -> _Timed:
    began = perf_counter()
    cleared = clear(market) if shown is None else clear(market, shown)
    return _Timed(cleared=cleared, solve_s=perf_counter() - began)


def _case(work: Work, name: str, market: Market, shown: partial[Floats] | None = None) -> _Case:
    """One market, cleared (or taken from an earlier start) and, always anew, judged."""
    found = work.keep(name, _Timed, partial(_clear, market, shown))
    began = perf_counter()
    judged = judge(market, answer_of(found.cleared))
    return _Case(
        market=market,
        cleared=found.cleared,
        judged=judged,
        solve_s=found.solve_s,
        check_s=perf_counter() - began,
    )


def answer_of(cleared: Cleared) -> Answer:
    """What a coordinator publishes."""
    return Answer(
        settings=cleared.settings,
        electricity_price=cleared.electricity_price,
        heat_prices=cleared.heat_prices,
        cooling_prices=cleared.cooling_prices,
    )


def replace_price(honest: _Case, lied: _Case) -> Judged:
    """The manipulated answer with the honest prices as a forged proof."""
    forged = replace(answer_of(lied.cleared), electricity_price=honest.cleared.electricity_price)
    forged = replace(
        forged, heat_prices=honest.cleared.heat_prices, cooling_prices=honest.cleared.cooling_prices
    )
    return judge(lied.market, forged)


def _costs(case: _Case, *, shown: float = 1.0) -> list[float]:
    """What each community pays, at the prices that it is shown."""
    costs = []
    for community, settings in zip(case.market.communities, case.cleared.settings, strict=True):
        balance = balance_of(community, settings)
        price = case.cleared.electricity_price * (shown if community.number == VICTIM else 1.0)
        costs.append(
            GAS_PRICE * balance.gas
            + balance.plant_cost
            + price * balance.electricity
            + case.cleared.heat_prices[community.zone] * balance.heat
        )
    return costs


def _schemes(honest: _Case, lied: _Case) -> list[dict[str, object]]:
    """What becomes of the lie under each way to coordinate; honest delegates all make the same check."""
    believed, refused = lied.cleared.electricity_price, honest.cleared.electricity_price
    refuses = isinstance(judge(lied.market, answer_of(lied.cleared)).verdict, Rejected)
    return [
        {"scheme": "central operator, dishonest", "checks": "nobody", "price": believed},
        {"scheme": "hierarchy of operators, one dishonest", "checks": "nobody", "price": believed},
        {
            "scheme": "chain as coordinator, one delegate dishonest",
            "checks": "that messages agree",
            "price": believed,
        },
        {
            "scheme": "Proof of Solution, one delegate dishonest",
            "checks": "the proof, by every delegate",
            "honest_delegates_refuse_the_lie": refuses,
            "price": refused if refuses else believed,
        },
    ]


def _conclusions(honest: _Case, lied: _Case, forged: Judged) -> tuple[str, ...]:
    first = (
        f"Shown {SHOWN} of the price, community {VICTIM} sells {-lied.electricity[VICTIM - 1]:.1f} instead of "
        f"{-honest.electricity[VICTIM - 1]:.1f} MWh and everybody's price rises from "
        f"{honest.cleared.electricity_price:.2f} to {lied.cleared.electricity_price:.2f} CNY/MWh. Every delegate "
        f"refuses that answer: its own prices prove a bound {100 * lied.judged.gap:.1f} % below its cost, the honest "
        f"ones {100 * forged.gap:.1f} %; the honest answer's gap is {honest.judged.gap:.0e}."
    )
    second = (
        f"Checking takes {1_000 * honest.check_s:.1f} ms in plain Python, in closed form for every device, and needs "
        "nothing of the solver: no prices, however forged, make a worse answer pass."
    )
    third = (
        "This problem is easy to solve as well: proof of solution pays here as protection against whoever coordinates, "
        "not as work."
    )
    return first, second, third


def _comparisons(
    root: Path, honest: _Case, lied: _Case, without: _Case, trace: list[Round], large: _Case | None
) -> list[Comparison]:
    mwh, price = "MWh", "CNY/MWh"
    heat = honest.cleared.heat_prices
    damage = [late - early for late, early in zip(_costs(lied, shown=SHOWN), _costs(honest), strict=True)]
    rows = [
        _near("12: electricity price", price, 639.88, honest.cleared.electricity_price, 0.1, paper=639.9),
        *(
            _near(f"12: heat price of zone {zone + 1}", price, exact, heat[zone], 0.01)
            for zone, exact in enumerate((204.434, 176.397, 190.949))
        ),
        _near(
            f"12: sold by community {VICTIM}", mwh, 713.06, -honest.electricity[VICTIM - 1], 0.2, paper=713.2
        ),
        _near("12: cost of the system", "CNY", 1_688_615.97, honest.judged.cost, 1.0),
        _near("12: manipulated price", price, 731.007, lied.cleared.electricity_price, 0.1, paper=731.0),
        _near(
            f"12: price that community {VICTIM} sees",
            price,
            292.40,
            SHOWN * lied.cleared.electricity_price,
            0.05,
            paper=292.4,
        ),
        _near(
            f"12: sold by community {VICTIM}, manipulated",
            mwh,
            336.7,
            -lied.electricity[VICTIM - 1],
            3.4,
            paper=334.8,
            note="the published run had not converged",
        ),
        _near(
            "12: price without the liar", price, 668.05, without.cleared.electricity_price, 0.3, paper=667.79
        ),
        _near("12: gain of communities 1 and 6 by the lie", "CNY", 86_381, -(damage[0] + damage[5]), 200),
        _near(f"12: loss of community {VICTIM} by the lie", "CNY", 203_512, damage[VICTIM - 1], 400),
        _near("12: resources wasted by the lie", "CNY", 97_418, lied.judged.cost - honest.judged.cost, 100),
        Comparison(
            what="12: rounds of the dual decomposition",
            unit="rounds",
            paper=124,
            ours=len(trace),
            low=1,
            high=150,
            note="published steps differ, so limits are compared and never traces",
        ),
        _near(
            "12: price that the decomposition ends with",
            price,
            honest.cleared.electricity_price,
            trace[-1].electricity,
            0.1,
        ),
        Comparison(
            what="12: relative gap of the honest answer",
            unit="of its cost",
            ours=honest.judged.gap,
            low=-1e-9,
            high=1e-6,
        ),
        Comparison(
            what="12: relative gap of the manipulated answer",
            unit="of its cost",
            ours=lied.judged.gap,
            low=0.01,
            high=1.0,
            note="refused",
        ),
        _worst_gas(root, honest),
    ]
    if large is not None:
        at_limit = sum(abs(value - 206.1) < 1e-6 for value in large.cleared.heat_prices)
        rows += [
            _near(
                "120: electricity price", price, 637.20, large.cleared.electricity_price, 0.3, paper=636.98
            ),
            _near("120: zones whose own heat plant sets the price", "zones", 10, at_limit, 0),
            _near("120: cost of the system", "CNY", 17_454_605.98, large.judged.cost, 17_000),
        ]
    return rows


def _worst_gas(root: Path, honest: _Case) -> Comparison:
    """Our optimum against the recorded purchases, which stopped short of convergence."""
    recorded = read_results(root / "12-results.xlsx")[0]
    worst = max(
        abs(balance_of(community, settings).gas - row[0])
        for community, settings, row in zip(
            honest.market.communities, honest.cleared.settings, recorded, strict=True
        )
    )
    return Comparison(
        what="12: gas purchase, largest difference from the recorded run",
        unit="MWh",
        corrected=1.53,
        ours=worst,
        low=0,
        high=1.6,
        note="the recorded run had not converged",
    )


def _near(
    what: str,
    unit: str,
    expected: float,
    ours: float,
    slack: float,
    *,
    paper: float | None = None,
    note: str = "",
) -> Comparison:
    return Comparison(
        what=what,
        unit=unit,
        paper=paper,
        corrected=round(expected, 3),
        ours=ours,
        low=expected - slack,
        high=expected + slack,
        note=note,
    )


def _draw_prices(trace: list[Round], honest: _Case, lied: _Case, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    axes.plot(
        range(1, len(trace) + 1),
        [item.electricity for item in trace],
        color=MUTED,
        label="dual decomposition",
    )
    for value, colour, label in (
        (honest.cleared.electricity_price, GREEN, "honest, proven"),
        (lied.cleared.electricity_price, VERMILION, "manipulated, believed"),
        (SHOWN * lied.cleared.electricity_price, BLUE, f"what community {VICTIM} is shown"),
    ):
        axes.axhline(value, color=colour, linestyle="--", label=f"{label}: {value:.1f}")
    axes.set_xlabel("round")
    axes.set_ylabel("electricity, CNY/MWh")
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 4)


def _draw_damage(honest: _Case, lied: _Case, figure: Figure, size: Size) -> None:
    del size
    axes = figure.subplots()
    damage = [
        (late - early) / 1_000 for late, early in zip(_costs(lied, shown=SHOWN), _costs(honest), strict=True)
    ]
    names = [str(community.number) for community in honest.market.communities]
    axes.bar(names, damage, color=[VERMILION if value > 0 else GREEN for value in damage])
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel(f"community; in total {fsum(damage):,.0f} thousand CNY")
    axes.set_ylabel("paid more, thousand CNY")
