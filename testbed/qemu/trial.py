"""One emulated board put through a first start, a reset, a power cut and an orderly end; and measured."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from firmware_app.store.device_store import FILE_NAME
from testbed.qemu import cards
from testbed.qemu.emulator import BoardError, EmulatedBoard
from testbed.qemu.machine import HOST, METER_PORT, Machine

PASSWORD: Final = "emulated-board"  # noqa: S105 - of a page on the loopback interface, worthless elsewhere
_LOOK_S: Final = 0.5
_ANSWER_S: Final = 5.0
_PROFILE: Final = "eastron-sdm630"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was found.

    Attributes:
        machine: which one.
        reading_s: from power-on of the emulator to the first reading that the status page shows, real seconds.
        reading_guest_s: from the kernel's start to the first reading in the store, by the board's own clock.
        again_s: the same as `reading_s` after the reset and after the power cut.
        resident_bytes: the program's, by the board's own accounting.
        written_bytes: to the card while it only read the meter, by the drive's own counter.
        written_over_s: over so many seconds.
        fingerprint: of the identity that the board made.
        kept: whether identity and readings were the same after reset and power cut.
        readings: in the store at the end.
        sound: whether the store is sound after all that.
        clean_end: whether it powered itself off when it was asked to.
    """

    machine: str
    reading_s: float
    reading_guest_s: float | None
    again_s: tuple[float, ...]
    resident_bytes: int
    written_bytes: int
    written_over_s: float
    fingerprint: str
    kept: bool
    readings: int
    sound: bool
    clean_end: bool


def document(
    name: str, *, fingerprint: str, feeder: int, dso: tuple[str, str], servers: dict[str, tuple[str, str]]
) -> str:
    """A board's configuration, with its meter at the emulated adapter and a page that this machine can look at.

    Args:
        fingerprint: of the chain.
        dso: endpoint and key.
        servers: name -> endpoint and key.
    """
    meter = f"name = 'house'\nrole = 'grid'\nprofile = '{_PROFILE}'\naddress = 1\nport = '{METER_PORT}'\npoll_ms = 2000"
    lines = [
        f"[device]\nname = '{name}'",
        f"[[meter]]\n{meter}",
        f"[market]\ngenesis = 'genesis.cbor'\nfingerprint = '{fingerprint}'\nfeeder = {feeder}",
        f"[market.dso]\nname = 'dso'\nendpoint = '{dso[0]}'\nkey = '{dso[1]}'",
        *(
            f"[[market.server]]\nname = '{server}'\nendpoint = '{endpoint}'\nkey = '{key}'"
            for server, (endpoint, key) in servers.items()
        ),
        "[status]\nhost = '0.0.0.0'\npassword_file = 'page.password'",
    ]
    return "\n".join(lines) + "\n"


def time_sources(port: int) -> bytes:
    """What makes a board ask this machine for the time."""
    return f"server {HOST} port {port} iburst minpoll 0 maxpoll 4\n".encode("ascii")


def look(page_port: int, password: str = PASSWORD) -> dict[str, Any]:
    """What the board's page says; empty while it says nothing."""
    request = urllib.request.Request(f"http://127.0.0.1:{page_port}/status.json")
    request.add_header(
        "Authorization", "Basic " + base64.b64encode(f"gridlight:{password}".encode()).decode()
    )
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as reply:  # noqa: S310 - as above
            found = json.load(reply)
    except (OSError, ValueError, urllib.error.URLError):
        return {}
    return found if isinstance(found, dict) else {}


def has_read(status: dict[str, Any]) -> bool:
    """Whether a meter was read and is believed."""
    return any(meter["quality"] == "good" for meter in status.get("meters") or [])


def until(
    board: EmulatedBoard, seen: Callable[[dict[str, Any]], bool], patience_s: float, what: str
) -> tuple[float, dict[str, Any]]:
    """Look at a board until it shows something; return after how many seconds, and what its page said.

    Raises:
        BoardError: it does not in time, or the emulator has ended.
    """
    began_s = time.monotonic()
    while time.monotonic() - began_s < patience_s:
        status = look(board.page_port)
        if status and seen(status):
            return time.monotonic() - began_s, status
        if not board.is_on:
            break
        time.sleep(_LOOK_S)
    last = [line for line in board.console_text().splitlines() if line.strip()][-1:]
    raise BoardError(f"{what} did not happen within {patience_s:.0f} s; the console's last word: {last}")


def run_trial(
    machine: Machine, board: EmulatedBoard, *, patience_s: float, quiet_s: float, say: Callable[[str], None]
) -> Trial:
    """Put a board with a meter and a configuration through everything.

    Args:
        patience_s: how long each start may take, real seconds.
        quiet_s: how long it is measured, real seconds.
        say: told what is going on.

    Raises:
        BoardError: it does not do what it must.
    """
    say("first start")
    board.switch_on()
    first_s, status = until(board, has_read, patience_s, "the first reading")
    request = _request(board)
    say(f"first reading after {first_s:.0f} s; measuring for {quiet_s:.0f} s")
    before = board.written_bytes()
    threading.Event().wait(quiet_s)
    written = board.written_bytes() - before
    status = look(board.page_port) or status
    again = []
    for what, act in (("reset", board.reset), ("power cut", board.cut_and_restore)):
        say(what)
        act()
        threading.Event().wait(2)
        again.append(until(board, has_read, patience_s, f"a reading after the {what}")[0])
    kept = _request(board) == request
    say("power button")
    clean = board.switch_off()
    found = _in_store(board)
    return Trial(
        machine=machine.name,
        reading_s=first_s,
        reading_guest_s=found.first_s,
        again_s=tuple(again),
        resident_bytes=int((status.get("board") or {}).get("resident_bytes") or 0),
        written_bytes=written,
        written_over_s=quiet_s,
        fingerprint=str(request.get("fingerprint", "")),
        kept=kept,
        readings=found.readings,
        sound=found.sound,
        clean_end=clean,
    )


def _request(board: EmulatedBoard) -> dict[str, Any]:
    """The enrolment request that the board laid onto its boot partition."""
    raw = cards.taken_from(board.card, "enrolment.json")
    if raw is None:
        raise BoardError("the board has laid no enrolment request onto its boot partition")
    request: dict[str, Any] = json.loads(raw)
    return request


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    first_s: float | None
    readings: int
    sound: bool


def _in_store(board: EmulatedBoard) -> _Found:
    data = cards.data_of(board.card, board.console.parent)
    with sqlite3.connect(data / "state" / FILE_NAME) as store:
        (check,) = store.execute("PRAGMA integrity_check").fetchone()
        (count,) = store.execute("SELECT count(*) FROM readings").fetchone()
        first = store.execute(
            "SELECT min(monotonic_ms) FROM readings WHERE monotonic_ms IS NOT NULL"
        ).fetchone()[0]
    return _Found(first_s=None if first is None else first / 1_000, readings=count, sound=check == "ok")
