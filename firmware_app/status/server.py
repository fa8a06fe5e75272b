"""The page's server: three addresses, GET and nothing else, on asyncio.

    GET /              the page
    GET /status.json   gridlight.status/1
    GET /metrics       for Prometheus

There are no files behind it, so that no path leads anywhere. Request, time and number of connections are bounded.
A browser that was led here by another site (DNS rebinding) is refused by the name that it asks for.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from firmware_app.status.connections import Connections
from firmware_app.status.params import StatusParams
from firmware_app.status.shown import Shown
from firmware_app.status.style import CSS_HASH

MAX_REQUEST: Final = 4_096
"""Bytes of a request line and its headers."""
WRONG_S: Final = 1.0
"""How long the answer to a wrong password takes, seconds."""
_USER: Final = "gridlight"
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_POLICY: Final = (
    f"default-src 'none'; style-src '{CSS_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Reply(NamedTuple):
    """An answer."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Request(NamedTuple):
    """What was asked for."""

    method: str
    path: str
    headers: Mapping[str, str]


def read_request(head: bytes) -> Request | None:
    """Read the head of an HTTP/1.x request; None if it is none.

    Args:
        head: untrusted bytes up to and with the empty line.
    """
    try:
        first, *lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        return None
    words = first.split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.0", "HTTP/1.1"} or not words[1].startswith("/"):
        return None
    headers: dict[str, str] = {}
    for line in lines:
        if line:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip() or name.lower() in headers:
                return None
            headers[name.lower()] = value.strip()
    return Request(words[0], words[1].partition("?")[0], headers)


class StatusServer:
    """Answers browsers and Prometheus."""

    def __init__(self, params: StatusParams, shown: Shown, password: str = "") -> None:
        """Bind what is shown; nothing listens before `start`.

        Args:
            password: without one everybody who reaches the page may see it.
        """
        self._params = params
        self._password = password
        self.shown = shown
        self.connections = Connections(params.connections, self._serve)
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the address is taken, or not one of this board.
        """
        self._server = await asyncio.start_server(
            self.connections.serve, self._params.host, self._params.port, limit=MAX_REQUEST, backlog=16
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Listen no more; what is being answered is let go."""
        if self._server is not None:
            await self.connections.stop(self._server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, one answer."""
        async with asyncio.timeout(self._params.timeout_s):
            reply, with_body = await self._answer(reader)
            writer.write(head(reply, _POLICY) + (reply.body if with_body else b""))
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[Reply, bool]:
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), True
        except asyncio.IncompleteReadError:
            return refusal(HTTPStatus.BAD_REQUEST), True
        request = read_request(raw)
        if request is None:
            return refusal(HTTPStatus.BAD_REQUEST), True
        reply = self.reply(request)
        if reply.status is HTTPStatus.UNAUTHORIZED and "authorization" in request.headers:
            await asyncio.sleep(WRONG_S)  # a guess costs time, and one of few places
        return reply, request.method != "HEAD"

    def reply(self, request: Request) -> Reply:
        """Decide on one request."""
        if self._params.is_local and not is_local_name(request.headers.get("host", "")):
            return refusal(HTTPStatus.MISDIRECTED_REQUEST)
        if request.method not in {"GET", "HEAD"}:
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED)._replace(headers=(("Allow", "GET, HEAD"),))
        if self._password and not self._knows_password(request.headers.get("authorization", "")):
            asks = (("WWW-Authenticate", 'Basic realm="gridlight", charset="UTF-8"'),)
            return refusal(HTTPStatus.UNAUTHORIZED)._replace(headers=asks)
        answers = {"/": self._page, "/status.json": self._document, "/metrics": self._metrics}
        answer = answers.get(request.path)
        return refusal(HTTPStatus.NOT_FOUND) if answer is None else answer()

    def _knows_password(self, authorization: str) -> bool:
        kind, _, credentials = authorization.partition(" ")
        try:
            given = base64.b64decode(credentials, validate=True)
        except (binascii.Error, ValueError):
            return False
        expected = f"{_USER}:{self._password}".encode()
        return kind.lower() == "basic" and hmac.compare_digest(given, expected)

    def _page(self) -> Reply:
        """The page; if it cannot be drawn, one that says so."""
        from firmware_app.status import page  # noqa: PLC0415 - for who looks

        snapshot = self.shown.snapshot
        status = HTTPStatus.OK
        try:
            if snapshot is None:
                status, text = HTTPStatus.SERVICE_UNAVAILABLE, page.failed(self.shown.problem)
            else:
                text = page.render(snapshot, age_ms=self.shown.age_ms)
        except Exception as error:  # noqa: BLE001 - the page must render when everything else failed
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            text = page.failed(f"the page cannot be drawn: {type(error).__name__}: {error}")
        return Reply(status, "text/html; charset=utf-8", text.encode("utf-8", "replace"))

    def _document(self) -> Reply:
        document = self.shown.document()
        if document is None:
            document = {"schema": "gridlight.error/1", "error": {"code": 1, "message": self.shown.problem}}
            status = HTTPStatus.SERVICE_UNAVAILABLE
        else:
            status = HTTPStatus.OK
        return Reply(status, "application/json", json.dumps(document, ensure_ascii=False).encode())

    def _metrics(self) -> Reply:
        from firmware_app.status import metrics  # noqa: PLC0415 - likewise

        snapshot = self.shown.snapshot
        if snapshot is None:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE)
        text = metrics.render(snapshot, age_ms=self.shown.age_ms)
        return Reply(HTTPStatus.OK, metrics.CONTENT_TYPE, text.encode())


def is_local_name(host: str) -> bool:
    """Whether a browser asks for this very machine."""
    name = (
        host
        if host.endswith("]")
        else host.rsplit(":", 1)[0]
        if host.count(":") == 1 or "]:" in host
        else host
    )
    return name.lower() in _LOCAL_NAMES


def refusal(status: HTTPStatus) -> Reply:
    """An answer that is a status alone."""
    return Reply(status, "text/plain; charset=utf-8", f"{status.value} {status.phrase}\n".encode())


def head(reply: Reply, policy: str) -> bytes:
    """Status line and headers of an answer."""
    headers = (
        ("Content-Type", reply.content_type),
        ("Content-Length", str(len(reply.body))),
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
        *reply.headers,
    )
    lines = [
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")
