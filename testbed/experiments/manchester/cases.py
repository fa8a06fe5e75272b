"""Everything that is found of the published system: bounds, dispatches honest and not, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import fsum
from pathlib import Path
from time import perf_counter
from typing import Final

from testbed.experiments.manchester.bound import Prices, lower_bound
from testbed.experiments.manchester.certificate import Answer, Problem, judge, problem_of
from testbed.experiments.manchester.heat_loss import lossless_heat
from testbed.experiments.manchester.model import Dispatch, System, Tank
from testbed.experiments.manchester.planning import Planned, Planning, plan, recorded
from testbed.experiments.manchester.published_rule import forged_prices
from testbed.experiments.manchester.relaxation import Optimum, Relaxation
from testbed.experiments.manchester.workbook import read_dispatch, read_system
from testbed.experiments.proof import Judged
from testbed.experiments.work import Work

FAVOURED: Final = 2
"""The hub, from 0, whose sales the dishonest solver pushes."""
_ROUNDS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything found for one variant of the heat tank."""

    problem: Problem
    bare: Optimum
    """The relaxation without heat losses."""
    bare_bound: float
    relaxed: Optimum
    own: Planned
    judged: Judged
    solve_s: float
    check_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """All dispatches, and what was said of them."""

    run: Run
    fixed: Run | None
    records: dict[str, Dispatch]
    completed: dict[str, Planned]
    lie: Planned
    judged: dict[str, Judged]
    forged: dict[str, Judged]

    @property
    def system(self) -> System:
        """Of all of them."""
        return self.run.problem.system


def gather(root: Path, work: Work, *, both_tanks: bool) -> Cases:
    """Bound, solve, lie, and judge.

    Args:
        root: folder of the published workbooks.
        both_tanks: with the heat tank mended as well.

    Raises:
        ScenarioFileError: the workbooks are not what they should be.
    """
    system = read_system(root / "parameters.xlsx")
    run = _solve(system, Tank.VERBATIM, work)
    fixed = _solve(system, Tank.FIXED, work) if both_tanks else None
    cheat = partial(plan, system, Tank.VERBATIM, _quiet, distort)
    lie = work.keep("the dispatch of a dishonest solver", Planned, cheat)
    records = {which: read_dispatch(root / "results.xlsx", which)[0] for which in ("optimal", "non-optimal")}
    completed = work.keep(
        "the recorded dispatches",
        dict[str, Planned],
        lambda: {which: recorded(system, Tank.VERBATIM, record) for which, record in records.items()},
    )
    prices = run.relaxed.prices
    return Cases(
        run=run,
        fixed=fixed,
        records=records,
        completed=completed,
        lie=lie,
        judged={
            "ours": run.judged,
            "recorded": judge(run.problem, answer_with(completed["optimal"], prices)),
            "dishonest": judge(run.problem, answer_with(lie, prices)),
            "recorded, dear": judge(run.problem, answer_with(completed["non-optimal"], prices)),
        },
        forged={
            which: judge(run.problem, answer_with(done, forged_prices(system, done.dispatch)))
            for which, done in completed.items()
        },
    )


def _quiet(what: str) -> None:
    del what


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relaxed:
    """The relaxation without and with heat losses."""

    bare: Optimum
    relaxed: Optimum


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """A dispatch, and how long it took to find."""

    own: Planned
    solve_s: float


def _solve(system: System, tank: Tank, work: Work) -> Run:
    """Solved (or taken from an earlier start) and, always anew, bounded and judged."""
    loads, problem = lossless_heat(system), problem_of(system, tank)
    bounds = work.keep(
        f"bounds, heat tank {tank.value}",
        _Relaxed,
        lambda: _Relaxed(
            bare=Relaxation(system, tank, loads).solve(_ROUNDS),
            relaxed=Relaxation(system, tank, problem.heat).solve(_ROUNDS),
        ),
    )
    found = work.keep(f"own dispatch, heat tank {tank.value}", _Timed, partial(_planned, system, tank))
    began = perf_counter()
    judged = judge(problem, answer_with(found.own, bounds.relaxed.prices))
    return Run(
        problem=problem,
        bare=bounds.bare,
        bare_bound=lower_bound(system, tank, loads, bounds.bare.prices),
        relaxed=bounds.relaxed,
        own=found.own,
        judged=judged,
        solve_s=found.solve_s,
        check_s=perf_counter() - began,
    )


def _planned(system: System, tank: Tank) -> _Timed:
    began = perf_counter()
    own = plan(system, tank, _quiet)
    return _Timed(own=own, solve_s=perf_counter() - began)


def answer_with(planned: Planned, prices: Prices) -> Answer:
    """What a delegate proposes."""
    return Answer(dispatch=planned.dispatch, networks=planned.networks, prices=prices)


def distort(program: Planning) -> None:
    """The published misdeed: bulk power dearer by half, and every kWh that the favoured hub sells worth a dollar."""
    price = program.columns.price
    for hour in range(program.system.hours):
        price[program.at["grid"][hour, 0]] *= 1.5
        for name, worth in (("chp", -1.0), ("discharged", -1.0), ("charged", 1.0)):
            price[program.at[name][hour, FAVOURED]] += worth


def sums(dispatch: Dispatch) -> tuple[list[float], float]:
    """Energy of each CHP plant over the day, and of the bulk power system, kWh."""
    return [fsum(column) for column in zip(*dispatch.chp, strict=True)], fsum(dispatch.grid)
