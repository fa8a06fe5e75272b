"""Brings the files that bundles wait for, and has firmware installed: beside the part's ticking, since both take long.

One thing at a time: a restart before an installation, that before a file that has all its chunks, that before asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from firmware_app.fleet.attachment import Want
from firmware_app.fleet.events import Fetched
from firmware_app.management.attachments import Fetcher
from firmware_app.management.steward import Steward
from firmware_app.management.updater import UpdaterError

RETRY_MS: Final = 60_000
"""From a restart that was refused to the next attempt."""
_LOOK_MS: Final = 10_000
"""A stick is looked at so often while a file is missing."""


class Supply:
    """Of one life of the part."""

    def __init__(self, steward: Steward, stick: str) -> None:
        """Nothing is under way.

        Args:
            stick: where one is mounted; empty: nowhere.
        """
        self._steward = steward
        self._stick = Path(stick) if stick else None
        self._fetcher = Fetcher(steward.attachments, steward.note)
        self._work: asyncio.Task[None] | None = None
        self._not_before_ms = 0
        self._looked_ms: int | None = None
        steward.sweep()

    def tick(self, now_ms: int, ask: Callable[[Want], bool]) -> None:
        """Look after it once a second.

        Args:
            now_ms: monotonic ms.
            ask: sends a wish to the operator; returns whether it went.
        """
        if self._work is not None:
            if not self._work.done():
                return
            self._work.result()
            self._work = None
        steward, fetcher = self._steward, self._fetcher
        fetcher.want(steward.wanted_files)
        if steward.restart is not None:
            if now_ms >= self._not_before_ms:
                self._not_before_ms = now_ms + RETRY_MS
                self._begin(self._restart(steward.restart.back_to))
        elif steward.installing is not None:
            self._begin(self._install(steward.attachments.file(steward.installing)))
        elif fetcher.is_complete:
            self._begin(self._finish(fetcher.finish))
        elif steward.wanted_files and self._is_stick_due(now_ms):
            self._begin(self._finish(self._from_stick))
        else:
            self.ask(now_ms, ask)

    def ask(self, now_ms: int, ask: Callable[[Want], bool]) -> None:
        """Ask for what is to come next, if it is time."""
        want = self._fetcher.ask(now_ms) if self._work is None else None
        if want is not None and not ask(want):
            self._fetcher.connected()

    def hear(self, raw: bytes) -> None:
        """A chunk came."""
        if self._work is None:
            self._fetcher.hear(raw)

    def connected(self) -> None:
        """A connection begins."""
        self._fetcher.connected()

    async def end(self) -> None:
        """Wait for what is under way, which goes on after the next start if the power does not wait."""
        if self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)
        self._fetcher.close()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = asyncio.create_task(work)

    def _is_stick_due(self, now_ms: int) -> bool:
        if self._stick is None or (self._looked_ms is not None and now_ms - self._looked_ms < _LOOK_MS):
            return False
        self._looked_ms = now_ms
        return True

    def _from_stick(self) -> bool:
        return self._stick is not None and self._fetcher.look_at(self._stick)

    async def _finish(self, look: Callable[[], bool]) -> None:
        if await asyncio.to_thread(look):
            self._steward.take(Fetched())

    async def _install(self, firmware: Path) -> None:
        problem = await asyncio.to_thread(self._steward.updater.install, firmware)
        self._steward.installed(problem)

    async def _restart(self, back_to: str) -> None:
        try:
            await asyncio.to_thread(self._steward.updater.restart, back_to)
        except UpdaterError as error:
            self._steward.note("fleet.stuck", f"{error}; tries again")
