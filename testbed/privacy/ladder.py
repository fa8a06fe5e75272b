"""From trading without any care to the strictest settings, one step at a time, and what each step costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Final, Protocol, TypeVar

from firmware_app.bidding.settings import PrivacySettings
from light_client.rules.units import JOULES_PER_KWH
from testbed.privacy.measure import Exposure, expose
from testbed.privacy.sets import Hiding
from testbed.privacy.views import VIEWS, WEEKS
from testbed.privacy.weight import ledger_bytes
from testbed.year.homes import Foresight, SeasonalNaive, Village
from testbed.year.run import Terms, YearResult, trade_year

T = TypeVar("T")
_MOST_MARGIN: Final = 40_000
_EXACT: Final = PrivacySettings(lot_wh=1, lot_units=(), price_step_uc_per_kwh=1, spread_intervals=1)
_GRID: Final = replace(_EXACT, price_step_uc_per_kwh=20_000)
_COARSE: Final = replace(_EXACT, price_step_uc_per_kwh=100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One way of trading."""

    name: str
    words: str
    privacy: PrivacySettings
    fresh_keys: bool = True
    habits: bool = False
    """Whether each home always posts at the same moment of an interval."""


_LOTS: Final = replace(_COARSE, lot_wh=100, lot_units=(1, 2, 5, 10))
RUNGS: Final = (
    Rung(
        name="careless",
        words="one key per home, exact sizes and prices, habits",
        privacy=_EXACT,
        fresh_keys=False,
        habits=True,
    ),
    Rung(name="fresh keys", words="a transport key per address", privacy=_EXACT, habits=True),
    Rung(name="random times", words="posted at a uniformly random moment", privacy=_EXACT),
    Rung(name="price grid 0.02", words="prices in steps of 0.02", privacy=_GRID),
    Rung(name="price grid 0.10", words="in steps of half the spread", privacy=_COARSE),
    Rung(name="lots of 100 Wh", words="1, 2, 5 or 10 lots in an offer", privacy=_LOTS),
    Rung(name="as shipped", words="and posted within two intervals", privacy=PrivacySettings()),
    Rung(
        name="single lots, 250 Wh",
        words="every offer has the same size",
        privacy=replace(_COARSE, lot_wh=250, lot_units=(1,), spread_intervals=2),
    ),
    Rung(
        name="single lots, 500 Wh",
        words="the same, coarser",
        privacy=replace(_COARSE, lot_wh=500, lot_units=(1,), spread_intervals=2),
    ),
    Rung(
        name="single lots, 1 kWh",
        words="the same, coarsest",
        privacy=replace(_COARSE, lot_wh=1_000, lot_units=(1,), spread_intervals=2),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A rung, measured."""

    rung: Rung
    by: dict[str, Exposure]
    """How exposed it is, by the name of who looks; without those that more homes would have to tell than there are."""
    offers: int
    ledger_bytes: int
    """Of all grants, offers and deposits."""
    traded_j: int
    gain_uc: int
    """Income above that with the grid alone, micro-currency."""

    @property
    def exposure(self) -> Exposure:
        """To who has known whose address was whose for weeks."""
        return self.by[WEEKS.name]

    @property
    def transactions(self) -> int:
        """Offers and deposits; grants travel in batches of the DSO."""
        return 2 * self.offers

    def document(self) -> dict[str, object]:
        """For programs; shares, homes and bits in whole thousandths; estimates with their 95 % intervals."""
        return {
            "name": self.rung.name,
            "words": self.rung.words,
            "by": {name: _exposure_document(seen) for name, seen in self.by.items()},
            "offers": self.offers,
            "transactions": self.transactions,
            "ledger_bytes": self.ledger_bytes,
            "traded_j": self.traded_j,
            "gain_uc": self.gain_uc,
        }


def _exposure_document(seen: Exposure) -> dict[str, object]:
    return {
        "linking_accuracy_permille": seen.linking.accuracy.permille(),
        "linking_advantage_permille": seen.linking.advantage.permille(),
        **_hiding_document(seen.hiding),
        "intersected": {str(window): _hiding_document(hiding) for window, hiding in seen.intersected.items()},
    }


def _hiding_document(hiding: Hiding) -> dict[str, object]:
    return {
        "judged": hiding.addresses,
        "homes_permille": round(1_000 * hiding.homes),
        "prior_set_permille": round(1_000 * hiding.prior_set),
        "effective_set_permille": hiding.effective_set.permille(),
        "degree_permille": hiding.degree.permille(),
        "surprise_millibits": round(1_000 * hiding.surprise_bits),
        "named_permille": hiding.named.permille(),
        "guessed_permille": round(1_000 * hiding.guessed),
        "worst_millibits": round(1_000 * hiding.worst_bits),
        "worst_named_permille": round(1_000 * hiding.worst_named),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """All steps of one village."""

    homes: int
    days: int
    steps: tuple[Step, ...]

    def named(self, name: str) -> Step:
        """The step of a rung; the last one where it was left out."""
        return next((step for step in self.steps if step.rung.name == name), self.steps[-1])


class Keeper(Protocol):
    """Something that may know the outcome already; see `experiments.work`."""

    def __call__(self, name: str, kind: Any, compute: Callable[[], T]) -> T:
        """The outcome of that name, computed if it has to be."""


def _compute(name: str, kind: Any, compute: Callable[[], T]) -> T:
    del name, kind
    return compute()


def climb(
    village: Village,
    terms: Terms,
    on_day: Callable[[str, int], None] = lambda *_: None,
    keep: Keeper = _compute,
    foresight: Foresight | None = None,
) -> Ladder:
    """Trade on every rung and let every adversary look.

    Args:
        terms: what all rungs share; each home gets a margin and a habit of its own, drawn from its seed.
        foresight: what the homes expect; the same hour of the last weeks if it is not given.
    """
    chance = Random(f"{terms.seed}/habits")  # noqa: S311 a replayable experiment
    count = len(village.homes)
    margins = tuple(chance.randrange(_MOST_MARGIN) for _ in range(count))
    habits = tuple(chance.randrange(village.interval_s * 1_000) for _ in range(count))
    alone = keep("grid", int, lambda: trade_year(village, None, terms, partial(on_day, "grid")).total_uc)
    expected = foresight or SeasonalNaive(village)

    def step_of(rung: Rung) -> Step:
        of_rung = replace(
            terms, privacy=rung.privacy, own_margins_uc=margins, habits_ms=habits if rung.habits else ()
        )
        return _step(rung, trade_year(village, expected, of_rung, partial(on_day, rung.name)), alone)

    steps = tuple(keep(rung.name, Step, partial(step_of, rung)) for rung in RUNGS)
    return Ladder(homes=count, days=village.intervals * village.interval_s // 86_400, steps=steps)


def _step(rung: Rung, result: YearResult, alone_uc: int) -> Step:
    return Step(
        rung=rung,
        by={
            view.name: expose(result, fresh_keys=rung.fresh_keys, view=view)
            for view in VIEWS
            if view.colluders < len(result.village.homes)
        },
        offers=len(result.orders),
        ledger_bytes=ledger_bytes(result.orders),
        traded_j=result.traded_j,
        gain_uc=result.total_uc - alone_uc,
    )


def lines_of(ladder: Ladder) -> list[str]:
    """The ladder as people read it on a terminal."""
    head = f"{'':20} {'advantage':>9} {'hides among':>11} {'named':>6} {'kWh':>6} {'gain':>6} {'trans.':>7} {'MB':>6}"
    lines = [
        f"{ladder.homes} measured homes, {ladder.days} days; linked by who knew them in the first half",
        head,
    ]
    for step in ladder.steps:
        seen = step.exposure
        lines.append(
            f"{step.rung.name:20} {seen.linking.advantage.value:9.2f} {seen.hiding.effective_set.value:8.1f} of "
            f"{ladder.homes:<2}{100 * seen.hiding.named.value:5.0f}% {step.traded_j / JOULES_PER_KWH:6,.0f} "
            f"{step.gain_uc / 1e6:6.1f} {step.transactions:7,} {step.ledger_bytes / 1e6:6.1f}  {step.rung.words}"
        )
    lines += ["", f"{'':20} linking advantage / hides among, by who looks"]
    lines.append(f"{'':20} " + "".join(f"{view.name:>13}" for view in VIEWS))
    lines += [
        f"{step.rung.name:20} " + "".join(_two_figures(step.by.get(view.name)) for view in VIEWS)
        for step in ladder.steps
    ]
    lines += [f"{view.name:>6}  {view.words}" for view in VIEWS]
    return lines


def _two_figures(seen: Exposure | None) -> str:
    if seen is None:
        return f"{'-':>13}"
    return f"{seen.linking.advantage.value:6.2f} /{seen.hiding.effective_set.value:5.1f}"
