"""Doctor's look at a server: right, absent, another's, silent, of another chain, and ahead of this board's clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import pytest
import zmq.asyncio

from firmware_app.config.schema import ServerSection
from firmware_app.status import reaching
from firmware_app.status.checks import Check
from light_client.messages.chain import UpdateMessage
from light_client.messages.codec import encode_message
from light_client.rules.ledger.genesis import Genesis
from light_client.session.actor import Received, Send
from light_client.transport.admission import Admission
from light_client.transport.keys import TransportKey
from light_client.transport.node import Listening, Transport
from tests.light_kit import BlockServer, epochs

GENESIS, BLOCKS = epochs(3)
NEWEST: Final = BLOCKS[-1].header
KEY: Final = TransportKey.generate()
Answer = Callable[[Received], list[bytes]]


def honest(received: Received) -> list[bytes]:
    """What a miner answers."""
    server = BlockServer("server-0", GENESIS, BLOCKS)
    effects = server.handle(replace(received, peer="meter"), NEWEST.time_ms)
    return [effect.message for effect in effects if isinstance(effect, Send)]


def silent(_: Received) -> list[bytes]:
    return []


@dataclass
class _Server:
    """A miner's transport in a thread of its own."""

    answer: Answer
    endpoint: str = ""
    asked: int = 0

    async def run(self, is_up: threading.Event, is_over: threading.Event) -> None:
        context = zmq.asyncio.Context()
        listening = Listening(endpoint="tcp://127.0.0.1:0", admission=Admission(pseudonyms=True))

        async def deliver(received: Received) -> None:
            self.asked += 1
            for message in self.answer(received):
                transport.send(received.peer, message)

        transport = Transport(context, key=KEY, peers={}, deliver=deliver, listening=listening)
        self.endpoint = transport.endpoint or ""
        is_up.set()
        while not is_over.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)
        transport.close()
        await asyncio.sleep(0)
        context.destroy(linger=0)


@contextmanager
def serving(answer: Answer) -> Iterator[_Server]:
    server, is_up, is_over = _Server(answer), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.run(is_up, is_over)))
    thread.start()
    try:
        assert is_up.wait(20)
        yield server
    finally:
        is_over.set()
        thread.join(20)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "LIMIT_S", 2.0)


def look(
    server: _Server,
    *,
    genesis: Genesis = GENESIS,
    key: str = KEY.public,
    role: reaching.Role = "market",
    endpoint: str = "",
) -> Check:
    section = ServerSection(name="miner-0", endpoint=endpoint or server.endpoint, key=key)
    return reaching.reach("network", role, section, genesis)


def test_a_server_that_is_right_tells_how_far_its_chain_is() -> None:
    with serving(honest) as server:
        told = look(server)
        assert (told.state, told.next) == ("ok", ""), told.found
        assert told.found.startswith("market miner-0 proves its key, ")
        assert f"height {NEWEST.height}, signed" in told.found
        assert server.asked >= 2, "until there is nothing newer"


def test_the_grid_operator_has_no_headers_and_is_asked_for_none() -> None:
    with serving(silent) as server:
        told = look(server, role="management")
        assert (told.state, server.asked) == ("ok", 0)
        assert told.found.startswith("management miner-0 proves its key")


def test_a_server_with_another_key_is_not_the_one() -> None:
    with serving(honest) as server:
        told = look(server, key=TransportKey.generate().public)
        assert told.state == "FAIL"
        assert "does not prove the key" in told.found
        assert "ask the operator" in told.next
        assert server.asked == 0


def test_a_server_that_says_nothing_is_told_from_one_that_is_not_there() -> None:
    with serving(silent) as server:
        told = look(server)
        assert (told.state, server.asked) == ("FAIL", 1)
        assert "answers nothing" in told.found
        gone = look(server, endpoint="tcp://127.0.0.1:1")
        assert (gone.state, "refused" in gone.found) == ("FAIL", True)


def test_a_witness_that_is_gone_is_a_warning() -> None:
    told = look(_Server(silent), role="witness", endpoint="tcp://127.0.0.1:1")
    assert told.state == "warn"


def test_a_name_that_nobody_knows_is_told_as_such() -> None:
    told = look(_Server(silent), endpoint="tcp://no-such-host.invalid:7001")
    assert told.state == "FAIL"
    assert "the name no-such-host.invalid is not known" in told.found
    assert told.next.startswith("getent hosts no-such-host.invalid")


def test_another_chain_is_found_by_its_signatures() -> None:
    other = replace(GENESIS, name="test-other")
    with serving(honest) as server:
        told = look(server, genesis=other)
        assert told.state == "FAIL"
        assert "not signed by the enrolled chain" in told.found
        assert "fingerprint" in told.next


def test_a_board_whose_clock_is_behind_the_chain_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    early_ns = (NEWEST.time_ms - 3_600_000) * 1_000_000
    monkeypatch.setattr("time.time_ns", lambda: early_ns)
    with serving(honest) as server:
        told = look(server)
        assert told.state == "FAIL"
        assert "this board's clock is behind" in told.found
        assert told.next.startswith("timedatectl")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda _: [b"rubbish"], "cannot be read"),
        (lambda received: [received.message], "was not asked"),
        (lambda _: [encode_message(UpdateMessage(updates=()))], "height 0"),
    ],
)
def test_whatever_is_answered_is_told(answer: Answer, sentence: str) -> None:
    with serving(answer) as server:
        assert sentence in look(server).found
