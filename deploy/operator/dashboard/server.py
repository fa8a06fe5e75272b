"""The dashboard's server: GET and nothing else, on this machine alone, in a thread with a connection of its own.

    GET /               the fleet
    GET /feeder/N       the meters of a feeder
    GET /rollout/vN     a rollout
    GET /device/NAME    a device
    GET /fleet.json     gridlight.fleet.status/1
    GET /metrics        for Prometheus

A browser that was led here by another site (DNS rebinding) is refused by the name that it asks for.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

from deploy.operator.controlling import version_of
from deploy.operator.dashboard import device, fleet, metrics, rollout
from deploy.operator.dashboard.style import POLICY
from deploy.operator.desk.devices import State
from deploy.operator.desk.folder import Desk, open_desk
from deploy.operator.desk.settings import PageParams
from deploy.operator.following import document_of_rollout
from deploy.operator.overview import condition, overview
from deploy.operator.showing import FLEET, device_document
from firmware_app.console import CommandError
from firmware_app.status.connections import Connections
from firmware_app.status.metrics import CONTENT_TYPE
from firmware_app.status.server import MAX_REQUEST, Reply, Request, head, is_local_name, read_request, refusal

_FRESH_S: Final = 1.0
"""So long the same picture of the fleet serves everybody who asks."""
_AUDIT: Final = 12
_START_S: Final = 10.0
_HTML: Final = "text/html; charset=utf-8"


class Pages:
    """From a path to an answer; reads the desk and writes nothing."""

    def __init__(self, desk: Desk, now_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._now_ms = now_ms
        self._overview: dict[str, Any] = {}
        self._made_ms = -1

    def reply(self, request: Request) -> Reply:
        """Answer one request."""
        if not is_local_name(request.headers.get("host", "")):
            return refusal(HTTPStatus.MISDIRECTED_REQUEST)
        if request.method not in {"GET", "HEAD"}:
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED)._replace(headers=(("Allow", "GET, HEAD"),))
        _, first, *rest = request.path.split("/", 3)
        try:
            if not rest:
                return self._single(first)
            answers = {"feeder": self._feeder, "rollout": self._rollout, "device": self._device}
            if len(rest) == 1 and first in answers:
                return answers[first](rest[0])
        except CommandError:
            pass
        return refusal(HTTPStatus.NOT_FOUND)

    def _single(self, name: str) -> Reply:
        if name == "":
            return self._fleet()
        if name == "metrics":
            text = metrics.render(
                self._seen(), served=self._desk.is_served, audit_entries=self._desk.audit.head().seq
            )
            return Reply(HTTPStatus.OK, CONTENT_TYPE, text.encode())
        if name == "fleet.json":
            body = json.dumps({"schema": FLEET, **self._seen()}, ensure_ascii=False)
            return Reply(HTTPStatus.OK, "application/json", body.encode())
        return refusal(HTTPStatus.NOT_FOUND)

    def _seen(self) -> dict[str, Any]:
        now_ms = self._now_ms()
        if self._made_ms < 0 or not 0 <= now_ms - self._made_ms < _FRESH_S * 1_000:
            self._overview, self._made_ms = overview(self._desk, now_ms), now_ms
        return self._overview

    def _fleet(self) -> Reply:
        seen = self._seen()
        cells = fleet.by_feeder(self._members()) if seen["devices"]["enrolled"] <= fleet.MAX_CELLS else {}
        return _page(fleet.render(seen, cells, self._desk.audit.newest(_AUDIT)))

    def _members(self) -> list[tuple[str, int, str]]:
        alarmed = {row.device for row in self._desk.inbox.alarms(most=100_000)}
        return [
            (each.name, each.feeder, condition(each, alarmed, self._now_ms()))
            for each in self._desk.devices.all()
            if each.state is State.ENROLLED
        ]

    def _feeder(self, words: str) -> Reply:
        members = fleet.by_feeder(self._members())
        feeder = int(words) if words.isascii() and words.isdecimal() and len(words) < 12 else -1
        if feeder not in members:
            return refusal(HTTPStatus.NOT_FOUND)
        return _page(fleet.render_feeder(feeder, members[feeder]))

    def _rollout(self, words: str) -> Reply:
        summary = self._desk.rollouts.of_version(version_of(words))
        return _page(rollout.render(document_of_rollout(self._desk, summary.id), self._now_ms()))

    def _device(self, name: str) -> Reply:
        found = self._desk.devices.named(name)
        alarmed = {row.device for row in self._desk.inbox.alarms(name) if row.ended_ms is None}
        word = condition(found, alarmed, self._now_ms())
        return _page(device.render(device_document(self._desk, found), word, self._now_ms()))


def _page(text: str) -> Reply:
    return Reply(HTTPStatus.OK, _HTML, text.encode("utf-8", "replace"))


class Dashboard:
    """The server in its thread; a context manager."""

    def __init__(self, folder: Path, params: PageParams, port: int | None = None) -> None:
        self._folder = folder
        self._params = params
        self._wanted = params.port if port is None else port
        self._thread = threading.Thread(target=self._live, name="dashboard", daemon=True)
        self._ready = threading.Event()
        self._problem = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.port = 0
        """Where it listens."""
        self.answered = 0
        """Requests so far."""

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            CommandError: the port is taken.
        """
        self._thread.start()
        self._ready.wait(_START_S)
        if self._problem or not self.port:
            why = self._problem or "no answer"
            raise CommandError(
                f"the dashboard cannot listen on {self._params.host} port {self._wanted}: {why}",
                hint="another --page-port, or --no-page",
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_S)

    def _live(self) -> None:
        try:
            asyncio.run(self._serve())
        except (OSError, CommandError) as error:
            self._problem = str(error)
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        desk = open_desk(self._folder)
        try:
            pages = Pages(desk, lambda: time.time_ns() // 1_000_000)
            connections = Connections(self._params.connections, lambda r, w: self._answer(pages, r, w))
            server = await asyncio.start_server(
                connections.serve, self._params.host, self._wanted, limit=MAX_REQUEST, backlog=16
            )
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()
            await connections.stop(server)
        finally:
            desk.close()

    async def _answer(self, pages: Pages, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._params.timeout_s):
            try:
                request = read_request(await reader.readuntil(b"\r\n\r\n"))
            except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
                request = None
            reply = refusal(HTTPStatus.BAD_REQUEST) if request is None else pages.reply(request)
            self.answered += 1
            is_head = request is not None and request.method == "HEAD"
            writer.write(head(reply, POLICY) + (b"" if is_head else reply.body))
            await writer.drain()
