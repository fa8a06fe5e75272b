"""What systemd hears, over a real socket of its kind."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_app.watchdog.notify import MAX_STATUS, Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A listening datagram socket, and its name as systemd gives it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        if request.param == "path":
            name = str(tmp_path / "notify")
            listening.bind(name)
        else:
            name = f"@gridlight-test-{os.getpid()}"
            listening.bind("\0" + name[1:])
        yield listening, name


def test_every_word_arrives(systemd: tuple[socket.socket, str]) -> None:
    listening, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    assert notifier.enabled
    notifier.ready()
    notifier.status("waiting\nfor the clock")
    notifier.status("waiting for the clock")
    notifier.watchdog()
    notifier.stopping()
    heard = [listening.recv(4_096).decode() for _ in range(4)]
    assert heard == ["READY=1", "STATUS=waiting for the clock", "WATCHDOG=1", "STOPPING=1"]


def test_a_status_is_one_bounded_line(systemd: tuple[socket.socket, str]) -> None:
    listening, name = systemd
    Notifier({"NOTIFY_SOCKET": name}).status("x" * 5_000)
    assert len(listening.recv(8_192)) == len("STATUS=") + MAX_STATUS


@pytest.mark.parametrize("where", ["", "relative", "/nowhere/at/all", "@nobody-listens", "/with\0nul"])
def test_without_systemd_nothing_happens(where: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": where})
    notifier.ready()
    notifier.watchdog()
    assert notifier.watchdog_ms is None
    assert notifier.feed_every_ms == 10_000


@pytest.mark.parametrize(
    ("environ", "every_ms"),
    [
        ({"WATCHDOG_USEC": "90000000"}, 30_000),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "7"}, 30_000),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "8"}, 10_000),
        ({"WATCHDOG_USEC": "soon"}, 10_000),
        ({"WATCHDOG_USEC": "1000"}, 100),
    ],
)
def test_it_is_fed_thrice_in_systemds_time(environ: dict[str, str], every_ms: int) -> None:
    assert Notifier(environ, pid=7).feed_every_ms == every_ms
