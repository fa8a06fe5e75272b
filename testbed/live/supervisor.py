"""Keeps the processes of a run alive: starts them together, starts again what falls over, ends them all.

A process that ends without being asked to is started again after a pause, which doubles from 0.2 s to 5 s while it
keeps falling over, and begins anew once it has held for ten seconds. One whose node file is wrong will never run: then
the run ends.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import testbed
from firmware_app.runtime.clock import Clock
from testbed.live.deployment import Node
from testbed.live.leash import READY

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_HELD_S: Final = 10.0
_GOODBYE_S: Final = 5.0
"""How long a process may take to end once it was asked to."""
_WRONG_NODE_FILE: Final = 2
_ROOT: Final = Path(testbed.__file__).resolve().parent.parent


class SupervisorError(Exception):
    """The processes cannot be kept running; the sentence says which and why."""


@dataclass(slots=True, kw_only=True)
class _Child:
    """One process, whichever incarnation."""

    node: Node
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0


class Supervisor:
    """Runs the nodes. Needs a running event loop."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._children = {node.name: _Child(node=node) for node in nodes}
        self._clock: asyncio.Future[Clock] = asyncio.get_running_loop().create_future()
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def restarts(self) -> dict[str, int]:
        """How often each process was started again, for those that were."""
        return {name: child.restarts for name, child in self._children.items() if child.restarts}

    @property
    def pids(self) -> dict[str, int]:
        """Process numbers of those that are up."""
        return {
            name: child.process.pid
            for name, child in self._children.items()
            if child.process is not None and child.process.returncode is None
        }

    @property
    def total(self) -> int:
        """How many processes there are."""
        return len(self._children)

    @property
    def ready(self) -> int:
        """How many processes have built everything, and are up."""
        return sum(child.ready.is_set() for child in self._children.values())

    def start(self) -> None:
        """Start all processes; each waits for the clock when it is ready."""
        self._keepers = [asyncio.create_task(self._keep(child)) for child in self._children.values()]

    def go(self, clock: Clock) -> None:
        """Hand the clock to all, now and after each restart."""
        self._clock.set_result(clock)

    async def pause(self, seconds: float) -> None:
        """Sleep, and fail if it turns out that a process can never run.

        Raises:
            SupervisorError: that is so.
        """
        done, _ = await asyncio.wait(self._keepers, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for keeper in done:
            keeper.result()

    async def stop(self) -> None:
        """Ask all processes to end, wait, and end those that do not."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        running = [
            child.process
            for child in self._children.values()
            if child.process is not None and child.process.returncode is None
        ]
        for process in running:
            process.terminate()
        if running:
            ends = [asyncio.create_task(process.wait()) for process in running]
            await asyncio.wait(ends, timeout=_GOODBYE_S)
            for process in running:
                if process.returncode is None:
                    process.kill()
            await asyncio.wait(ends)

    async def _keep(self, child: _Child) -> None:
        """Start a process, again and again."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            began_s = loop.time()
            child.process = await _spawn(child.node)
            introduction = asyncio.create_task(self._introduce(child, child.process))
            try:
                code = await child.process.wait()
            finally:
                introduction.cancel()
            child.ready.clear()
            if code == _WRONG_NODE_FILE:
                raise SupervisorError(f"{child.node.name} cannot run: {last_line(child.node.log)}")
            child.restarts += 1
            pause_s = _FIRST_PAUSE_S if loop.time() - began_s >= _HELD_S else pause_s
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _introduce(self, child: _Child, process: asyncio.subprocess.Process) -> None:
        """Wait until the process is ready, then hand it the clock."""
        if process.stdout is None or process.stdin is None or await process.stdout.readline() != READY:
            return
        child.ready.set()
        clock = await asyncio.shield(self._clock)
        facts = {
            "start_real_ms": clock.start_real_ms,
            "start_virtual_ms": clock.start_virtual_ms,
            "speed": clock.speed,
        }
        try:
            process.stdin.write(json.dumps(facts).encode("ascii") + b"\n")
            await process.stdin.drain()
        except ConnectionError:  # it is gone already: then its end is noticed next
            return


async def _spawn(node: Node) -> asyncio.subprocess.Process:
    """Start a process in a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with node.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "testbed.live",
            str(node.path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )


def last_line(log: Path) -> str:
    """What a process said last."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else f"nothing in {log}"
