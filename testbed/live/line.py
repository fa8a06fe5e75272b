"""A line between a device and a server of the tier that can be cut: to the device the tier is gone, to nobody else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from light_client.transport.node import Address

_CHUNK = 1 << 16


class Line:
    """Passes bytes on between a port of its own and an endpoint. Needs a running event loop."""

    def __init__(self, to: Address) -> None:
        """Bind the far end; nothing listens before `open`."""
        self._to = to
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._is_cut = False

    async def open(self) -> Address:
        """Listen; return where the device is to dial. The key is the server's own: the line cannot read a word."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return replace(self._to, endpoint=f"tcp://127.0.0.1:{port}")

    def cut(self) -> None:
        """Hang up, and let nobody through until `mend`."""
        self._is_cut = True
        for task in self._passing:
            task.cancel()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def close(self) -> None:
        """Hang up for good."""
        self.cut()
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _connected(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass(near, near_out))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        with suppress(asyncio.CancelledError, OSError):
            await task

    async def _pass(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        try:
            if self._is_cut:
                return
            there = urlsplit(self._to.endpoint)
            far, far_out = await asyncio.open_connection(there.hostname, there.port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(near, far_out))
                    both.create_task(_pump(far, near_out))
            except* OSError:
                pass  # either end has hung up, and so does the line
            finally:
                far_out.close()
        finally:
            near_out.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass on what comes until it ends, then hang up: ZeroMQ never closes one direction alone."""
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
    raise ConnectionResetError("one end has hung up")
