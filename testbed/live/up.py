"""Runs a whole grid of processes from the first grant to the last interval, watches it, and takes it down."""

import asyncio
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from firmware_app.runtime.clock import Clock
from testbed.live.deployment import Deployment
from testbed.live.summary import Summary, copies_of, summary_of
from testbed.live.supervisor import Supervisor, SupervisorError
from testbed.live.watching import View, Watch

SCHEMA: Final = "gridlight.up/1"
_LOOK_S: Final = 0.25


class State(StrEnum):
    """How a run is, or how it ended."""

    RUNNING = "running"
    ENDED = "ended"
    INTERRUPTED = "interrupted"


class InterruptedRunError(Exception):
    """A signal came before there was anything to sum up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A grid whose processes are all up."""

    deployment: Deployment
    supervisor: Supervisor
    clock: Clock

    def facts(self, state: State, summary: Summary | None) -> dict[str, Any]:
        """What `up.json` says."""
        deployment, cast = self.deployment, self.deployment.cast
        return {
            "schema": SCHEMA,
            "state": state.value,
            "pid": os.getpid(),
            "scenario": cast.scenario.name,
            "seed": cast.seed,
            "chain": cast.genesis.name,
            "genesis": cast.genesis.chain_id().hex(),
            "keys": "test keys, worthless elsewhere",
            "homes": len(cast.scenario.homes),
            "feeders": len(cast.scenario.feeders),
            "interval_s": cast.scenario.interval_s,
            "first_interval": cast.scenario.first_interval,
            "intervals": cast.scenario.intervals,
            "clock": {
                "start_real_ms": self.clock.start_real_ms,
                "start_virtual_ms": self.clock.start_virtual_ms,
                "end_virtual_ms": cast.end_ms,
                "speed": self.clock.speed,
            },
            "folder": str(deployment.folder.resolve()),
            "servers": {name: asdict(address) for name, address in deployment.servers.items()},
            "processes": [
                {
                    "name": node.name,
                    "pid": self.supervisor.pids.get(node.name),
                    "actors": list(node.actors),
                    "log": str(node.log.relative_to(deployment.folder)),
                    "reports": str(node.reports.relative_to(deployment.folder)),
                }
                for node in deployment.nodes
            ],
            "summary": None if summary is None else asdict(summary),
        }


class Show(Protocol):
    """Where a run is shown."""

    def starting(self, ready: int, total: int) -> None:
        """Some of the processes are ready."""

    def begun(self, running: Running) -> None:
        """All are, and the clock runs."""

    def progress(self, running: Running, view: View) -> None:
        """Called several times a second."""


class Guests(Protocol):
    """Whoever takes part in a run without being one of its nodes: whole devices, in processes or containers."""

    @property
    def ready(self) -> bool:
        """Whether nothing but the clock is missing."""

    async def start(self) -> None:
        """Start all."""

    async def go(self, clock: Clock) -> None:
        """Hand the clock to all."""

    async def look(self, running: Running, view: View) -> bool:
        """Look after all; return whether they have done what they came for. Called several times a second."""

    async def stop(self) -> None:
        """End all, whatever happened before."""


class Nobody:
    """A run without guests."""

    ready = True

    async def start(self) -> None:
        """Nothing to start."""

    async def go(self, clock: Clock) -> None:
        """Nobody needs a clock."""

    async def look(self, running: Running, view: View) -> bool:  # noqa: ARG002 - it sees nothing
        """Nobody keeps the run waiting."""
        return True

    async def stop(self) -> None:
        """Nothing to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a run waits for its machine, real seconds."""

    ready_s: float = 180.0
    """For all processes together to start."""
    last_s: float = 20.0
    """For the last intervals, beyond their time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    state: State
    summary: Summary
    view: View
    """What was seen of the run."""
    facts: dict[str, Any]


async def run(
    deployment: Deployment, show: Show, guests: Guests | None = None, patience: Patience | None = None
) -> Outcome:
    """Run until the day is over, or SIGINT, SIGTERM or SIGHUP comes; no process is left behind in any case.

    Args:
        guests: who takes part beside the nodes.
        patience: if not the usual one.

    Raises:
        SupervisorError: a process cannot run, or does not get ready.
        InterruptedRunError: a signal came before the run had begun.
    """
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted.set)
    supervisor = Supervisor(deployment.nodes)
    watch = Watch(deployment)
    guests, patience = guests or Nobody(), patience or Patience()
    try:
        supervisor.start()
        await guests.start()
        await _until_ready(supervisor, guests, patience.ready_s, interrupted, show)
        clock = Clock(
            start_real_ms=time.time_ns() // 1_000_000,
            start_virtual_ms=deployment.cast.start_ms,
            speed=deployment.staging.speed,
        )
        supervisor.go(clock)
        await guests.go(clock)
        running = Running(deployment=deployment, supervisor=supervisor, clock=clock)
        _write(deployment.folder / "up.json", running.facts(State.RUNNING, None))
        show.begun(running)
        state = await _until_over(running, watch, interrupted, show, guests, patience.last_s)
    finally:
        await guests.stop()
        await supervisor.stop()
    view = watch.look()
    summary = summary_of(view, deployment.cast, supervisor.restarts, elsewhere=deployment.elsewhere)
    facts = running.facts(state, summary)
    _write(deployment.folder / "up.json", facts)
    return Outcome(state=state, summary=summary, view=view, facts=facts)


async def _until_ready(
    supervisor: Supervisor, guests: Guests, ready_s: float, interrupted: asyncio.Event, show: Show
) -> None:
    loop = asyncio.get_running_loop()
    deadline_s, total = loop.time() + ready_s, supervisor.total
    while supervisor.ready < total or not guests.ready:
        show.starting(supervisor.ready, total)
        await supervisor.pause(_LOOK_S)
        if interrupted.is_set():
            raise InterruptedRunError("interrupted before all processes were ready")
        if loop.time() >= deadline_s:
            whose = "" if guests.ready else "; not all devices are ready"
            raise SupervisorError(
                f"{supervisor.ready} of {total} processes were ready after {ready_s:.0f} s, expected all{whose}"
            )
    show.starting(total, total)


async def _until_over(
    running: Running, watch: Watch, interrupted: asyncio.Event, show: Show, guests: Guests, last_s: float
) -> State:
    """Watch until everything that the day asks for has happened, or has had its time."""
    cast, clock = running.deployment.cast, running.clock
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + clock.real_seconds_until(cast.end_ms) + last_s
    while not interrupted.is_set():
        view = watch.look()
        show.progress(running, view)
        done = await guests.look(running, view)
        over = done and clock.now_ms() >= cast.end_ms and is_complete(view, running)
        if over or loop.time() >= deadline_s:
            return State.ENDED
        await running.supervisor.pause(_LOOK_S)
    return State.INTERRUPTED


def is_complete(view: View, running: Running) -> bool:
    """Whether every interval is final and every copy of the chain goes that far, the meters' included."""
    cast = running.deployment.cast
    return len(view.finals) == cast.scenario.intervals and not view.behind(
        copies_of(cast, running.deployment.elsewhere)
    )


def _write(path: Path, document: dict[str, Any]) -> None:
    """Replace a file as a whole, so that no reader ever sees half of it."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)
