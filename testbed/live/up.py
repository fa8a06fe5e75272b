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
_READY_S: Final = 180.0
"""How long all processes together may take to start, real seconds."""
_LAST_S: Final = 20.0
"""How long the last intervals may take beyond their time, real seconds."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    state: State
    summary: Summary
    facts: dict[str, Any]


async def run(deployment: Deployment, show: Show) -> Outcome:
    """Run until the day is over, or SIGINT, SIGTERM or SIGHUP comes; no process is left behind in any case.

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
    try:
        supervisor.start()
        await _until_ready(supervisor, len(deployment.nodes), interrupted, show)
        clock = Clock(
            start_real_ms=time.time_ns() // 1_000_000,
            start_virtual_ms=deployment.cast.start_ms,
            speed=deployment.staging.speed,
        )
        supervisor.go(clock)
        running = Running(deployment=deployment, supervisor=supervisor, clock=clock)
        _write(deployment.folder / "up.json", running.facts(State.RUNNING, None))
        show.begun(running)
        state = await _until_over(running, watch, interrupted, show)
    finally:
        await supervisor.stop()
    summary = summary_of(watch.look(), deployment.cast, supervisor.restarts)
    facts = running.facts(state, summary)
    _write(deployment.folder / "up.json", facts)
    return Outcome(state=state, summary=summary, facts=facts)


async def _until_ready(supervisor: Supervisor, total: int, interrupted: asyncio.Event, show: Show) -> None:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + _READY_S
    while supervisor.ready < total:
        show.starting(supervisor.ready, total)
        await supervisor.pause(_LOOK_S)
        if interrupted.is_set():
            raise InterruptedRunError("interrupted before all processes were ready")
        if loop.time() >= deadline_s:
            raise SupervisorError(
                f"{supervisor.ready} of {total} processes were ready after {_READY_S:.0f} s, expected all"
            )
    show.starting(total, total)


async def _until_over(running: Running, watch: Watch, interrupted: asyncio.Event, show: Show) -> State:
    """Watch until everything that the day asks for has happened, or has had its time."""
    cast, clock = running.deployment.cast, running.clock
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + clock.real_seconds_until(cast.end_ms) + _LAST_S
    while not interrupted.is_set():
        view = watch.look()
        show.progress(running, view)
        over = clock.now_ms() >= cast.end_ms and is_complete(view, running)
        if over or loop.time() >= deadline_s:
            return State.ENDED
        await running.supervisor.pause(_LOOK_S)
    return State.INTERRUPTED


def is_complete(view: View, running: Running) -> bool:
    """Whether every interval is final and every copy of the chain goes that far, the meters' included."""
    cast = running.deployment.cast
    ours = {actor for node in running.deployment.nodes for actor in node.actors}
    copies = [name for name in copies_of(cast) if name in ours]
    return len(view.finals) == cast.scenario.intervals and not view.behind(copies)


def _write(path: Path, document: dict[str, Any]) -> None:
    """Replace a file as a whole, so that no reader ever sees half of it."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)
