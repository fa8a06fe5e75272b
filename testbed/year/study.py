"""The value of bidding: the same homes under several settings, against the grid alone and against the bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Final

from firmware_app.bidding.settings import BiddingSettings, PrivacySettings, Strategy
from firmware_app.reconcile.deviation import ImbalancePrices
from light_client.rules.units import JOULES_PER_KWH
from testbed.year.bounds import best_income_uc
from testbed.year.homes import Foresight, PerfectForesight, SeasonalNaive, Village
from testbed.year.learnt import Learnt
from testbed.year.run import Terms, YearResult, trade_year

FEED_IN_UC_PER_KWH: Final = 450_000
RETAIL_UC_PER_KWH: Final = 670_000
"""Source: the control of the published two-stage auction, "surplus to the grid" at 0.45 and 0.67."""
CHANCES: Final = (300, 400, 500, 600, 700)
"""How sure a home wants to be, per mille: the risk settings that are compared."""


def tariff_terms(*, warm_up_days: int = 7, seed: int = 1) -> Terms:
    """The terms of the study: the published tariffs, and the grid's price of a deviation is the tariff too."""
    return Terms(
        bidding=BiddingSettings(feed_in_uc_per_kwh=FEED_IN_UC_PER_KWH, retail_uc_per_kwh=RETAIL_UC_PER_KWH),
        privacy=PrivacySettings(),
        imbalance=ImbalancePrices(
            shortage_uc_per_kwh=RETAIL_UC_PER_KWH, surplus_uc_per_kwh=FEED_IN_UC_PER_KWH
        ),
        warm_up_days=warm_up_days,
        seed=seed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way of bidding and what it brought."""

    name: str
    words: str
    """What it is, for people."""
    chance_permille: int | None
    """Its place on the curve of risk, where it has one."""
    gain_uc: int
    """Income of all homes above that with the grid alone, micro-currency."""
    home_gains_uc: tuple[int, ...]
    daily_gain_uc: tuple[int, ...]
    """Summed up since the end of the warm-up, day by day."""
    traded_j: int
    shortage_j: int
    surplus_j: int
    offers: int

    def document(self) -> dict[str, object]:
        """For programs."""
        return {
            "name": self.name,
            "words": self.words,
            "gain_uc": self.gain_uc,
            "home_gains_uc": list(self.home_gains_uc),
            "traded_j": self.traded_j,
            "drawn_beside_the_market_j": self.shortage_j,
            "fed_in_beside_the_market_j": self.surplus_j,
            "offers": self.offers,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueStudy:
    """All variants of one village."""

    days: int
    homes: tuple[str, ...]
    battery_wh: int
    grid: YearResult
    """Nobody trades; batteries serve their homes."""
    bound_uc: int
    """Most gain that any trading could bring, micro-currency."""
    variants: tuple[Variant, ...]

    def share_of_bound(self, variant: Variant) -> float:
        """Gain against the bound."""
        return variant.gain_uc / self.bound_uc if self.bound_uc else 0.0

    def named(self, name: str) -> Variant:
        """A variant."""
        return next(one for one in self.variants if one.name == name)


Cases = list[tuple[str, str, int | None, Foresight, Terms]]


def cases_of(village: Village, terms: Terms) -> Cases:
    """Name, words, chance, foresight and terms of every variant."""
    learnt, truth = Learnt(village), PerfectForesight(village)

    def bidding(**changes: object) -> Terms:
        return replace(terms, bidding=replace(terms.bidding, **changes))  # type: ignore[arg-type]

    cases: Cases = [
        (
            f"chance-{chance}",
            f"sells and buys what is {chance // 10} % sure",
            chance,
            learnt,
            bidding(sell_chance_permille=chance, buy_chance_permille=chance),
        )
        for chance in CHANCES
    ]
    exact = replace(terms, privacy=replace(terms.privacy, lot_wh=1, lot_units=(), spread_intervals=1))
    adaptive = bidding(strategy=Strategy.ADAPTIVE)
    alone = Learnt(village, at_roof=False)
    return [
        *cases,
        ("adaptive", "even odds, prices follow own fills", None, learnt, adaptive),
        ("one-meter", "even odds, learnt from the grid meter alone", 500, alone, terms),
        ("naive", "even odds, the same hour of the last four weeks", 500, SeasonalNaive(village), terms),
        ("exact", "even odds, offers of any size, posted late", 500, learnt, exact),
        ("foresight", "knows load and sun beforehand", None, truth, exact),
    ]


def study_value(
    village: Village, terms: Terms, cases: Cases, on_day: Callable[[str, int], None] = lambda *_: None
) -> ValueStudy:
    """Run every variant.

    Args:
        cases: see `cases_of`.
        on_day: told the variant and the day that is over.
    """
    grid = trade_year(village, None, terms, partial(on_day, "grid"))
    first_place = grid.first_interval - village.first_interval
    best = best_income_uc(village, first_place, grid.stored_j, terms.imbalance)
    variants = []
    for name, words, chance, foresight, of_variant in cases:
        result = trade_year(village, foresight, of_variant, partial(on_day, name))
        variants.append(_variant(name, words, chance, grid, result))
    battery = village.homes[0].battery
    return ValueStudy(
        days=village.intervals * village.interval_s // 86_400,
        homes=tuple(home.name for home in village.homes),
        battery_wh=0 if battery is None else battery.capacity_wh,
        grid=grid,
        bound_uc=best - grid.total_uc,
        variants=tuple(variants),
    )


def _variant(name: str, words: str, chance: int | None, grid: YearResult, result: YearResult) -> Variant:
    gains = tuple(result.income_uc(home) - grid.income_uc(home) for home in range(len(result.settlements)))
    daily = [ours - theirs for ours, theirs in zip(_per_day(result), _per_day(grid), strict=True)]
    return Variant(
        name=name,
        words=words,
        chance_permille=chance,
        gain_uc=sum(gains),
        home_gains_uc=gains,
        daily_gain_uc=tuple(accumulate(daily)),
        traded_j=result.traded_j,
        shortage_j=result.shortage_j,
        surplus_j=result.surplus_j,
        offers=len(result.orders),
    )


def _per_day(result: YearResult) -> list[int]:
    """Income of all homes per day, micro-currency."""
    per_day = 86_400 // result.village.interval_s
    sums: dict[int, int] = {}
    for books in result.settlements:
        for one in books.deviations:
            day = (one.interval - result.first_interval) // per_day
            sums[day] = sums.get(day, 0) + one.received_uc - (one.owed_uc or 0)
    return [sums[day] for day in sorted(sums)]


def lines_of(study: ValueStudy) -> list[str]:
    """The study as people read it on a terminal."""
    battery = f"a battery of {study.battery_wh / 1_000:g} kWh each" if study.battery_wh else "no batteries"
    grid = study.grid
    tariffs = f"feed-in {FEED_IN_UC_PER_KWH / 1e6:g}, retail {RETAIL_UC_PER_KWH / 1e6:g} per kWh"
    drawn, fed_in = _kwh(grid.shortage_j), _kwh(grid.surplus_j)
    lines = [
        f"{len(study.homes)} measured homes, {study.days} days by the hour, {battery}; {tariffs}",
        f"  with the grid alone: {drawn} kWh drawn, {fed_in} kWh fed in, {-grid.total_uc / 1e6:,.0f} paid",
        f"  most that any trade could gain: {study.bound_uc / 1e6:,.1f}",
        "",
        f"  {'':10} {'gain':>8} {'of bound':>9} {'traded kWh':>11} {'offers':>8}",
    ]
    lines += [
        f"  {one.name:10} {one.gain_uc / 1e6:8,.1f} {100 * study.share_of_bound(one):8.1f}% "
        f"{_kwh(one.traded_j):>11} {one.offers:8,}  {one.words}"
        for one in study.variants
    ]
    return lines


def _kwh(energy_j: int) -> str:
    return f"{energy_j / JOULES_PER_KWH:,.0f}"
