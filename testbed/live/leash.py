"""The leash between a supervisor and a process: its standard input and output.

    process     writes READY when everything is built and only the clock is missing
    supervisor  writes the clock, one line of JSON as in a node file
    supervisor  closes the pipe, or dies: the process ends, and is ended if it cannot

So all processes begin together however long each takes to start, and none outlives its supervisor, whatever ended
that one.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from firmware_app.runtime.clock import Clock
from testbed.live.nodefile import NodeFileError, clock_of

READY: Final = b"ready\n"
_GRACE_S: Final = 5.0
"""How long a process may take to end by itself once its supervisor is gone."""
_GONE: Final = 1
_LINE_BYTES: Final = 4_096


class Leash:
    """The process's end. Needs a running event loop."""

    def __init__(self, stop: asyncio.Event) -> None:
        """Hold on; set `stop` when the supervisor lets go."""
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._line: asyncio.Future[bytes] = self._loop.create_future()
        threading.Thread(target=self._watch, name="leash", daemon=True).start()

    async def clock(self) -> Clock | None:
        """Say that everything is ready and wait for the clock; None if there is nothing to run any more.

        Raises:
            NodeFileError: what came is no clock.
        """
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        stopping = asyncio.ensure_future(self._stop.wait())
        either: set[asyncio.Future[Any]] = {self._line, stopping}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._stop.is_set() or not self._line.done():
            return None
        stopping.cancel()
        try:
            return clock_of(json.loads(self._line.result()))
        except ValueError as error:
            raise NodeFileError(f"the supervisor handed over no clock: {error}") from error

    def _watch(self) -> None:
        """Read until the pipe ends; then see to it that the process ends too.

        A thread, since the loop may be busy or hang; plain reads, since a lock on `sys.stdin` would trouble the exit.
        """
        line = b""
        while chunk := os.read(sys.stdin.fileno(), _LINE_BYTES):
            if not line.endswith(b"\n"):
                line += chunk
                if line.endswith(b"\n"):
                    self._call(self._line.set_result, line)
        self._call(self._stop.set)
        time.sleep(_GRACE_S)
        os._exit(_GONE)

    def _call(self, function: Callable[..., object], *values: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process is ending already
            self._loop.call_soon_threadsafe(function, *values)
