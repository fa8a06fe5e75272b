"""The two-stage double auction over a year of real homes: what sellers and buyers gain over the grid's tariffs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from testbed.experiments.auction_days import Bids, DayGain, Days, Reaction
from testbed.experiments.findings import Comparison, Findings, Options, Picture
from testbed.experiments.papers import AUCTION_DPOS
from testbed.experiments.work import Work
from testbed.report.drawing import BLUE, GREEN, INK, MUTED, PURPLE, VERMILION, Size
from testbed.scenarios.citylearn import DAYS, REQUIREMENT, fetch_wheel, read_homes

TITLE: Final = "Two-stage double auction: what sellers and buyers gain"
SUMMARY: Final = "Gains against feed-in 0.45 and retail 0.67 over a year of real homes, under each reading."
PAPER: Final = AUCTION_DPOS
_READINGS: Final = (
    (Bids.TRUTHFUL, Reaction.NONE),
    (Bids.TRIANGULAR, Reaction.NONE),
    (Bids.TRIANGULAR, Reaction.ACCEPT),
    (Bids.UNIFORM, Reaction.NONE),
    (Bids.UNIFORM, Reaction.HALF_WAY),
    (Bids.UNIFORM, Reaction.ACCEPT),
)
_PAPER_SELLER, _PAPER_BUYER = 16.7, 7.6
_COLOURS: Final = (INK, VERMILION, BLUE, MUTED, GREEN, PURPLE)


def steps(options: Options) -> int:
    """One for each reading."""
    del options
    return len(_READINGS)


def perform(options: Options, work: Work) -> Findings:
    """Clear every hour of every day under every reading.

    Raises:
        DataUnavailableError: the measured homes are neither at hand nor to be had.
    """
    homes = read_homes(fetch_wheel())
    days = range(0, DAYS, 13 if options.quick else 1)
    market = Days(homes, seed=options.seed)
    found: dict[str, list[DayGain]] = {}
    for bids, reaction in _READINGS:
        name = f"{bids.value} bids, {reaction.value}"
        gains = partial(_gains, market, days, bids, reaction)
        found[name] = work.keep(name, list[DayGain], gains)
    return Findings(
        conclusions=_conclusions(found),
        comparisons=tuple(_comparisons(found)),
        document={"days": len(days), "readings": {name: _facts(gains) for name, gains in found.items()}},
        pictures=(
            Picture(
                name="gains",
                finding="The published gains are those of one kind of day",
                caption=f"Gain of each of {len(days)} days, one community of 4 sellers and 3 buyers a day; ordered. "
                "Dashed: the published gains.",
                draw=partial(_draw_gains, found),
            ),
            Picture(
                name="identity",
                finding="How much sun there is for a load decides, not the auction",
                caption="Each point is a day with truthful bids: gains against generation per load.",
                draw=partial(_draw_identity, found),
            ),
            Picture(
                name="stages",
                finding="The second stage matters only if whoever is left over follows the broadcast price",
                caption="Locally traded energy of the year by stage, for each reading.",
                draw=partial(_draw_stages, found),
            ),
        ),
        settings=(
            f"{REQUIREMENT}: ten measured homes, {len(days)} days by the hour; seed {options.seed}",
            "each day 4 homes sell what their modules give and 3 others buy what they use; no limits",
            "leftovers settle with the grid: feed-in 0.45, retail 0.67 per kWh",
        ),
    )


def _gains(market: Days, days: Sequence[int], bids: Bids, reaction: Reaction) -> list[DayGain]:
    return [market.day(day, bids, reaction) for day in days]


def _facts(gains: Sequence[DayGain]) -> dict[str, Any]:
    seller, buyer = ([getattr(gain, side) for gain in gains] for side in ("seller_percent", "buyer_percent"))
    traded = sum(gain.first_stage_j + gain.second_stage_j for gain in gains)
    return {
        "seller_percent": {"p10": _at(seller, 10), "median": median(seller), "p90": _at(seller, 90)},
        "buyer_percent": {"p10": _at(buyer, 10), "median": median(buyer), "p90": _at(buyer, 90)},
        "second_stage_percent": 100 * sum(gain.second_stage_j for gain in gains) / traded if traded else 0.0,
    }


def _at(values: Sequence[float], percent: int) -> float:
    return float(np.percentile(values, percent))


def _conclusions(found: dict[str, list[DayGain]]) -> tuple[str, ...]:
    truthful = _facts(found["truthful bids, nobody moves"])
    accept = _facts(found["uniform bids, leftovers accept the average"])
    half = _facts(found["uniform bids, leftovers move half-way"])
    seller, buyer = truthful["seller_percent"], truthful["buyer_percent"]
    first = (
        f"With truthful bids sellers gain {seller['median']:.1f} % (10 % to 90 % of days: {seller['p10']:.1f} to "
        f"{seller['p90']:.1f} %) and buyers save {buyer['median']:.1f} % ({buyer['p10']:.1f} to {buyer['p90']:.1f} %); "
        f"the published {_PAPER_SELLER} % and {_PAPER_BUYER} % are those of a day with little sun for its load."
    )
    second = (
        "The joint gain is (0.67 - 0.45) for each locally traded kWh, whatever the prices: on every day, to the last "
        "unit of money."
    )
    third = (
        f"Of all traded energy the second stage brings {accept['second_stage_percent']:.0f} % if leftovers accept the "
        f"broadcast average, {half['second_stage_percent']:.0f} % if they move half-way, and nothing if nobody moves."
    )
    return first, second, third


def _comparisons(found: dict[str, list[DayGain]]) -> list[Comparison]:
    rows = []
    truthful = found["truthful bids, nobody moves"]
    facts = _facts(truthful)
    for side, paper, corrected, low, high in (
        ("seller", _PAPER_SELLER, 12.1, 9.0, 15.0),
        ("buyer", _PAPER_BUYER, 7.2, 5.5, 9.0),
    ):
        rows.append(
            Comparison(
                what=f"truthful bids, median gain of the {side}s",
                unit="%",
                paper=paper,
                corrected=corrected,
                ours=facts[f"{side}_percent"]["median"],
                low=low,
                high=high,
                note="published for one day; corrected for random days of the same homes",
            )
        )
    close = min(
        truthful,
        key=lambda gain: abs(gain.seller_percent - _PAPER_SELLER) + abs(gain.buyer_percent - _PAPER_BUYER),
    )
    for side, paper, ours in (
        ("seller", _PAPER_SELLER, close.seller_percent),
        ("buyer", _PAPER_BUYER, close.buyer_percent),
    ):
        rows.append(
            Comparison(
                what=f"the day nearest to the published pair, gain of the {side}s",
                unit="%",
                paper=paper,
                ours=ours,
                low=paper - 1.5,
                high=paper + 1.5,
                note="such days exist",
            )
        )
    worst = max(abs(gain.identity_error_uc) for gains in found.values() for gain in gains)
    rows.append(
        Comparison(
            what="joint gain less 0.22 per traded kWh, worst day",
            unit="micro-currency",
            corrected=0,
            ours=worst,
            low=0,
            high=24,
            note="an hour's money is rounded to whole micro-currency once",
        )
    )
    for name, corrected, low, high in (
        ("uniform bids, leftovers accept the average", 33, 25, 41),
        ("uniform bids, leftovers move half-way", 6, 1, 12),
        ("uniform bids, nobody moves", 0, 0, 0),
        ("triangular bids, leftovers accept the average", 12, 6, 20),
    ):
        rows.append(
            Comparison(
                what=f"{name}: energy of the second stage",
                unit="% of the traded energy",
                corrected=corrected,
                ours=_facts(found[name])["second_stage_percent"],
                low=low,
                high=high,
            )
        )
    return rows


def _draw_gains(found: dict[str, list[DayGain]], figure: Figure, size: Size) -> None:
    axes = figure.subplots(1, 2)
    for (name, gains), colour in zip(found.items(), _COLOURS, strict=True):
        for place, side in zip(axes, ("seller_percent", "buyer_percent"), strict=True):
            values = sorted(getattr(gain, side) for gain in gains)
            shares = [(number + 1) / len(values) for number in range(len(values))]
            place.plot(values, shares, color=colour, label=name if place is axes[0] else None)
    for place, paper, word in zip(
        axes, (_PAPER_SELLER, _PAPER_BUYER), ("sellers earn more, %", "buyers pay less, %"), strict=True
    ):
        place.axvline(paper, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
        place.set_xlabel(word)
        place.set_ylim(0, 1)
        place.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes[0].set_ylabel("share of days")
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 2, handlelength=1.6)


def _draw_identity(found: dict[str, list[DayGain]], figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    gains = found["truthful bids, nobody moves"]
    ratio = [gain.generation_per_load for gain in gains]
    axes.scatter(ratio, [gain.seller_percent for gain in gains], s=9, color=BLUE, label="sellers earn more")
    axes.scatter(ratio, [gain.buyer_percent for gain in gains], s=9, color=VERMILION, label="buyers pay less")
    for paper, colour in ((_PAPER_SELLER, BLUE), (_PAPER_BUYER, VERMILION)):
        axes.axhline(paper, color=colour, linestyle=(0, (4, 3)), linewidth=1)
    axes.set_xlabel("generation per load of the day")
    axes.set_ylabel("%")
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 2)


def _draw_stages(found: dict[str, list[DayGain]], figure: Figure, size: Size) -> None:
    del size
    axes = figure.subplots()
    names = list(found)[::-1]
    stages = [
        [sum(getattr(gain, stage) for gain in found[name]) / 3.6e9 for name in names]
        for stage in ("first_stage_j", "second_stage_j")
    ]
    axes.barh(names, stages[0], color=BLUE, label="first stage")
    axes.barh(names, stages[1], left=stages[0], color=VERMILION, label="second stage")
    axes.set_xlim(0, 1.05 * max(map(sum, zip(*stages, strict=True))))
    axes.set_xlabel("MWh traded in the year")
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper left", ncols=2)
