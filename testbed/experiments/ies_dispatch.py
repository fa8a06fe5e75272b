"""A day of an integrated energy system: how good a dispatch is, proven, and delegates that accept nothing else."""

from __future__ import annotations

from dataclasses import replace
from math import fsum
from typing import Final

from light_client.rules.verdict import Rejected
from testbed.experiments.council import Case
from testbed.experiments.data import folder
from testbed.experiments.delegate_scenes import SCENES, Answers, Outcome, play
from testbed.experiments.findings import Comparison, Findings, Options
from testbed.experiments.manchester.cases import Cases, answer_with, gather, sums
from testbed.experiments.manchester.certificate import DELTA, judge_bytes
from testbed.experiments.manchester.heat_loss import least_loss
from testbed.experiments.manchester.model import Dispatch, cost, total_cost
from testbed.experiments.manchester.pictures import pictures
from testbed.experiments.manchester.published_rule import LIMIT, published_flag
from testbed.experiments.manchester.workbook import DEFECTS
from testbed.experiments.papers import POSO
from testbed.experiments.work import Work

TITLE: Final = "Dispatch of an integrated energy system: how far from the best, proven"
SUMMARY: Final = "Power, heat and gas of eight hubs over a day; delegates accept what a certificate proves."
PAPER: Final = POSO
_QUICK_SCENES: Final = ("S1", "S2", "S3", "S4")


def steps(options: Options) -> int:
    """Bounds, dispatches, records, scenarios."""
    return 5 if options.quick else 7


def perform(options: Options, work: Work) -> Findings:
    """Bound, solve, lie, check, agree.

    Raises:
        DataUnavailableError: the published workbooks are not there.
        ScenarioFileError: they are not what they should be.
    """
    root = folder(options, "manchester", f"the workbooks published with {POSO!r}")
    case = gather(root, work, both_tanks=not options.quick)
    work("delegates agree")
    outcomes = _agree(case, options)
    return Findings(
        conclusions=_conclusions(case, outcomes),
        comparisons=tuple(_comparisons(case, outcomes)),
        document=_document(case, outcomes),
        pictures=pictures(case),
        settings=(
            "data: the published workbooks, defects corrected: " + "; ".join(DEFECTS),
            "heat tank as the published code has it (its first hour is free), and with that mended",
            f"an answer passes within {100 * DELTA:.1f} % of the bound that its own prices prove",
        ),
    )


def _agree(case: Cases, options: Options) -> list[Outcome]:
    """The scenarios, each delegate checking for itself."""
    problem, prices = case.run.problem, case.run.relaxed.prices
    cheap = replace(case.run.own.dispatch, grid=(0.0,) * case.system.hours)
    answers = Answers(
        proven=answer_with(case.run.own, prices).to_bytes(),
        wrong=answer_with(case.lie, prices).to_bytes(),
        broken=answer_with(replace(case.run.own, dispatch=cheap), prices).to_bytes(),
    )
    council = Case(problem=problem.hash(), judge=lambda raw: judge_bytes(problem, raw).verdict)
    scenes = [scene for scene in SCENES if not options.quick or scene.name in _QUICK_SCENES]
    return [play(scene, council, answers, seed=options.seed) for scene in scenes]


def _settled(outcomes: list[Outcome]) -> int:
    """Scenarios in which the honest end with our answer (too few: with none), and only the guilty are convicted."""
    return sum(outcome.as_it_should() for outcome in outcomes)


def _conclusions(case: Cases, outcomes: list[Outcome]) -> tuple[str, ...]:
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


def _comparisons(case: Cases, outcomes: list[Outcome]) -> list[Comparison]:
    run, judged, system = case.run, case.judged, case.system
    good, dear = case.records["optimal"], case.records["non-optimal"]
    rows = [
        Comparison.near("recorded dispatch", "$", 744.0929, total_cost(system, good), 1e-3, paper=744.09),
        Comparison.near(
            "recorded dear dispatch", "$", 904.1742, total_cost(system, dear), 1e-3, paper=904.17
        ),
        Comparison.near("bound without heat losses", "$", 742.7162, run.bare_bound, 5e-3),
        Comparison.within(
            "bound with provable heat losses", "$", run.judged.bound, run.bare_bound, judged["ours"].cost
        ),
        Comparison.within("own dispatch", "$", judged["ours"].cost, run.judged.bound, 744.5),
        Comparison.within(
            "own dispatch above the bound", "of its cost", judged["ours"].gap, 0, DELTA, "accepted"
        ),
        Comparison.within(
            "recorded one above the bound", "of its cost", judged["recorded"].gap, 0, DELTA, "accepted"
        ),
        Comparison.within(
            "dishonest one above the bound", "of its cost", judged["dishonest"].gap, DELTA, 1, "refused"
        ),
        Comparison.within(
            "recorded dear one above the bound",
            "of its cost",
            judged["recorded, dear"].gap,
            DELTA,
            1,
            "refused",
        ),
        Comparison.within("own distorted run", "$", judged["dishonest"].cost, 902.9, 904.2),
        Comparison.within(
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
        *_energies("ours", *sums(run.own.dispatch), good),
        *_energies("distorted", *sums(case.lie.dispatch), dear),
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
            Comparison.near(
                "tank mended: bound without heat losses", "$", 743.373, case.fixed.bare_bound, 5e-3
            ),
            Comparison.within(
                "tank mended: own dispatch", "$", case.fixed.judged.cost, case.fixed.judged.bound, 745.0
            ),
        ]
    return rows


def _flags(case: Cases) -> list[Comparison]:
    """What the published check finds with forged prices, and what ours does."""
    rows = []
    for which, record in case.records.items():
        rows.append(
            Comparison.near(
                f"published check, forged prices, {which}",
                "$/kWh",
                0.0247,
                published_flag(case.system, record),
                1e-4,
                note=f"below {LIMIT}: accepted there",
            )
        )
        refused = isinstance(case.forged[which].verdict, Rejected)
        rows.append(Comparison.within(f"our check, forged prices, {which}", "refused", float(refused), 1, 1))
    return rows


def _energies(which: str, chp: list[float], grid: float, record: Dispatch) -> list[Comparison]:
    """Energies over the day within a thousandth of the recorded ones; where nothing was recorded, within 1 kWh."""
    expected, bought = sums(record)
    rows = [
        Comparison.near(
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
    rows.append(Comparison.near(f"{which}: CHP of the other hubs", "kWh", 0.0, idle, 1.0, paper=0.0))
    rows.append(
        Comparison.near(
            f"{which}: bulk power", "kWh", round(bought, 1), float(grid), bought / 1e3, paper=round(bought, 1)
        )
    )
    return rows


def _document(case: Cases, outcomes: list[Outcome]) -> dict[str, object]:
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
