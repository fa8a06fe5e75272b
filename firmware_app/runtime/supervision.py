"""Keeps the parts of a program alive, each by itself: one that fails is started again, and the others go on.

    STARTING  --first turn of its loop-->      RUNNING
    RUNNING   --raises, or ends unasked-->     RESTING    1 s, doubling to 5 min; from 1 s again after a minute's work
    RUNNING   --restart asked for-->           RESTING    for the first pause
    RESTING   --pause over-->                  RUNNING    built anew, on what is durable
    any       --stop-->                        STOPPED    in the opposite order of their start

What a part is built of belongs to one life of it: ``Work`` makes all of it, and takes all of it down at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
HELD_S: Final = 60.0
"""After so much work in one life a part's next failure counts as its first."""
GOODBYE_S: Final = 10.0
"""How long a part may take to end once it was asked to."""

Work: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]
"""One life of a part: works until the event is set. Whatever it raises ends this life alone."""


class PartState(Enum):
    """How a part stands."""

    STARTING = "starting"
    RUNNING = "running"
    RESTING = "resting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """A part for people and programs."""

    name: str
    state: PartState
    failures: int
    """In a row."""
    lives: int
    """Since the start of the program."""
    why: str
    """Why its last life ended; empty if it never did."""
    pause_s: float
    """Length of its present rest; 0 while it works."""


class _Part:
    def __init__(self, name: str, work: Work) -> None:
        self.name = name
        self.work = work
        self.state = PartState.STARTING
        self.failures = self.lives = 0
        self.why = ""
        self.pause_s = 0.0
        self.stop = asyncio.Event()
        """Ends the present life."""
        self.task: asyncio.Task[None] | None = None


class Supervision:
    """Runs parts. Needs a running event loop."""

    def __init__(
        self,
        on_failure: Callable[[str, BaseException], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin with no part.

        Args:
            on_failure: is told the part's name and what it raised.
            sleep: waits, s.
        """
        self._on_failure = on_failure
        self._sleep = sleep
        self._parts: dict[str, _Part] = {}
        self._stopping = False

    def start(self, name: str, work: Work) -> None:
        """Take on a part, and keep it running until ``stop``.

        Raises:
            ValueError: there is one of this name.
        """
        if name in self._parts:
            raise ValueError(f"there is a part {name} already")
        part = self._parts[name] = _Part(name, work)
        part.task = asyncio.create_task(self._keep(part), name=f"part {name}")

    def restart(self, name: str, why: str) -> None:
        """End the present life of a part, so that it is built anew.

        Raises:
            KeyError: there is no such part.
        """
        part = self._parts[name]
        part.why = why
        part.stop.set()

    def report(self) -> tuple[PartStatus, ...]:
        """How each part stands, in the order of their start."""
        return tuple(
            PartStatus(
                name=part.name,
                state=part.state,
                failures=part.failures,
                lives=part.lives,
                why=part.why,
                pause_s=part.pause_s,
            )
            for part in self._parts.values()
        )

    async def stop(self) -> None:
        """End all parts, the last started first; one that does not end in time is cancelled."""
        self._stopping = True
        for part in reversed(self._parts.values()):
            part.stop.set()
            if part.task is not None:
                await asyncio.wait({part.task}, timeout=GOODBYE_S)
                part.task.cancel()
                await asyncio.gather(part.task, return_exceptions=True)
            part.state = PartState.STOPPED

    async def _keep(self, part: _Part) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            part.stop = asyncio.Event()
            part.state, part.pause_s = PartState.RUNNING, 0.0
            part.lives += 1
            began_s = loop.time()
            failure = await self._live(part)
            if self._stopping:
                return
            held = loop.time() - began_s >= HELD_S
            part.failures = 0 if failure is None else 1 if held else part.failures + 1
            part.state = PartState.RESTING
            part.pause_s = min(FIRST_PAUSE_S * 2 ** max(0, part.failures - 1), LONGEST_PAUSE_S)
            await self._rest(part)

    async def _live(self, part: _Part) -> BaseException | None:
        """One life; returns what ended it, or None if it was asked to end."""
        try:
            await part.work(part.stop)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a part's failure is its own: the others go on
            part.why = f"{type(error).__name__}: {error}"
            self._on_failure(part.name, error)
            return error
        if part.stop.is_set():
            return None
        unasked = RuntimeError("it ended without being asked to")
        part.why = str(unasked)
        self._on_failure(part.name, unasked)
        return unasked

    async def _rest(self, part: _Part) -> None:
        """Sleep, but no longer than until the end of the program."""
        part.stop = asyncio.Event()
        stopped = asyncio.ensure_future(part.stop.wait())
        slept = asyncio.ensure_future(self._sleep(part.pause_s))
        try:
            await asyncio.wait({stopped, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (stopped, slept):
                waiting.cancel()
            await asyncio.gather(stopped, slept, return_exceptions=True)
