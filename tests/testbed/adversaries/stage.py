"""One hour of a small grid with chosen adversaries and nothing else wrong."""

from __future__ import annotations

from dataclasses import replace

from testbed.adversaries.disguise import Window
from testbed.adversaries.troupe import Part, troupe_of
from testbed.cast import Cast
from testbed.network.faults import Link
from testbed.scenarios import catalogue
from testbed.scenarios.faults import FaultKind
from testbed.simulation.campaign import Verdict, judge, patient_cast, watch_over
from testbed.simulation.day import SimulatedDay, run_day

SIEGE = catalogue.find("siege")
QUICK = Link(min_delay_ms=5, jitter_ms=10)


def grid(seed: int = 1, *, miners: int = 4, solvers: int = 2) -> Cast:
    """The actors."""
    return replace(patient_cast(SIEGE, seed), miners=miners, solvers=solvers)


def played(cast: Cast, *parts: tuple[FaultKind, str]) -> tuple[SimulatedDay, Verdict]:
    """Play an hour in which these actors play these parts, and judge it as a campaign does."""
    whole = Window(from_ms=cast.start_ms, to_ms=cast.end_ms + 1)
    troupe = troupe_of((Part(kind=kind, name=name, window=whole) for kind, name in parts), cast)
    watch = watch_over(cast, troupe)
    day = run_day(cast, troupe=troupe, link=QUICK, on_send=watch)
    return day, judge(day, watch, seed=cast.seed, crashes=0)
