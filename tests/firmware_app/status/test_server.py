"""The page's server against browsers, scrapers, and those who mean ill."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.status import page
from firmware_app.status.params import StatusParams
from firmware_app.status.server import MAX_REQUEST, WRONG_S, Request, StatusServer, read_request
from firmware_app.status.shown import Shown
from firmware_app.status.style import CSS_HASH
from tests.status_kit import TRADING

NOW_MS = TRADING.made_monotonic_ms
PASSWORD = "a long enough password"  # noqa: S105 - of this test alone


def showing(*, age_ms: int = 0) -> Shown:
    shown = Shown(lambda: NOW_MS + age_ms)
    shown.update(TRADING)
    return shown


def play(act: Callable[[int], Awaitable[Any]], shown: Shown | None = None, **params: Any) -> Any:
    """Run a server on a free port while `act` talks to it."""
    password = params.pop("password", "")

    async def running() -> Any:
        server = StatusServer(StatusParams(port=0, **params), shown or showing(), password)
        port = await server.start()
        try:
            async with asyncio.timeout(30):
                return await act(port)
        finally:
            await server.stop()

    return asyncio.run(running())


async def raw(port: int, request: bytes) -> bytes:
    """Send bytes, and read until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def got(path: str, shown: Shown | None = None, *, method: str = "GET", **params: Any) -> Any:
    """What a client of the standard library gets: status, headers, body."""
    headers = params.pop("headers", {})

    def fetch(port: int) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    return play(lambda port: asyncio.to_thread(fetch, port), shown, **params)


def test_the_page_comes_with_a_policy_that_allows_its_sheet_alone() -> None:
    status, headers, body = got("/")
    assert status == 200
    assert body.decode() == page.render(showing().snapshot or TRADING)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src '{CSS_HASH}'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_the_document_and_the_metrics() -> None:
    status, headers, body = got("/status.json?pretty=1", showing(age_ms=1_500))
    document = json.loads(body)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert list(document)[:2] == ["schema", "age_ms"]
    assert (document["schema"], document["age_ms"]) == ("gridlight.status/1", 1_500)
    status, headers, body = got("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"gridlight_up_seconds" in body


def test_head_has_the_length_and_no_body() -> None:
    status, headers, body = got("/", method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 5_000


@pytest.mark.parametrize(
    "path", ["/../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd", "/status.json/", "/index.html"]
)
def test_no_path_leads_anywhere_else(path: str) -> None:
    assert got(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_nothing_can_be_changed(method: str) -> None:
    status, headers, _ = got("/", method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_stale_snapshot_is_said_to_be_stale() -> None:
    assert b"41 s ago: the device does not renew it" in got("/", showing(age_ms=41_000))[2]


def test_the_page_is_there_when_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Shown(lambda: 0)
    empty.fail("the configuration is wrong: line 3")
    status, _, body = got("/", empty)
    assert (status, b"line 3" in body) == (503, True)
    assert got("/status.json", empty)[0] == got("/metrics", empty)[0] == 503

    def broken(*_: object, **__: object) -> str:
        raise RuntimeError("no drawing")

    monkeypatch.setattr(page, "render", broken)
    status, _, body = got("/")
    assert (status, b"RuntimeError: no drawing" in body) == (500, True)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8480", "", "127.0.0.1.evil.example"])
def test_a_browser_led_here_by_another_site_is_refused(host: str) -> None:
    assert got("/", headers={"Host": host})[0] == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8480", "127.0.0.1:1", "[::1]:8480", "[::1]"])
def test_the_boards_own_names_are_served(host: str) -> None:
    assert got("/", headers={"Host": host})[0] == 200


def basic(words: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(words.encode()).decode()}


def test_a_password_is_asked_for_wherever_one_is_set() -> None:
    status, headers, body = got("/status.json", password=PASSWORD)
    assert (status, "Basic" in headers["WWW-Authenticate"]) == (401, True)
    assert b"meter-0427" not in body
    assert got("/", password=PASSWORD, headers=basic(f"gridlight:{PASSWORD}"))[0] == 200
    began_s = time.monotonic()
    for wrong in (basic("gridlight:guess"), basic(f"root:{PASSWORD}"), {"Authorization": "Basic %%%"}):
        assert got("/", password=PASSWORD, headers=wrong)[0] == 401
    assert time.monotonic() - began_s >= 3 * WRONG_S


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::"])  # noqa: S104 - refused is the point
def test_anything_wider_without_a_password_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"can be reached from elsewhere: set status\.password_file"):
        StatusParams(host=host)
    assert not StatusParams(host=host, password_file="page.password").is_local  # noqa: S106 - names a file


@pytest.mark.parametrize(
    "wrong", [{"host": "localhost"}, {"port": -1}, {"connections": 0}, {"timeout_s": 0}, {"socket": "here"}]
)
def test_settings_outside_their_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"status\."):
        StatusParams(**wrong)


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"400"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", b"400"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /" + b"a" * MAX_REQUEST + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"", b"400"),
    ],
)
def test_what_is_no_request_is_refused(request_: bytes, status: bytes) -> None:
    answer = play(lambda port: raw(port, request_))
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_who_is_slow_or_one_too_many_is_let_go_and_the_next_is_served() -> None:
    async def act(port: int) -> bytes:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""  # no place left
        writer.close()
        for waiting, _ in idle:  # their time is over after a second
            with contextlib.suppress(ConnectionResetError):
                assert await waiting.read() == b""
        for _, each in idle:
            each.close()
        return await raw(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert play(act, connections=2, timeout_s=1).startswith(b"HTTP/1.1 200")


LINES = st.lists(
    st.sampled_from(
        [b"GET", b"/", b" ", b"HTTP/1.1", b"\r\n", b"\r", b"\n", b":", b"Host", b"\x00", b"\xff", b"a"]
    ),
    max_size=20,
).map(b"".join)


@given(LINES | st.binary(max_size=120))
def test_no_bytes_upset_the_reader_of_requests(head: bytes) -> None:
    request = read_request(head)
    assert request is None or request.path.startswith("/")


@given(
    st.sampled_from(["GET", "HEAD", "get", "X"]),
    st.text(max_size=20).map(lambda text: "/" + text),
    st.dictionaries(st.sampled_from(["host", "authorization"]), st.text(max_size=30)),
)
def test_every_request_has_an_answer(method: str, path: str, headers: dict[str, str]) -> None:
    server = StatusServer(StatusParams(), showing(), PASSWORD)
    reply = server.reply(Request(method, path, headers))
    assert reply.status.value in {401, 405, 421}
    assert re.match(r"text/plain", reply.content_type)


def test_a_storm_of_rubbish_leaves_the_server_standing() -> None:
    async def act(port: int) -> bytes:
        storm = [bytes([seed % 256]) * (seed * 37 % 9_000) for seed in range(60)]
        for rubbish in storm:
            try:
                await raw(port, rubbish)
            except OSError:
                continue
        return await raw(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert play(act).startswith(b"HTTP/1.1 200")
