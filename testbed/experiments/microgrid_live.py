"""The published testbed, live: 4 miners and 31 light clients for 102 homes, every node a process, on real sockets.

What is measured is what the paper's latency histogram shows: from the moment at which a home sends an offer to the
moment at which its own light client has verified the final trade of it (the published program stops earlier, at the
first candidate that holds the trade).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from testbed.experiments.findings import ExperimentError
from testbed.live.deployment import Deployment, deploy
from testbed.live.staging import Staging
from testbed.live.summary import Summary
from testbed.live.supervisor import SupervisorError
from testbed.live.up import InterruptedRunError, Running, State
from testbed.live.up import run as run_live
from testbed.live.watching import Tail, View
from testbed.scenarios import catalogue

MINERS: Final = 4
LIGHT_CLIENTS: Final = 31
SPEED: Final = 60
"""An interval of 15 min passes in 15 s: the published one took 60 or 120 s."""
FIRST: Final = 48
"""From 12:00 on: the busiest hours."""
_SCENARIO: Final = """\
name = "published-microgrid"
title = "The published microgrid, live"
seed = 1
source = "transax"
date = 2026-06-14

[limits]
c_ext_w = 20_000

[window]
lead_intervals = {lead}

[prices]
uniform_uc_per_kwh = 150_000

[tier]
miners = {miners}
solvers = 1

[transax]
folder = {folder}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a live run came to.

    Attributes:
        latencies_ms: from an offer's sending to its verified final trade, virtual ms; one per offer that traded.
        interval_ms: of the market, virtual.
        speed: virtual seconds in a real one.
        after_gate_p50_ms, after_gate_max_ms: from an interval's gate to the block that cleared it, virtual ms.
        proven: intervals cleared by a solution that was proven optimal.
        failures: what was not as it should be.
    """

    latencies_ms: tuple[int, ...]
    interval_ms: int
    speed: int
    processes: int
    light_clients: int
    homes: int
    intervals: int
    proven: int
    trades_verified: int
    solutions_verified: int
    after_gate_p50_ms: int
    after_gate_max_ms: int
    failures: tuple[str, ...]

    @property
    def in_intervals(self) -> list[float]:
        """The latencies in parts of an interval, ascending."""
        return sorted(value / self.interval_ms for value in self.latencies_ms)


class _Quiet:
    """Nobody looks on."""

    def starting(self, ready: int, total: int) -> None:
        """Nothing is shown."""

    def begun(self, running: Running) -> None:
        """Nothing is shown."""

    def progress(self, running: Running, view: View) -> None:
        """Nothing is shown."""


def run_published(data: Path, *, intervals: int, window: int, light_clients: int = LIGHT_CLIENTS) -> Live:
    """Run the published microgrid in hurried real time.

    Args:
        data: folder of the published offers.
        intervals: how many to trade, from noon on.
        window: prediction window L: offers are posted ``L - 1`` intervals ahead.

    Raises:
        ScenarioError: the data is wrong.
        ExperimentError: a process cannot run.
        KeyboardInterrupt: a signal came.
    """
    with TemporaryDirectory(prefix="gridlight-live-") as name:
        deployment = deployed(
            Path(name), data, intervals=intervals, window=window, light_clients=light_clients
        )
        try:
            outcome = asyncio.run(run_live(deployment, _Quiet()))
        except InterruptedRunError:
            raise KeyboardInterrupt from None
        except SupervisorError as error:
            raise ExperimentError(f"the live run failed: {error}") from error
        if outcome.state is State.INTERRUPTED:
            raise KeyboardInterrupt
        return _live(deployment, outcome.summary, light_clients)


def deployed(
    folder: Path, data: Path, *, intervals: int, window: int, light_clients: int = LIGHT_CLIENTS
) -> Deployment:
    """The grid, written into an existing, empty folder and not started; see `run_published`."""
    written, place = folder / "written.toml", folder / "grid"
    source = json.dumps(str(data.resolve()))
    written.write_text(_SCENARIO.format(lead=window - 1, miners=MINERS, folder=source), encoding="utf-8")
    place.mkdir()
    file = catalogue.find(str(written))
    staging = Staging(
        scenario="scenario.toml",
        data=None,
        seed=file.seed,
        skip=FIRST,
        intervals=intervals,
        miners=MINERS,
        solvers=1,
        speed=SPEED,
    )
    return deploy(place, file, staging, meters_per_process=1, meter_processes=light_clients)


def _live(deployment: Deployment, summary: Summary, light_clients: int) -> Live:
    return Live(
        latencies_ms=tuple(latencies(deployment)),
        interval_ms=deployment.cast.scenario.interval_s * 1_000,
        speed=deployment.staging.speed,
        processes=len(deployment.nodes),
        light_clients=light_clients,
        homes=summary.meters,
        intervals=summary.final,
        proven=summary.by_how.get("proven", 0),
        trades_verified=summary.checked["trades"],
        solutions_verified=summary.checked["solutions"],
        after_gate_p50_ms=summary.final_after_p50_ms or 0,
        after_gate_max_ms=summary.final_after_max_ms or 0,
        failures=summary.failures,
    )


def latencies(deployment: Deployment) -> list[int]:
    """What the meters of a run reported, virtual ms."""
    found: list[int] = []
    for node in deployment.nodes:
        tail = Tail(node.reports)
        while lines := list(tail.lines()):  # as many as are read at a time
            found += [int(line["value"]) for line in lines if line["name"] == "offer-to-final-ms"]
    return found
