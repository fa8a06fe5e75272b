"""Everything that is found of the published system: bounds, dispatches honest and not, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from pathlib import Path
from time import perf_counter
from typing import Final

from testbed.experiments.findings import Step
from testbed.experiments.manchester.bound import Prices, lower_bound
from testbed.experiments.manchester.certificate import Answer, Judged, Problem, judge, problem_of
from testbed.experiments.manchester.heat_loss import lossless_heat
from testbed.experiments.manchester.model import Dispatch, System, Tank
from testbed.experiments.manchester.planning import Planned, Planning, plan, recorded
from testbed.experiments.manchester.published_rule import forged_prices
from testbed.experiments.manchester.relaxation import Optimum, Relaxation
from testbed.experiments.manchester.workbook import read_dispatch, read_system

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


def gather(root: Path, step: Step, *, both_tanks: bool) -> Cases:
    """Bound, solve, lie, and judge.

    Args:
        root: folder of the published workbooks.
        both_tanks: with the heat tank mended as well.

    Raises:
        ScenarioFileError: the workbooks are not what they should be.
    """
    system = read_system(root / "parameters.xlsx")
    run = _solve(system, Tank.VERBATIM, step)
    fixed = _solve(system, Tank.FIXED, step) if both_tanks else None
    step("the dispatch of a dishonest solver")
    lie = plan(system, Tank.VERBATIM, _quiet, distort)
    step("the recorded dispatches")
    records = {which: read_dispatch(root / "results.xlsx", which)[0] for which in ("optimal", "non-optimal")}
    completed = {which: recorded(system, Tank.VERBATIM, record) for which, record in records.items()}
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


def _solve(system: System, tank: Tank, step: Step) -> Run:
    step(f"bounds, heat tank {tank.value}")
    loads = lossless_heat(system)
    bare = Relaxation(system, tank, loads).solve(_ROUNDS)
    problem = problem_of(system, tank)
    relaxed = Relaxation(system, tank, problem.heat).solve(_ROUNDS)
    step(f"own dispatch, heat tank {tank.value}")
    began = perf_counter()
    own = plan(system, tank, _quiet)
    solved = perf_counter()
    judged = judge(problem, answer_with(own, relaxed.prices))
    return Run(
        problem=problem,
        bare=bare,
        bare_bound=lower_bound(system, tank, loads, bare.prices),
        relaxed=relaxed,
        own=own,
        judged=judged,
        solve_s=solved - began,
        check_s=perf_counter() - solved,
    )


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
