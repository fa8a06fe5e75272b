"""Network lines that can be cut: between a board and a server, a relay on the loopback interface.

For boards that have no network of their own to take away. Bytes pass through as they are; a line that is cut hangs up,
and refuses whoever dials, until it is mended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

T = TypeVar("T")

_HOST: Final = "127.0.0.1"
_CHUNK: Final = 65_536
_ANSWER_S: Final = 10.0


@dataclass(slots=True, eq=False)
class _Line:
    """A port of this machine, and the server behind it."""

    host: str
    port: int
    server: asyncio.Server | None = None
    taken: int = 0
    """Its own port, kept while it is cut."""
    calls: set[asyncio.Task[None]] = field(default_factory=set)


class Lines:
    """All lines, in a thread of their own: whoever cuts one need not wait for what flows on the others."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lines: dict[str, list[_Line]] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._thread.start()

    def lay(self, whose: str, host: str, port: int) -> int:
        """Lay a line to a server; return the port of this machine at which it begins.

        Raises:
            OSError: no port is free.
        """
        line = _Line(host=host, port=port)
        self._wait(self._open(line))
        self._lines.setdefault(whose, []).append(line)
        return line.taken

    def cut(self, whose: str) -> None:
        """Cut all lines of somebody."""
        for line in self._lines.get(whose, ()):
            self._wait(_shut(line))

    def mend(self, whose: str) -> None:
        """Mend all lines of somebody."""
        for line in self._lines.get(whose, ()):
            self._wait(self._open(line))

    def close(self) -> None:
        """Cut all lines for good."""
        if self._loop.is_closed():
            return
        for whose in self._lines:
            self.cut(whose)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)

    async def _open(self, line: _Line) -> None:
        if line.server is not None:
            return

        def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(_relay(reader, writer, line))
            line.calls.add(task)
            task.add_done_callback(line.calls.discard)

        line.server = await asyncio.start_server(call, _HOST, line.taken, reuse_address=True)
        line.taken = line.server.sockets[0].getsockname()[1]


async def _shut(line: _Line) -> None:
    """Refuse new calls, and hang up."""
    if line.server is not None:
        line.server.close()
        line.server = None
    calls = list(line.calls)
    for task in calls:
        task.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line) -> None:
    """Be one connection until one side hangs up."""
    try:
        behind, before = await asyncio.open_connection(line.host, line.port)
    except OSError:
        writer.close()
        return
    flows = [asyncio.create_task(_flow(reader, before)), asyncio.create_task(_flow(behind, writer))]
    try:
        await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for flow in flows:
            flow.cancel()
        await asyncio.gather(*flows, return_exceptions=True)
        for side in (writer, before):
            side.transport.abort()


async def _flow(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
