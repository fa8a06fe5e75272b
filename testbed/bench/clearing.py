"""Clearing, proving and verifying on growing grids, beside the published formulation, all in one run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Final

from testbed.bench.audit import ASKED_S, measure_audit
from testbed.bench.cases import Base, case_of, published_day, shipped_day, town
from testbed.bench.measure import Timing, measure_case
from testbed.bench.section import Aim, Options, Section, Step, at_least, at_most

SUMMARY: Final = "Clearing, proving and verifying on growing grids, beside the published formulation."
_HEAD: Final = (
    "case                       offers  classes   total   clear  settle   bound  rules  pairwise   ratio"
)
COPIES = (1, 4, 10, 40)
INTERVAL_REPEATS = 101
DAY_REPEATS = {1: 11, 4: 5, 10: 5, 40: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A stated aim."""

    case: str
    at_least_ratio: float | None = None
    at_most_s: float | None = None
    at_most_rules_bound_s: float | None = None

    def judge(self, timing: Timing) -> Aim | None:
        """The aim beside what was measured; None where it was not."""
        if self.at_least_ratio is not None and timing.ratio is not None:
            unit = "times faster than the pairwise program"
            return at_least(self.case, unit, asked=self.at_least_ratio, measured=timing.ratio)
        if self.at_most_s is not None:
            return at_most(self.case, "seconds", asked=self.at_most_s, measured=timing.total_s)
        if self.at_most_rules_bound_s is not None and timing.rules_bound_s is not None:
            unit = "seconds for both certificates in pure Python"
            return at_most(self.case, unit, asked=self.at_most_rules_bound_s, measured=timing.rules_bound_s)
        return None


TARGETS = (
    Target(case="x10 interval uniform", at_least_ratio=12_000),
    Target(case="x10 interval priced", at_least_ratio=4_000),
    Target(case="x10 interval priced c_int", at_least_ratio=4_000),
    Target(case="x40 day priced c_int", at_most_s=2.5),
    Target(case="town interval priced c_int", at_most_s=1.0),
    Target(case="x1 day uniform", at_most_rules_bound_s=0.007),
    Target(case="x1 day priced", at_most_rules_bound_s=0.007),
)


def run_suite(
    base: Base, *, copies: Sequence[int], pairwise_limit_s: float, on_case: Step
) -> Iterator[Timing]:
    """Measure every case, intervals first."""
    for day in (False, True):
        for number in copies:
            for priced in (False, True):
                for limited in (False, True):
                    case = case_of(base, copies=number, priced=priced, limited=limited, day=day)
                    on_case(case.name)
                    repeats = DAY_REPEATS.get(number, 3) if day else INTERVAL_REPEATS
                    yield measure_case(
                        case,
                        repeats=repeats,
                        pairwise_limit_s=0 if day else pairwise_limit_s,
                        by_rules=number <= 4,
                    )
    on_case("town interval priced c_int")
    timing = measure_case(town(offers=100_000, feeders=400), repeats=3, pairwise_limit_s=0, by_rules=False)
    yield replace(timing, case="town interval priced c_int")


def cases_of(copies: Sequence[int]) -> int:
    """How many cases a run has."""
    return 8 * len(copies) + 1


def growth(timings: Sequence[Timing]) -> dict[str, float]:
    """Per kind of case the exponent of time over offers: 1 is linear. Least squares on logarithms."""
    kinds: dict[str, list[tuple[float, float]]] = {}
    for timing in timings:
        kind = timing.case.split(" ", 1)[1]
        if timing.case.startswith("x"):
            kinds.setdefault(kind, []).append((log(timing.offers), log(timing.total_s)))
    return {kind: round(_slope(points), 2) for kind, points in kinds.items() if len(points) > 1}


def _slope(points: list[tuple[float, float]]) -> float:
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def judged(timings: Sequence[Timing]) -> list[Aim]:
    """Every target that this run measured."""
    by_case = {timing.case: timing for timing in timings}
    found = [target.judge(by_case[target.case]) for target in TARGETS if target.case in by_case]
    return [aim for aim in found if aim is not None]


def steps(options: Options) -> int:
    """How many cases there are."""
    return cases_of(_copies(options)) + 2


def measure(options: Options, step: Step) -> Section:
    """Measure all cases, and the audits of the day itself.

    Raises:
        ScenarioError: the day to copy cannot be read.
        SolverError: a case was not solved.
    """
    base = base_of(options)
    copies = _copies(options)
    limit_s = min(options.pairwise_limit_s, 10) if options.quick else options.pairwise_limit_s
    timings = list(run_suite(base, copies=copies, pairwise_limit_s=limit_s, on_case=step))
    audits = []
    for priced in (False, True):
        step(f"audit {'priced' if priced else 'uniform'}")
        day = case_of(base, copies=1, priced=priced, limited=False, day=True)
        audits.append(measure_audit(day, repeats=7))
    lines = [f"data: {base.name}; times in ms, medians", _HEAD, *(_line(timing) for timing in timings)]
    lines += [f"growth of {kind}: offers^{exponent}" for kind, exponent in growth(timings).items()]
    document = {
        "data": base.name,
        "cases": [timing.document() for timing in timings],
        "growth_exponents": growth(timings),
        "audits": [audit.document() for audit in audits],
    }
    aims = judged(timings) + [
        at_most(f"audit of {audit.case} from ledger bytes", "seconds", asked=ASKED_S, measured=audit.audit_s)
        for audit in audits
    ]
    return Section(document=document, lines=lines, aims=aims)


def _copies(options: Options) -> Sequence[int]:
    return COPIES[:2] if options.quick else COPIES


def base_of(options: Options) -> Base:
    """The day that is copied: the published one where it is at hand, else one of the project's."""
    if options.transax is not None:
        return published_day(options.transax)
    folder = Path(os.environ.get("GRIDLIGHT_SHARED") or "../shared") / "data" / "transax" / "withBattery"
    return published_day(folder) if folder.is_dir() else shipped_day(options.scenario)


def _line(timing: Timing) -> str:
    rules = "-" if timing.rules_bound_s is None else f"{timing.rules_bound_s * 1e3:.1f}"
    pairwise = "-" if timing.pairwise_s is None else f"{timing.pairwise_s * 1e3:,.0f}"
    ratio = "-" if timing.ratio is None else f"{timing.ratio:,.0f}"
    times = (timing.total_s, timing.clear_s, timing.settle_s, timing.bound_s)
    return (
        f"{timing.case:<26} {timing.offers:>6} {timing.classes:>8} "
        + " ".join(f"{seconds * 1e3:>7.2f}" for seconds in times)
        + f" {rules:>6} {pairwise:>9} {ratio:>7}"
    )
