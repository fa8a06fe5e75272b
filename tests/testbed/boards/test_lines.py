"""A line carries bytes both ways, hangs up when it is cut, refuses meanwhile, and works again when it is mended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from testbed.boards.lines import Lines


class Echo:
    """A server that says everything again."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller:
            try:
                while data := caller.recv(4_096):
                    caller.sendall(data)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    """A server on the loopback interface."""
    server = Echo()
    yield server
    server.listener.close()


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Lines, taken away afterwards."""
    laid = Lines()
    yield laid
    laid.close()


def _dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def _read(caller: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := caller.recv(count - len(data))):
        data += more
    return data


def _is_hung_up(caller: socket.socket) -> bool:
    try:
        return caller.recv(1) == b""
    except ConnectionError:
        return True


def test_bytes_pass_both_ways(lines: Lines, echo: Echo) -> None:
    with _dial(lines.lay("board", "127.0.0.1", echo.port)) as caller:
        caller.sendall(b"x" * 100_000)
        assert _read(caller, 100_000) == b"x" * 100_000


def test_a_cut_line_hangs_up_refuses_and_comes_back_at_the_same_port(lines: Lines, echo: Echo) -> None:
    port, other = lines.lay("board", "127.0.0.1", echo.port), lines.lay("other", "127.0.0.1", echo.port)
    with _dial(port) as caller, _dial(other) as unharmed:
        caller.sendall(b"hello")
        assert _read(caller, 5) == b"hello"
        lines.cut("board")
        assert _is_hung_up(caller)
        with pytest.raises(ConnectionRefusedError):
            _dial(port)
        unharmed.sendall(b"me too")
        assert _read(unharmed, 6) == b"me too"
    lines.mend("board")
    lines.mend("board")
    with _dial(port) as caller:
        caller.sendall(b"again")
        assert _read(caller, 5) == b"again"


def test_a_server_that_is_not_there_is_a_hang_up(lines: Lines) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = lines.lay("board", "127.0.0.1", nobody.getsockname()[1])
        with _dial(port) as caller:
            assert _is_hung_up(caller)
