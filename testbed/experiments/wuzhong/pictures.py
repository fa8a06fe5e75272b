"""Plots of the trading experiment."""

from __future__ import annotations

from functools import partial
from math import fsum
from typing import Final

from matplotlib.figure import Figure

from testbed.experiments.findings import Picture
from testbed.experiments.wuzhong.endings import Ending, Endings
from testbed.report.drawing import BLUE, GREEN, MUTED, VERMILION, Size

_THOUSAND: Final = 1_000


def pictures(ends: Endings) -> tuple[Picture, ...]:
    """All of them."""
    return (
        Picture(
            name="prices",
            finding="Without a proof a lie to one community moves everybody's price",
            caption="Electricity price by round of the dual decomposition, and where it settles for honest and "
            "manipulated coordination.",
            draw=partial(_draw_prices, ends),
        ),
        Picture(
            name="schemes",
            finding="Who checks nothing but messages believes the leader; who checks the proof does not",
            caption="Each scheme run by itself, with its liar: the price that everybody is charged, and what the "
            f"lie costs community {ends.victim}.",
            draw=partial(_draw_schemes, ends),
        ),
        Picture(
            name="who-pays",
            finding="Who gains and who pays for the lie",
            caption="Cost of each community with the manipulated price less its cost with the true one.",
            draw=partial(_draw_damage, ends),
        ),
    )


def _draw_prices(ends: Endings, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    prices = [item.electricity for item in ends.chained.trace]
    axes.plot(range(len(prices)), prices, color=MUTED, label="dual decomposition")
    manipulated = ends.lied.cleared.electricity_price
    for value, colour, label in (
        (ends.honest.cleared.electricity_price, GREEN, "honest, proven"),
        (manipulated, VERMILION, "manipulated, believed"),
        (ends.lied.told[ends.victim], BLUE, f"what community {ends.victim} is shown"),
    ):
        axes.axhline(value, color=colour, linestyle="--", label=f"{label}: {value:.1f}")
    axes.set_xlim(0, len(prices))
    axes.set_xlabel("round")
    axes.set_ylabel("electricity, CNY/MWh")
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 2)


def _draw_schemes(ends: Endings, figure: Figure, size: Size) -> None:
    del size
    price, loss = figure.subplots(1, 2, sharey=True)
    rows = [row for row in ends.rows if row.dishonest != "nobody"][::-1]
    colours = [VERMILION if row.believed_lie else GREEN for row in rows]
    place = list(ends.honest.told).index(ends.victim)
    bars = price.barh(
        range(len(rows)), [row.ended.cleared.electricity_price for row in rows], color=colours, height=0.6
    )
    price.bar_label(bars, [f"{row.ended.cleared.electricity_price:.1f}" for row in rows], padding=2)
    price.set_xlim(0, 900)
    price.set_xlabel("price, CNY/MWh")
    losses = [max(0.0, ends.damage(row)[place] / _THOUSAND) for row in rows]
    bars = loss.barh(range(len(rows)), losses, color=colours, height=0.6)
    loss.bar_label(bars, [f"{value:,.0f}" for value in losses], padding=2)
    loss.set_xlim(0, 1.25 * max(*losses, 1.0))
    loss.set_xlabel(f"community {ends.victim} loses, thousand CNY")
    price.set_yticks(range(len(rows)), [_name(row) for row in rows])
    for axes in (price, loss):
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False)


def _name(row: Ending) -> str:
    return f"{row.scheme}:\n{row.dishonest}"


def _draw_damage(ends: Endings, figure: Figure, size: Size) -> None:
    del size
    axes = figure.subplots()
    lied = next(row for row in ends.rows if row.ended is ends.lied)
    damage = [value / _THOUSAND for value in ends.damage(lied)]
    names = [str(number) for number in ends.honest.told]
    axes.bar(names, damage, color=[VERMILION if value > 0 else GREEN for value in damage])
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel(f"community; in total {fsum(damage):,.0f} thousand CNY")
    axes.set_ylabel("paid more, thousand CNY")
