"""One emulated board put through a first start, a reset, a power cut and an orderly end; and measured."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from firmware_app.store.device_store import FILE_NAME
from testbed.qemu import cards
from testbed.qemu.emulator import EmulatedBoard
from testbed.qemu.errors import BoardError
from testbed.qemu.machine import METER_PORT, Machine
from testbed.qemu.page import has_read, look

_LOOK_S: Final = 0.5
_SETTLE_S: Final = 60.0
"""From the first reading to the moment when a start has written what it writes: that its slot is healthy, that the time
is known, and the beginning of its stores."""
_HANG_UP_S: Final = 2.0
"""From a reset to the moment when nothing can answer from before it."""
_WRITE_S: Final = 120.0
"""Within which a board writes something."""
_PROFILE: Final = "eastron-sdm630"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was found.

    Attributes:
        machine: which one.
        read_s: from power-on, reset and power-on after the power cut, until the meter answered, real seconds.
        reading_guest_s: from the kernel's first start to the first reading in the store, by the board's own clock.
        shown_s: as `read_s`, until the status page showed a reading, for which the network must be up.
        resident_bytes: the program's, by the board's own accounting.
        start_bytes: to the card by the whole first start and a minute more, by the drive's own counter.
        written_bytes: to the card after that, while it only read the meter.
        written_over_s: over so many seconds.
        fingerprint: of the identity that the board made.
        kept: whether identity and readings were the same after reset and power cut.
        cut_while_writing: whether the power was cut in the middle of writing to the card.
        instructions: from power-on to the first reading, of all processors; None if nobody counted.
        instructions_per_s: later, while it only read the meter, likewise.
        readings: in the store at the end.
        sound: whether the store is sound after all that.
        clean_end: whether it powered itself off when it was asked to.
    """

    machine: str
    read_s: tuple[float, ...]
    reading_guest_s: float | None
    shown_s: tuple[float, ...]
    resident_bytes: int
    start_bytes: int
    written_bytes: int
    written_over_s: float
    fingerprint: str
    kept: bool
    cut_while_writing: bool
    instructions: int | None
    instructions_per_s: int | None
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
    machine: Machine,
    board: EmulatedBoard,
    *,
    answered_after: Callable[[float], float | None],
    patience_s: float,
    quiet_s: float,
    say: Callable[[str], None],
) -> Trial:
    """Put a board with a meter and a configuration through everything.

    Args:
        answered_after: how long after a moment of this machine's monotonic clock the board's meter answered first, s.
        patience_s: how long each start may take, real seconds.
        quiet_s: how long it is measured, real seconds.
        say: told what is going on.

    Raises:
        BoardError: it does not do what it must.
    """
    starts: list[tuple[float, float]] = []

    def begun(switch: Callable[[], None], what: str) -> dict[str, Any]:
        began_s = time.monotonic()
        switch()
        shown_s, status = until(board, has_read, patience_s, what)
        # What a life before had asked for may still be answered at its end.
        read_s = answered_after(began_s + _HANG_UP_S)
        starts.append((shown_s if read_s is None else read_s + _HANG_UP_S, shown_s))
        return status

    say("first start")
    status = begun(board.switch_on, "the first reading")
    counted = board.instructions
    request = _request(board)
    say(f"the meter was read after {starts[0][0]:.0f} s; measuring for {quiet_s:.0f} s, in a minute")
    threading.Event().wait(_SETTLE_S)
    before, counted_then = board.written_bytes(), board.instructions or 0
    threading.Event().wait(quiet_s)
    written = board.written_bytes() - before
    working = None if counted is None else (board.instructions or 0) - counted_then
    status = look(board.page_port) or status
    say("reset")
    begun(lambda: _reset(board), "a reading after the reset")
    say("power cut, as soon as it writes")
    in_writing = board.cut_while_writing(_WRITE_S)
    begun(board.switch_on, "a reading after the power cut")
    kept = _request(board) == request
    say("power button")
    clean = board.switch_off()
    found = _in_store(board)
    return Trial(
        machine=machine.name,
        read_s=tuple(read_s for read_s, _ in starts),
        reading_guest_s=found.first_s,
        shown_s=tuple(shown_s for _, shown_s in starts),
        resident_bytes=int((status.get("board") or {}).get("resident_bytes") or 0),
        start_bytes=before,
        written_bytes=written,
        written_over_s=quiet_s,
        fingerprint=str(request.get("fingerprint", "")),
        kept=kept,
        cut_while_writing=in_writing,
        instructions=counted,
        instructions_per_s=None if working is None else round(working / quiet_s),
        readings=found.readings,
        sound=found.sound,
        clean_end=clean,
    )


def _reset(board: EmulatedBoard) -> None:
    board.reset()
    threading.Event().wait(_HANG_UP_S)


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
