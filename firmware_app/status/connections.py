"""The connections of one server: so many at a time, each let go when it fails, and all when the server stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Deals with one connection; `OSError` and `TimeoutError` end it."""


class Connections:
    """Bounds what `asyncio` would accept without end."""

    def __init__(self, most: int, answer: Answer) -> None:
        """Allow `most` connections at a time."""
        self._most = most
        self._answer = answer
        self._open: set[asyncio.Task[None]] = set()
        self.served = 0
        """Connections dealt with to their end."""
        self.turned_away = 0
        """Connections that found all places taken."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What a server calls for each connection."""
        task = asyncio.current_task()
        if task is None or len(self._open) >= self._most:
            self.turned_away += 1
            writer.transport.abort()
            return
        self._open.add(task)
        try:
            await self._answer(reader, writer)
            self.served += 1
        except (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def stop(self, server: asyncio.Server) -> None:
        """Listen no more, and let go of whoever is still there."""
        server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await server.wait_closed()
