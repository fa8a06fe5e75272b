"""How well the addresses of homes can be linked, by whom, and what hiding them costs."""

from __future__ import annotations

from functools import partial
from typing import Final

from matplotlib.figure import Figure

from testbed.experiments.findings import Comparison, Findings, Options, Picture
from testbed.experiments.work import Work
from testbed.privacy.ladder import RUNGS, Ladder, climb
from testbed.privacy.views import BLIND, COLLUDING, MINER, NOBODY_KNOWN, ONE_DAY, VIEWS, WEEKS
from testbed.report.drawing import BLUE, GREEN, INK, MUTED, PURPLE, VERMILION, Size
from testbed.scenarios.citylearn import REQUIREMENT, fetch_wheel, read_homes
from testbed.year.homes import village_of
from testbed.year.study import tariff_terms

TITLE: Final = "Privacy: how well addresses are linked, and what hiding costs"
SUMMARY: Final = (
    "Linking advantage, effective set and worst case by adversary, against energy lost, for each setting."
)
PAPER: Final = "no paper: the platform paper promises anonymity by fresh addresses and does not measure it"
_DAYS, _QUICK_DAYS = 63, 15
_SHIPPED, _CARELESS, _FRESH = "as shipped", "careless", "fresh keys"
_LOOKS: Final = (
    (NOBODY_KNOWN, MUTED, "v"),
    (ONE_DAY, GREEN, "s"),
    (MINER, PURPLE, "D"),
    (COLLUDING, BLUE, "^"),
    (WEEKS, VERMILION, "o"),
)


def steps(options: Options) -> int:
    """The grid alone, and each rung."""
    del options
    return 1 + len(RUNGS)


def perform(options: Options, work: Work) -> Findings:
    """Trade on every rung and let every adversary look.

    Raises:
        DataUnavailableError: the measured homes are neither at hand nor to be had.
    """
    days = _QUICK_DAYS if options.quick else _DAYS
    village = village_of(read_homes(fetch_wheel()), days=days, battery=None)
    ladder = climb(village, tariff_terms(seed=options.seed), keep=work.keep)
    return Findings(
        conclusions=_conclusions(ladder),
        comparisons=tuple(_comparisons(ladder)),
        document={
            "homes": ladder.homes,
            "days": ladder.days,
            "views": {view.name: view.words for view in VIEWS},
            "rungs": [step.document() for step in ladder.steps],
        },
        pictures=(
            Picture(
                name="choice",
                finding="Coarse prices hide a home at no cost; lots of one size cost much and hide no better",
                caption=f"Each point is a setting, seen by one adversary: among how many of {ladder.homes} homes an "
                "address hides, against the energy that is traded less than without any care. Up and left is better.",
                draw=partial(_draw_choice, ladder),
            ),
            Picture(
                name="worst",
                finding="The address that is hidden worst is what a setting has to be judged by",
                caption="Surprise at the truth, bits, of the twentieth of all addresses that each adversary is surest "
                "of; 0 is certainty.",
                draw=partial(_draw_worst, ladder),
            ),
        ),
        settings=(
            f"{REQUIREMENT}: {ladder.homes} measured homes on one feeder, {ladder.days} days; seed {options.seed}",
            "offers are those of the device's own bidder and privacy settings; cleared by the project's market",
            *(f"{view.name}: {view.words}" for view in VIEWS),
            "the same as gridlight-testbed privacy",
        ),
    )


def _lost(ladder: Ladder, name: str) -> float:
    """Energy traded less than without any care, percent."""
    careless = ladder.named(_CARELESS).traded_j
    return 100 * (1 - ladder.named(name).traded_j / careless) if careless else 0.0


def _conclusions(ladder: Ladder) -> tuple[str, ...]:
    shipped, fresh = ladder.named(_SHIPPED), ladder.named(_FRESH)
    advantages = ", ".join(f"{view.name} {shipped.by[view.name].advantage:.2f}" for view, _, _ in _LOOKS)
    sets = [shipped.by[view.name].effective_set for view, _, _ in _LOOKS]
    priors = [shipped.by[view.name].prior_set for view, _, _ in _LOOKS]
    first = (
        f"As shipped the linking advantage is {advantages}, of 1; an address hides among {min(sets):.1f} to "
        f"{max(sets):.1f} homes, of {min(priors):.1f} to {max(priors):.1f} that each adversary has to choose from. It "
        f"costs {_lost(ladder, _SHIPPED):.0f} % of the traded energy."
    )
    second = (
        f"Fresh keys alone hide next to nothing: somebody who has known homes for weeks links with an advantage of "
        f"{fresh.by[WEEKS.name].advantage:.2f}, a miner that knows one day with {fresh.by[MINER.name].advantage:.2f}."
    )
    third = (
        f"Means hide victims: of the worst twentieth of all addresses the strongest adversary is surest, with "
        f"{shipped.by[WEEKS.name].worst_bits:.2f} bits of surprise left as shipped "
        f"({fresh.by[WEEKS.name].worst_bits:.2f} with fresh keys alone)."
    )
    return first, second, third


def _comparisons(ladder: Ladder) -> list[Comparison]:
    careless, fresh, shipped = (ladder.named(name) for name in (_CARELESS, _FRESH, _SHIPPED))
    reused, blind = careless.by[WEEKS.name], [step.by[BLIND.name] for step in ladder.steps]
    rows = [
        _row("control: a key that is used again, linking advantage", "of 1", reused.advantage, 0.999, 1.0),
        _row("control: a key that is used again, hides among", "homes", reused.effective_set, 1.0, 1.001),
        _row(
            "control: nothing is seen, largest linking advantage",
            "of 1",
            max(abs(seen.advantage) for seen in blind),
            0.0,
            0.001,
        ),
        _row(
            "control: nothing is seen, hides among, in parts of the prior set",
            "",
            min(seen.effective_set / seen.prior_set for seen in blind),
            0.999,
            1.001,
        ),
        _row("fresh keys alone, weeks known, linking advantage", "of 1", fresh.exposure.advantage, 0.9, 1.0),
    ]
    for view, _, _ in _LOOKS:
        seen = shipped.by[view.name]
        rows.append(_row(f"as shipped, {view.name}, linking advantage", "of 1", seen.advantage, -0.1, 0.15))
        part = seen.effective_set / seen.prior_set
        rows.append(_row(f"as shipped, {view.name}, hides among, of the prior set", "", part, 0.6, 1.5))
        told = f"as shipped, {view.name}, worst twentieth"
        rows.append(_row(told, "bits", seen.worst_bits, 0.0, 4.0, "told, not aimed at"))
    rows.append(_row("as shipped, energy lost", "%", _lost(ladder, _SHIPPED), 0.0, 25.0))
    rows.append(_row("price grid 0.10, energy lost", "%", _lost(ladder, "price grid 0.10"), -1.0, 5.0))
    return rows


def _row(what: str, unit: str, ours: float, low: float, high: float, note: str = "") -> Comparison:
    return Comparison(what=what, unit=unit, ours=ours, low=low, high=high, note=note)


def _draw_choice(ladder: Ladder, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    lost = [_lost(ladder, step.rung.name) for step in ladder.steps]
    for view, colour, marker in _LOOKS:
        hidden = [step.by[view.name].effective_set for step in ladder.steps]
        axes.scatter(
            lost, hidden, color=colour, marker=marker, s=30, alpha=0.8, label=f"{view.name}: {view.words}"
        )
    top: dict[int, list[str]] = {}
    for step, at in zip(ladder.steps, lost, strict=True):
        top.setdefault(round(at / 4), []).append(step.rung.name)
    for place, names in top.items():
        axes.annotate(
            "\n".join(names),
            (place * 4, -0.4),
            ha="left",
            va="top",
            fontsize=7,
            color=INK,
            annotation_clip=False,
        )
    axes.set_ylim(-4.5, ladder.homes + 0.5)
    axes.set_yticks(range(0, ladder.homes + 1, 2))
    axes.set_xlabel("energy traded less, %")
    axes.set_ylabel(f"hides among, of {ladder.homes} homes")
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 2)


def _draw_worst(ladder: Ladder, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    places = list(range(len(ladder.steps)))[::-1]
    for view, colour, marker in _LOOKS:
        bits = [step.by[view.name].worst_bits for step in ladder.steps]
        axes.plot(
            bits, places, color=colour, marker=marker, linestyle="none", label=f"{view.name}: {view.words}"
        )
    axes.set_yticks(places, [step.rung.name for step in ladder.steps])
    axes.set_xlabel("surprise at the truth of the worst twentieth, bits")
    figure.legend(loc="outside upper left", ncols=1 if size.narrow else 2)
