"""A day of an integrated energy system: how good a dispatch is, proven, and delegates that accept nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import fsum
from time import perf_counter
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from light_client.rules.verdict import Accepted, Rejected
from testbed.experiments.council import Case
from testbed.experiments.data import folder
from testbed.experiments.findings import Comparison, Findings, Options, Picture, Step
from testbed.experiments.manchester.bound import Prices, lower_bound
from testbed.experiments.manchester.certificate import (
    DELTA,
    Answer,
    Judged,
    Problem,
    judge,
    judge_bytes,
    problem_of,
)
from testbed.experiments.manchester.delegates import SCENES, Answers, Outcome, play
from testbed.experiments.manchester.heat_loss import least_loss, lossless_heat
from testbed.experiments.manchester.model import Dispatch, System, Tank, cost, total_cost
from testbed.experiments.manchester.planning import Planned, Planning, plan, recorded
from testbed.experiments.manchester.published_rule import LIMIT, forged_prices, published_flag
from testbed.experiments.manchester.relaxation import Optimum, Relaxation
from testbed.experiments.manchester.workbook import DEFECTS, read_dispatch, read_system
from testbed.experiments.papers import POSO
from testbed.report.drawing import BLUE, GREEN, INK, MUTED, PURPLE, VERMILION, Size

TITLE: Final = "Dispatch of an integrated energy system: how far from the best, proven"
SUMMARY: Final = "Power, heat and gas of eight hubs over a day; delegates accept what a certificate proves."
PAPER: Final = POSO
FAVOURED: Final = 2
"""The hub, from 0, whose sales the dishonest solver pushes."""
_ROUNDS: Final = 12
_QUICK_SCENES: Final = ("S1", "S2", "S3", "S4")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
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
class _Cases:
    """All dispatches, and what was said of them."""

    run: _Run
    fixed: _Run | None
    records: dict[str, Dispatch]
    completed: dict[str, Planned]
    lie: Planned
    judged: dict[str, Judged]
    forged: dict[str, Judged]

    @property
    def system(self) -> System:
        """Of all of them."""
        return self.run.problem.system


def steps(options: Options) -> int:
    """Bounds, dispatches, records, scenarios."""
    return 5 if options.quick else 7


def perform(options: Options, step: Step) -> Findings:
    """Bound, solve, lie, check, agree.

    Raises:
        DataUnavailableError: the published workbooks are not there.
        ScenarioFileError: they are not what they should be.
    """
    root = folder(options, "manchester", f"the workbooks published with {POSO!r}")
    system = read_system(root / "parameters.xlsx")
    run = _solve(system, Tank.VERBATIM, step)
    fixed = None if options.quick else _solve(system, Tank.FIXED, step)
    step("the dispatch of a dishonest solver")
    lie = plan(system, Tank.VERBATIM, _quiet, _distort)
    step("the recorded dispatches")
    records = {which: read_dispatch(root / "results.xlsx", which)[0] for which in ("optimal", "non-optimal")}
    completed = {which: recorded(system, Tank.VERBATIM, record) for which, record in records.items()}
    prices = run.relaxed.prices
    case = _Cases(
        run=run,
        fixed=fixed,
        records=records,
        completed=completed,
        lie=lie,
        judged={
            "ours": run.judged,
            "recorded": judge(run.problem, _answer(completed["optimal"], prices)),
            "dishonest": judge(run.problem, _answer(lie, prices)),
            "recorded, dear": judge(run.problem, _answer(completed["non-optimal"], prices)),
        },
        forged={
            which: judge(run.problem, _answer(done, forged_prices(system, done.dispatch)))
            for which, done in completed.items()
        },
    )
    step("delegates agree")
    outcomes = _agree(case, options)
    return Findings(
        conclusions=_conclusions(case, outcomes),
        comparisons=tuple(_comparisons(case, outcomes)),
        document=_document(case, outcomes),
        pictures=_pictures(case),
        settings=(
            "data: the published workbooks, defects corrected: " + "; ".join(DEFECTS),
            "heat tank as the published code has it (its first hour is free), and with that mended",
            f"an answer passes within {100 * DELTA:.1f} % of the bound that its own prices prove",
        ),
    )


def _quiet(what: str) -> None:
    del what


def _solve(system: System, tank: Tank, step: Step) -> _Run:
    step(f"bounds, heat tank {tank.value}")
    loads = lossless_heat(system)
    bare = Relaxation(system, tank, loads).solve(_ROUNDS)
    problem = problem_of(system, tank)
    relaxed = Relaxation(system, tank, problem.heat).solve(_ROUNDS)
    step(f"own dispatch, heat tank {tank.value}")
    began = perf_counter()
    own = plan(system, tank, _quiet)
    solved = perf_counter()
    judged = judge(problem, _answer(own, relaxed.prices))
    return _Run(
        problem=problem,
        bare=bare,
        bare_bound=lower_bound(system, tank, loads, bare.prices),
        relaxed=relaxed,
        own=own,
        judged=judged,
        solve_s=solved - began,
        check_s=perf_counter() - solved,
    )


def _answer(planned: Planned, prices: Prices) -> Answer:
    return Answer(dispatch=planned.dispatch, networks=planned.networks, prices=prices)


def _distort(program: Planning) -> None:
    """The published misdeed: bulk power dearer by half, and every kWh that the favoured hub sells worth a dollar."""
    price = program.columns.price
    for hour in range(program.system.hours):
        price[program.at["grid"][hour, 0]] *= 1.5
        for name, worth in (("chp", -1.0), ("discharged", -1.0), ("charged", 1.0)):
            price[program.at[name][hour, FAVOURED]] += worth


def _agree(case: _Cases, options: Options) -> list[Outcome]:
    """The scenarios, each delegate checking for itself."""
    problem, prices = case.run.problem, case.run.relaxed.prices
    cheap = replace(case.run.own.dispatch, grid=(0.0,) * case.system.hours)
    answers = Answers(
        proven=_answer(case.run.own, prices).to_bytes(),
        wrong=_answer(case.lie, prices).to_bytes(),
        broken=_answer(replace(case.run.own, dispatch=cheap), prices).to_bytes(),
    )
    council = Case(problem=problem.hash(), judge=lambda raw: judge_bytes(problem, raw).verdict)
    scenes = [scene for scene in SCENES if not options.quick or scene.name in _QUICK_SCENES]
    return [play(scene, council, answers, seed=options.seed) for scene in scenes]


def _settled(outcomes: list[Outcome]) -> int:
    """Scenarios in which the honest end with our answer (too few: with none), and only the guilty are convicted."""
    return sum(outcome.as_it_should() for outcome in outcomes)


def _conclusions(case: _Cases, outcomes: list[Outcome]) -> tuple[str, ...]:
    run, judged = case.run, case.judged
    ours, theirs, dear = judged["ours"], judged["recorded"], judged["recorded, dear"]
    flags = [published_flag(case.system, record) for record in case.records.values()]
    left_open = 100 * (theirs.cost - run.bare_bound) / theirs.cost
    lost = least_loss(case.system, 1.0)
    answers = (
        f"No dispatch costs less than {ours.bound:.2f} $. Ours costs {ours.cost:.2f} $, {100 * ours.gap:.3f} % above "
        f"that bound; the recorded one {theirs.cost:.2f} $, {100 * theirs.gap:.3f} %. Neither is proven to be the best."
        f" The recorded dear one, {dear.cost:.2f} $, lies {100 * dear.gap:.1f} % above and is refused."
    )
    losses = (
        f"At full load at least {lost:.1f} kW of heat are lost whatever is done: that is proven, not measured, and"
        f" moves the bound up from {run.bare_bound:.2f} $, which leaves {left_open:.3f} % of the recorded cost open."
    )
    hole = (
        f"The published check finds {flags[0]:.4f} and {flags[1]:.4f} for the good and the dear dispatch with one "
        f"forged price per hour, and accepts up to {LIMIT}: any feasible dispatch passes it. Here the same forgery "
        f"proves a bound of {case.forged['non-optimal'].bound:,.0f} $ and is refused."
    )
    agreed = (
        f"In {_settled(outcomes)} of {len(outcomes)} scenarios with false leaders, liars, silent and colluding "
        "delegates every honest delegate ends with the proven answer, or with none where too few are left to decide, "
        "and none accuses an honest one. Whoever showed a wrong answer to an honest delegate is convicted by its own "
        "signature; a leader that showed it to its accomplice alone costs a round, and no seat."
    )
    times = (
        f"Finding took {run.solve_s:.0f} s, checking {1_000 * run.check_s:.0f} ms in plain Python, all equations of "
        "the true model included."
    )
    return answers, losses, hole, agreed, times


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
    low, high = expected - slack, expected + slack
    return Comparison(
        what=what, unit=unit, paper=paper, corrected=expected, ours=ours, low=low, high=high, note=note
    )


def _within(what: str, unit: str, ours: float, low: float, high: float, note: str = "") -> Comparison:
    return Comparison(what=what, unit=unit, ours=ours, low=low, high=high, note=note)


def _comparisons(case: _Cases, outcomes: list[Outcome]) -> list[Comparison]:
    run, judged, system = case.run, case.judged, case.system
    good, dear = case.records["optimal"], case.records["non-optimal"]
    rows = [
        _near("recorded dispatch", "$", 744.0929, total_cost(system, good), 1e-3, paper=744.09),
        _near("recorded dear dispatch", "$", 904.1742, total_cost(system, dear), 1e-3, paper=904.17),
        _near("bound without heat losses", "$", 742.7162, run.bare_bound, 5e-3),
        _within(
            "bound with provable heat losses", "$", run.judged.bound, run.bare_bound, judged["ours"].cost
        ),
        _within("own dispatch", "$", judged["ours"].cost, run.bare_bound, 744.5),
        _within("own dispatch above the bound", "of its cost", judged["ours"].gap, 0, DELTA, "accepted"),
        _within("recorded one above the bound", "of its cost", judged["recorded"].gap, 0, DELTA, "accepted"),
        _within("dishonest one above the bound", "of its cost", judged["dishonest"].gap, DELTA, 1, "refused"),
        _within(
            "recorded dear one above the bound",
            "of its cost",
            judged["recorded, dear"].gap,
            DELTA,
            1,
            "refused",
        ),
        _within("own distorted run", "$", judged["dishonest"].cost, 902.9, 904.2),
        _within(
            "boilers of the recorded dispatch corrected by at most",
            "kW",
            case.completed["optimal"].moved_kw,
            0,
            0.76,
            "its water and reactive power are not recorded",
        ),
        *_flags(case),
        *_energies(
            "relaxation", run.bare.of["chp"].sum(axis=0).tolist(), run.bare.of["grid"][:, 0].sum(), good
        ),
        *_energies("ours", *_sums(run.own.dispatch), good),
        *_energies("distorted", *_sums(case.lie.dispatch), dear),
        Comparison(
            what="scenarios that end as they should",
            unit="scenarios",
            ours=_settled(outcomes),
            low=len(outcomes),
            high=len(outcomes),
        ),
    ]
    if case.fixed is not None:
        rows += [
            _near("tank mended: bound without heat losses", "$", 743.373, case.fixed.bare_bound, 5e-3),
            _within("tank mended: own dispatch", "$", case.fixed.judged.cost, case.fixed.judged.bound, 745.0),
        ]
    return rows


def _flags(case: _Cases) -> list[Comparison]:
    """What the published check finds with forged prices, and what ours does."""
    rows = []
    for which, record in case.records.items():
        rows.append(
            _near(
                f"published check, forged prices, {which}",
                "$/kWh",
                0.0247,
                published_flag(case.system, record),
                1e-4,
                note=f"below {LIMIT}: accepted there",
            )
        )
        refused = isinstance(case.forged[which].verdict, Rejected)
        rows.append(_within(f"our check, forged prices, {which}", "refused", float(refused), 1, 1))
    return rows


def _sums(dispatch: Dispatch) -> tuple[list[float], float]:
    return [fsum(column) for column in zip(*dispatch.chp, strict=True)], fsum(dispatch.grid)


def _energies(which: str, chp: list[float], grid: float, record: Dispatch) -> list[Comparison]:
    """Energies over the day within a thousandth of the recorded ones; where nothing was recorded, within 1 kWh."""
    expected, bought = _sums(record)
    rows = [
        _near(
            f"{which}: CHP of hub {hub}",
            "kWh",
            round(want, 1),
            value,
            max(1.0, want / 1e3),
            paper=round(want, 1),
        )
        for hub, (want, value) in enumerate(zip(expected, chp, strict=True), start=1)
        if want > 1
    ]
    idle = fsum(value for want, value in zip(expected, chp, strict=True) if want <= 1)
    rows.append(_near(f"{which}: CHP of the other hubs", "kWh", 0.0, idle, 1.0, paper=0.0))
    rows.append(
        _near(
            f"{which}: bulk power", "kWh", round(bought, 1), float(grid), bought / 1e3, paper=round(bought, 1)
        )
    )
    return rows


def _document(case: _Cases, outcomes: list[Outcome]) -> dict[str, object]:
    return {
        "judged": {
            name: {"cost": item.cost, "bound": item.bound, "gap": item.gap}
            for name, item in case.judged.items()
        },
        "parts_of_cost": dict(
            zip(("grid", "chp", "boilers"), cost(case.system, case.run.own.dispatch), strict=True)
        ),
        "least_heat_loss_kw": [least_loss(case.system, factor) for factor in case.system.factors],
        "solve_s": case.run.solve_s,
        "check_s": case.run.check_s,
        "scenarios": [
            {
                "scenario": outcome.scene.name,
                "what": outcome.scene.what,
                "rounds": outcome.rounds,
                "took_ms": outcome.took_ms,
                "convicted": sorted(outcome.convicted),
                "as_it_should": outcome.as_it_should(),
            }
            for outcome in outcomes
        ],
    }


def _pictures(case: _Cases) -> tuple[Picture, ...]:
    ours = case.judged["ours"]
    return (
        Picture(
            name="sources",
            finding="Hubs 1 and 2 follow the price, the bulk power system fills the cheap hours",
            caption="Where the electricity of each hour comes from in our dispatch; the line is the load.",
            draw=partial(_draw_sources, case),
        ),
        Picture(
            name="gaps",
            finding=f"No dispatch is over {100 * ours.gap:.3f} % cheaper than ours; the dishonest ones are refused",
            caption="Distance of each dispatch from the two proven bounds, on a logarithmic axis.",
            draw=partial(_draw_gaps, case),
        ),
        Picture(
            name="plants",
            finding="Ours and the recorded plants give the same energy, honest and distorted",
            caption="Energy of each CHP plant over the day; hubs 4, 5, 7 and 8 give none.",
            draw=partial(_draw_plants, case),
        ),
    )


def _draw_sources(case: _Cases, figure: Figure, size: Size) -> None:
    axes = figure.subplots()
    system, dispatch = case.system, case.run.own.dispatch
    hours = np.arange(1, system.hours + 1)
    chp, keep = np.array(dispatch.chp), system.battery.efficiency
    parts = (
        ("bulk power", np.array(dispatch.grid), MUTED),
        ("hub 1", chp[:, 0], BLUE),
        ("hub 2", chp[:, 1], GREEN),
        ("other hubs", chp[:, 2:].sum(axis=1), VERMILION),
        ("batteries", keep * np.array(dispatch.discharged).sum(axis=1), PURPLE),
    )
    below = np.zeros(system.hours)
    for label, values, colour in parts:
        axes.bar(hours, values, bottom=below, color=colour, label=label, width=0.85)
        below = below + values
    axes.step(
        hours,
        np.array(system.factors) * sum(system.loads),
        where="mid",
        color="#010203",
        label="load",
        linewidth=1.2,
    )
    axes.set_xlim(0.3, system.hours + 0.7)
    axes.set_xticks(range(3, system.hours + 1, 3))
    axes.set_xlabel("hour; what is above the load charges batteries or is lost")
    axes.set_ylabel("kW")
    figure.legend(loc="outside upper left", ncols=3 if size.narrow else 6)


def _draw_gaps(case: _Cases, figure: Figure, size: Size) -> None:
    del size
    axes = figure.subplots()
    names = list(case.judged)[::-1]
    for place, name in enumerate(names):
        item = case.judged[name]
        tight = 100 * item.gap
        loose = 100 * (item.cost - case.run.bare_bound) / item.cost
        colour = GREEN if isinstance(item.verdict, Accepted) else VERMILION
        axes.plot([tight, loose], [place, place], color=colour, linewidth=1)
        axes.plot([loose], [place], "o", color=colour, fillstyle="none")
        axes.plot([tight], [place], "o", color=colour)
        axes.annotate(
            f"{item.cost:.2f} $", (tight, place), xytext=(0, 7), textcoords="offset points", ha="center"
        )
    axes.axvline(100 * DELTA, color=MUTED, linestyle="--")
    axes.annotate(
        f"passes up to {100 * DELTA:.1f} %",
        (100 * DELTA, len(names) - 0.5),
        xytext=(5, 0),
        textcoords="offset points",
        color=MUTED,
    )
    axes.set_xscale("log")
    axes.set_xlim(0.01, 50)
    axes.minorticks_off()
    axes.set_xticks((0.01, 0.1, 1, 10), ("0.01", "0.1", "1", "10"))
    axes.set_ylim(-0.5, len(names) - 0.3)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("% above the bound: filled with provable heat losses, open without")


def _draw_plants(case: _Cases, figure: Figure, size: Size) -> None:
    del size
    axes = figure.subplots()
    shown = (0, 1, 2, 5)
    rows = (
        ("ours", case.run.own.dispatch, GREEN),
        ("recorded", case.records["optimal"], BLUE),
        ("distorted, ours", case.lie.dispatch, VERMILION),
        ("distorted, recorded", case.records["non-optimal"], PURPLE),
    )
    for number, (label, dispatch, colour) in enumerate(rows):
        values = _sums(dispatch)[0]
        places = [place + 0.2 * (number - 1.5) for place in range(len(shown))]
        axes.bar(places, [values[hub] / 1e3 for hub in shown], width=0.18, color=colour, label=label)
    axes.set_xticks(range(len(shown)), [f"hub {hub + 1}" for hub in shown])
    axes.set_ylabel("MWh over the day")
    figure.legend(loc="outside upper left", ncols=4)
