"""Readings for whoever asks the running service, which owns the buses: `gridlight read` without a port.

Each watcher has a short queue of its own, so that one that does not read holds up neither a bus nor another watcher.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from firmware_app.command_line import likely
from firmware_app.console import CommandError
from firmware_app.meters import table
from meter_io.bus.dialogue import Said
from meter_io.errors import MeterError
from meter_io.reading import Reading

QUEUE: Final = 8
"""Reports that wait for one watcher; the oldest goes when there are more."""


class Relay:
    """Passes on what the meters say. To be used on the event loop alone."""

    def __init__(self, meters: Mapping[str, tuple[str, str]]) -> None:
        """Begin with nothing said.

        Args:
            meters: name -> (title of its profile, where it is).
        """
        self._meters = dict(meters)
        self._last: dict[str, dict[str, Any]] = {}
        self._watchers: set[tuple[str, asyncio.Queue[dict[str, Any]]]] = set()

    def hear(self, meter: str, said: Said, reading: Reading, took_ms: int) -> None:
        """A round ended well."""
        self._tell(meter, table.document(said, reading, where=self._where(meter), took_ms=took_ms))

    def miss(self, meter: str, error: MeterError) -> None:
        """A round failed."""
        failure = {"message": error.sentence, "next": error.hint or None}
        self._tell(meter, {**self._where(meter), "ok": False, "error": failure})

    async def handle(self, given: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """The handler of `read` for the control socket: the last report at once, then each new one.

        Args:
            given: `meter`, a name; the first one if there is none.
        """
        meter = self._named(given.get("meter"))
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE)
        watcher = (meter, queue)
        self._watchers.add(watcher)
        try:
            if meter in self._last:
                yield self._last[meter]
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(watcher)

    def _named(self, name: object) -> str:
        if name is None and self._meters:
            return next(iter(self._meters))
        if not isinstance(name, str) or name not in self._meters:
            known = ", ".join(self._meters)
            raise CommandError(
                f"the service reads no meter {name!r}.{likely(str(name), self._meters)}",
                hint=f"it reads {known}" if known else "add one to the configuration",
            )
        return name

    def _where(self, meter: str) -> dict[str, Any]:
        title, place = self._meters[meter]
        return {"meter": meter, "profile": title, "port": place, "address": None}

    def _tell(self, meter: str, report: dict[str, Any]) -> None:
        self._last[meter] = report
        for name, queue in self._watchers:
            if name == meter:
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(report)
