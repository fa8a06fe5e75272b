"""The control socket and those who ask over it, on a real unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.console import CommandError, Exit
from firmware_app.status import client
from firmware_app.status.control import (
    MAX_ANSWER,
    SCHEMA,
    ControlServer,
    Handler,
    read_request,
    status_handler,
)
from firmware_app.status.params import StatusParams
from firmware_app.status.shown import Shown
from tests.status_kit import TRADING


@contextlib.contextmanager
def service(path: Path, handlers: Mapping[str, Handler], **params: Any) -> Iterator[ControlServer]:
    """A service in a thread of its own, as another process would be."""
    server = ControlServer(StatusParams(socket=str(path), **params), handlers)
    loop = asyncio.new_event_loop()
    started: threading.Event = threading.Event()
    ending: asyncio.Event = asyncio.Event()

    async def running() -> None:
        await server.start()
        started.set()
        await ending.wait()
        await server.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(running(),))
    thread.start()
    try:
        assert started.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(10)
        loop.close()


async def count(given: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    """Three answers."""
    for number in range(given.get("to", 3)):
        yield {"number": number}


async def refuse(_: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    """An answer, then a refusal."""
    yield {"number": 0}
    raise CommandError("the bus is busy", hint="wait")


async def break_down(_: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    """A bug."""
    yield {"number": 1 // 0}


async def think(_: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    """Never answers."""
    await asyncio.sleep(60)
    yield {}


async def swell(_: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    """Says too much."""
    yield {"text": "x" * MAX_ANSWER}


HANDLERS: dict[str, Handler] = {
    "count": count,
    "refuse": refuse,
    "break": break_down,
    "think": think,
    "swell": swell,
}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where a service with all handlers listens."""
    where = tmp_path / "control.sock"
    with service(where, HANDLERS):
        yield where


def test_answers_come_one_by_one(path: Path) -> None:
    assert list(client.ask(str(path), "count")) == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert list(client.ask(str(path), "count", {"to": 1})) == [{"number": 0}]
    assert list(client.ask(str(path), "count", {"to": 0})) == []


def test_the_status_is_answered_with_its_age(tmp_path: Path) -> None:
    shown = Shown(lambda: TRADING.made_monotonic_ms + 1_500)
    with service(tmp_path / "s", {"status": status_handler(shown)}):
        with pytest.raises(CommandError, match="the service is starting"):
            list(client.ask(str(tmp_path / "s"), "status"))
        shown.update(TRADING)
        (document,) = client.ask(str(tmp_path / "s"), "status")
    assert (document["schema"], document["age_ms"]) == ("gridlight.status/1", 1_500)


def test_owner_and_group_may_ask_and_nobody_else(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_the_socket_goes_with_the_service_and_a_dead_ones_is_replaced(tmp_path: Path) -> None:
    where = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(where))
    with service(where, HANDLERS):
        assert list(client.ask(str(where), "count", {"to": 1})) == [{"number": 0}]
        with pytest.raises(CommandError, match=r"listens on .* already"):
            asyncio.run(ControlServer(StatusParams(socket=str(where)), {}).start())
        assert list(client.ask(str(where), "count", {"to": 1})) == [{"number": 0}]
    assert not where.exists()


def test_a_folder_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(ControlServer(StatusParams(socket=str(tmp_path / "no" / "s")), {}).start())


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("refuse", "the bus is busy"),
        ("break", "a bug: ZeroDivisionError"),
        ("swell", "the answer is too long"),
        ("dance", "this release does not understand that"),
    ],
)
def test_what_goes_wrong_becomes_one_sentence(path: Path, question: str, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        list(client.ask(str(path), question))
    assert list(client.ask(str(path), "count", {"to": 1})) == [{"number": 0}]


def test_a_service_that_is_silent_is_not_waited_for(path: Path) -> None:
    with pytest.raises(CommandError, match=r"silent for 0\.2 s") as failed:
        list(client.ask(str(path), "think", timeout_s=0.2))
    assert failed.value.code == Exit.UNDECIDED


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(client.ServiceDownError, match="nobody listens"):
        list(client.ask(str(tmp_path / "none"), "status"))
    with pytest.raises(client.ServiceDownError, match="cannot be asked"):
        list(client.ask(str(tmp_path), "status") if os.geteuid() else client.ask("x" * 200, "status"))


def talk(path: Path, request: bytes) -> list[Any]:
    """Send bytes, and read all lines."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(10)
        asking.connect(str(path))
        asking.sendall(request)
        asking.shutdown(socket.SHUT_WR)
        with asking.makefile("rb") as answers:
            return [json.loads(line) for line in answers]


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"hello\n",
        b"[]\n",
        b'{"schema":"gridlight.control/2","ask":"count"}\n',
        b'{"schema":"gridlight.control/1","ask":["count"]}\n',
        b'{"schema":"gridlight.control/1","ask":"count","with":3}\n',
        b"x" * 9_000 + b"\n",
        b"[" * 3_000 + b"\n",
        b'{"schema":"gridlight.control/1"',
    ],
)
def test_what_is_no_request_is_refused_and_bounded(path: Path, request_: bytes) -> None:
    (answer,) = talk(path, request_)
    assert answer["schema"] == SCHEMA
    assert answer["error"]["message"]


def outcome(where: Path) -> str:
    """What comes of asking."""
    try:
        return str(len(list(client.ask(str(where), "count"))))
    except CommandError as error:
        return error.sentence


def test_places_are_bounded_and_come_back(tmp_path: Path) -> None:
    where = tmp_path / "s"
    with service(where, HANDLERS, connections=1, timeout_s=1):
        with socket.socket(socket.AF_UNIX) as holds:
            holds.connect(str(where))
            refused = [outcome(where) for _ in range(50)]
            assert "hung up" in " ".join(refused) or "does not speak" in " ".join(refused)
        for _ in range(100):
            if outcome(where) == "3":
                return
    pytest.fail("the place did not come back")


def test_who_hangs_up_gives_the_place_back_and_the_handler_learns_of_it(tmp_path: Path) -> None:
    left = threading.Event()

    async def wait(_: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        try:
            yield {}
            await asyncio.sleep(60)
        finally:
            left.set()

    where = tmp_path / "s"
    with service(where, {"wait": wait, **HANDLERS}, connections=1):
        for answer in client.ask(str(where), "wait"):
            assert answer == {}
            break
        assert left.wait(10)
        for _ in range(100):
            if outcome(where) == "3":
                return
    pytest.fail("the place did not come back")


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_line_upsets_the_reader_of_requests(line: bytes) -> None:
    assert read_request(line) is None


ANSWERS: list[tuple[bytes, str]] = [
    (b"", "does not speak"),
    (b"HTTP/1.1 200 OK\r\n", "does not speak"),
    (b'{"schema":"gridlight.control/2","end":true}\n', "does not speak"),
    (b'{"schema":"gridlight.control/1","error":"x"}\n', "x"),
    (b'{"schema":"gridlight.control/1","error":{"message":"y"}}\n', "y"),
    (b'{"schema":"gridlight.control/1","answer":7}\n', "no object"),
    (b'{"schema":"gridlight.control/1","answer":{}}\n', "does not speak"),
]


@pytest.mark.parametrize(("answer", "sentence"), ANSWERS)
def test_a_service_of_another_kind_is_found_out(tmp_path: Path, answer: bytes, sentence: str) -> None:
    where = str(tmp_path / "s")

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4_096)
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(where)
        listening.listen()
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        with pytest.raises(CommandError, match=sentence):
            list(client.ask(where, "status"))
        thread.join(10)


def test_where_the_service_listens() -> None:
    find: Callable[..., str] = client.socket_path
    assert find("/a", {"GRIDLIGHT_SOCKET": "/b"}) == "/a"
    assert find(None, {"GRIDLIGHT_SOCKET": "/b"}) == "/b"
    assert find(None, {"HOME": "/"}) == "/run/gridlight/control.sock"
