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
from testbed.privacy.views import VIEWS, WEEKS
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
    """How exposed it is, by the name of who looks."""
    offers: int
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
        """For programs; shares in thousandths, as whole numbers."""
        return {
            "name": self.rung.name,
            "words": self.rung.words,
            "advantage_permille": round(1_000 * self.exposure.advantage),
            "effective_set_permille": round(1_000 * self.exposure.effective_set),
            "prior_set_permille": round(1_000 * self.exposure.prior_set),
            "named_permille": round(1_000 * self.exposure.named),
            "addresses_judged": self.exposure.addresses,
            "by": {
                name: {
                    "advantage_permille": round(1_000 * seen.advantage),
                    "effective_set_permille": round(1_000 * seen.effective_set),
                    "prior_set_permille": round(1_000 * seen.prior_set),
                    "worst_millibits": round(1_000 * seen.worst_bits),
                    "named_permille": round(1_000 * seen.named),
                }
                for name, seen in self.by.items()
            },
            "offers": self.offers,
            "transactions": self.transactions,
            "traded_j": self.traded_j,
            "gain_uc": self.gain_uc,
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
        by={view.name: expose(result, fresh_keys=rung.fresh_keys, view=view) for view in VIEWS},
        offers=len(result.orders),
        traded_j=result.traded_j,
        gain_uc=result.total_uc - alone_uc,
    )


def lines_of(ladder: Ladder) -> list[str]:
    """The ladder as people read it on a terminal."""
    head = f"{'':22} {'advantage':>9} {'hides among':>11} {'named':>7} {'kWh':>7} {'gain':>7} {'transactions':>12}"
    lines = [
        f"{ladder.homes} measured homes, {ladder.days} days; linked by who knew them in the first half",
        head,
    ]
    for step in ladder.steps:
        seen = step.exposure
        lines.append(
            f"{step.rung.name:22} {seen.advantage:9.2f} {seen.effective_set:8.1f} of {ladder.homes:<2}"
            f"{100 * seen.named:6.0f}% {step.traded_j / JOULES_PER_KWH:7,.0f} {step.gain_uc / 1e6:7.1f} "
            f"{step.transactions:12,}  {step.rung.words}"
        )
    lines += ["", f"{'':22} linking advantage / hides among, by who looks"]
    lines.append(f"{'':22} " + "".join(f"{view.name:>13}" for view in VIEWS))
    lines += [
        f"{step.rung.name:22} "
        + "".join(f"{seen.advantage:6.2f} /{seen.effective_set:5.1f}" for seen in step.by.values())
        for step in ladder.steps
    ]
    lines += [f"{view.name:>6}  {view.words}" for view in VIEWS]
    return lines
