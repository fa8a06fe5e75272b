"""The whole bench: all cases in one run, growth exponents, and how far stated targets are met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

from testbed.bench.cases import Base, case_of, town
from testbed.bench.measure import Timing, measure

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

    def document(self, timing: Timing) -> dict[str, Any] | None:
        """Asked and measured; None where it was not measured."""
        for kind, asked, measured in (
            ("times faster than the pairwise program", self.at_least_ratio, timing.ratio),
            ("seconds", self.at_most_s, timing.total_s),
            (
                "seconds for both certificates in pure Python",
                self.at_most_rules_bound_s,
                timing.rules_bound_s,
            ),
        ):
            if asked is not None and measured is not None:
                met = measured >= asked if asked == self.at_least_ratio else measured <= asked
                return {
                    "case": self.case,
                    "kind": kind,
                    "asked": asked,
                    "measured": round(measured, 6),
                    "met": met,
                }
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
    base: Base, *, copies: Sequence[int], pairwise_limit_s: float, on_case: Callable[[str], None]
) -> Iterator[Timing]:
    """Measure every case, intervals first."""
    for day in (False, True):
        for number in copies:
            for priced in (False, True):
                for limited in (False, True):
                    case = case_of(base, copies=number, priced=priced, limited=limited, day=day)
                    on_case(case.name)
                    repeats = DAY_REPEATS.get(number, 3) if day else INTERVAL_REPEATS
                    yield measure(
                        case,
                        repeats=repeats,
                        pairwise_limit_s=0 if day else pairwise_limit_s,
                        by_rules=number <= 4,
                    )
    on_case("town interval priced c_int")
    timing = measure(town(offers=100_000, feeders=400), repeats=3, pairwise_limit_s=0, by_rules=False)
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


def judged(timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """Every target that this run measured."""
    by_case = {timing.case: timing for timing in timings}
    found = [target.document(by_case[target.case]) for target in TARGETS if target.case in by_case]
    return [document for document in found if document is not None]
