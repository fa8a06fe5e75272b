"""The windows through which the device is looked at: the status page and the control socket, as one part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from firmware_app.journal import Journal
from firmware_app.management.part import FleetPart
from firmware_app.meters.relay import Relay
from firmware_app.status.control import ControlServer, Handler, status_handler
from firmware_app.status.params import StatusParams
from firmware_app.status.server import StatusServer
from firmware_app.status.shown import Shown
from firmware_app.status.snapshot import Snapshot

_LOOK_S: Final = 1.0
_PROBE_EVERY: Final = 30
"""So many looks between two questions of our own."""


def handlers_of(
    shown: Shown, journal: Journal, relay: Relay, fleet: FleetPart | None = None
) -> Mapping[str, Handler]:
    """What can be asked through the control socket: how the device fares, what it wrote lately, what it reads.

    Of a device in a fleet also how its configuration stands.
    """

    async def recent(_: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        for event in tuple(journal.recent):
            yield {"kind": event.kind, "level": event.level.name.lower(), "message": event.message}

    handlers = {"status": status_handler(shown), "journal": recent, "read": relay.handle}
    return handlers if fleet is None else {**handlers, "fleet": fleet.answer}


async def keep_windows(
    params: StatusParams,
    page: StatusServer,
    handlers: Mapping[str, Handler],
    look: Callable[[], Snapshot],
    fresh: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Show the device until the event is set; one life of the part.

    Args:
        page: not started yet.
        handlers: what can be asked through the control socket, see `handlers_of`.
        look: makes a snapshot.
        fresh: is told that a question of our own was answered.

    Raises:
        OSError: a port or a path cannot be listened on.
        CommandError: another service listens there.
    """
    control = ControlServer(params, handlers)
    await control.start()
    try:
        if params.enabled:
            await page.start()
        await _show(params, page.shown, look, fresh, stop)
    finally:
        await page.stop()
        await control.stop()


async def _show(
    params: StatusParams,
    shown: Shown,
    look: Callable[[], Snapshot],
    fresh: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    looks = 0
    while not stop.is_set():
        shown.update(look())
        if looks % _PROBE_EVERY == 0:
            await _ask_ourselves(params)
            fresh()
        looks += 1
        try:
            await asyncio.wait_for(stop.wait(), _LOOK_S)
        except TimeoutError:
            continue


async def _ask_ourselves(params: StatusParams) -> None:
    """One request through the control socket, as the commands make it.

    Raises:
        OSError: it is not answered in time.
    """
    async with asyncio.timeout(params.timeout_s):
        reader, writer = await asyncio.open_unix_connection(params.socket, limit=1 << 20)
        try:
            writer.write(b'{"schema": "gridlight.control/1", "ask": "status", "with": {}}\n')
            await writer.drain()
            if not await reader.readline():
                raise ConnectionResetError("the control socket hung up")
        finally:
            writer.close()
