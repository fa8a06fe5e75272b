"""Kills processes of a live run at random moments, as a power cut would: SIGKILL, no warning, no clean-up."""

import asyncio
import os
import signal
from dataclasses import dataclass, field
from random import Random
from typing import Final

from testbed.live.up import Running, Show
from testbed.live.watching import View

_KILLING_PERCENT: Final = 80
"""Kills fall into this part of a run, so that everything can come back before the end."""
_TOGETHER_PERCENT: Final = 5
"""So often the power of all miners fails at once."""
_AGAIN_S: Final = 0.05


@dataclass(slots=True, kw_only=True)
class Killer:
    """Watches a run like a display, hands everything on to one, and kills."""

    show: Show
    kills: int
    chance: Random
    killed: list[str] = field(default_factory=list)
    """Names of the processes in the order in which they were killed."""
    pending: list[asyncio.TimerHandle] = field(default_factory=list)

    def starting(self, ready: int, total: int) -> None:
        """Some of the processes are ready."""
        self.show.starting(ready, total)

    def begun(self, running: Running) -> None:
        """Draw all moments."""
        self.show.begun(running)
        loop = asyncio.get_running_loop()
        whole_s = running.clock.real_seconds_until(running.deployment.cast.end_ms)
        for _ in range(self.kills):
            after_s = self.chance.random() * whole_s * _KILLING_PERCENT / 100
            self.pending.append(loop.call_later(after_s, self._kill, running))

    def progress(self, running: Running, view: View) -> None:
        """Called several times a second."""
        self.show.progress(running, view)

    def _kill(self, running: Running) -> None:
        """Kill one process that is up, or all miners; if there is none, try again soon."""
        if len(self.killed) >= self.kills:
            return
        up = running.supervisor.pids
        miners = [name for name in running.deployment.cast.miner_names if name in up]
        chosen = [self.chance.choice(sorted(up))] if up else []
        if miners and self.chance.randrange(100) < _TOGETHER_PERCENT:
            chosen = miners[: self.kills - len(self.killed)]
        if not chosen:
            loop = asyncio.get_running_loop()
            self.pending.append(loop.call_later(_AGAIN_S, self._kill, running))
        for name in chosen:
            os.kill(up[name], signal.SIGKILL)
            self.killed.append(name)
