"""The acts: what is put into a running board, and what it must do about it. After each of them it reads its meter."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from deploy.image import layout
from firmware_app.store.device_store import FILE_NAME
from testbed.qemu import cards
from testbed.qemu.emulator import EmulatedBoard
from testbed.qemu.errors import BoardError
from testbed.qemu.page import has_read, look
from testbed.updates.releases import Kind
from testbed.updates.sticks import plugged_in

_LOOK_S: Final = 0.5
_START: Final = re.compile(r"gridlight: slot ([AB]), A (\d) and B (\d) attempts left")
_FRESH_MS: Final = 15_000
"""A reading of this age or less shows that the meter is being read."""
_CUT_AT_PERCENT: Final = 35
"""Of the slot, when the power fails while it is written."""

ACTS: Final[Mapping[str, tuple[str, Kind]]] = {
    "foreign": ("an update that somebody else signed", Kind.FOREIGN),
    "other-board": ("an update for a BeagleBone", Kind.OTHER_BOARD),
    "cut-off": ("an update whose end is missing", Kind.CUT_OFF),
    "power": ("the power fails while an update is written", Kind.GOOD),
    "dead": ("a release that does not start", Kind.DEAD),
    "blind": ("a release that never reads the meter", Kind.BLIND),
    "good": ("a good release", Kind.GOOD),
}
"""Name -> what happens, and the update it takes; in this order, since the last one leaves another slot in use."""
_REFUSED: Final[Mapping[Kind, str]] = {
    Kind.FOREIGN: "signature verification failed",
    Kind.OTHER_BOARD: "ompatible mismatch",
    Kind.CUT_OFF: "Invalid bundle format",
}
"""What the board must not take -> RAUC's own reason."""
_SENT_BACK: Final = frozenset({Kind.DEAD, Kind.BLIND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of one act.

    Attributes:
        name: of the act.
        title: for people.
        passed: whether the board did what it must.
        slots: that the boot loader started meanwhile, in turn.
        slot: in use at the end.
        state: what the boot loader will go by.
        said: the board's own words about the update.
        seconds: how long it took, real seconds.
        why: what it did not do; empty if it passed.
    """

    name: str
    title: str
    passed: bool
    slots: str
    slot: str
    state: Mapping[str, str]
    said: tuple[str, ...]
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Afterwards:
    """What is on the card when everything has been played.

    Attributes:
        readings: in the store.
        longest_gap_s: between two of them, by the board's own wall clock; None if it never knew the time, as where time
            follows instructions: it passes more slowly there than the time server's.
        sound: whether the store is.
    """

    readings: int
    longest_gap_s: float | None
    sound: bool


class Play:
    """A board that runs, and sticks that are put into it."""

    def __init__(self, board: EmulatedBoard, sticks: Mapping[Kind, Path], *, patience_s: float) -> None:
        """Begin with a board that is off.

        Args:
            sticks: images by what is on them.
            patience_s: how long the board may take for a start, or to write a slot, real seconds.
        """
        self._board = board
        self._sticks = sticks
        self._patience_s = patience_s
        self._begin = 0

    def begin(self) -> None:
        """Switch the board on, and wait until it has said that its slot is good.

        Raises:
            BoardError: it does not.
        """
        self._board.switch_on()
        self._until(self._is_good, 2 * self._patience_s, "a first start that says that it is good")

    def act(self, name: str) -> Played:
        """Play one act; what it must do and does not is told, not raised."""
        title, kind = ACTS[name]
        began_s, self._begin = time.monotonic(), len(self._board.console_text())
        before, why = self._slot(), ""
        try:
            if name == "power":
                self._lose_power(kind)
            elif kind in _REFUSED:
                self._refuse(kind)
            elif kind in _SENT_BACK:
                self._send_back(kind)
            else:
                self._take(kind)
        except BoardError as error:
            why = str(error)
        after = self._slot()
        expected = {"A": "B", "B": "A"}[before] if kind is Kind.GOOD and name != "power" else before
        if not why and after != expected:
            why = f"slot {after} is in use, expected {expected}"
        return Played(
            name=name,
            title=title,
            passed=not why,
            slots="".join(slot for slot, _, _ in _START.findall(self._since())),
            slot=after,
            state=cards.boot_state(self._board.card) or {},
            said=tuple(dict.fromkeys(self._words())),
            seconds=round(time.monotonic() - began_s, 1),
            why=why,
        )

    # -- the acts ------------------------------------------------------------------------------------------------------

    def _refuse(self, kind: Kind) -> None:
        """Nothing is written, nothing starts anew."""
        state, written = cards.boot_state(self._board.card), self._board.written_bytes()
        with plugged_in(self._board, self._sticks[kind]):
            self._until(lambda: self._says("update: refused"), self._patience_s, "a refusal")
            if not self._says(_REFUSED[kind]):
                raise BoardError(f"refused, but not for {_REFUSED[kind]!r}")
            self._until(self._reads, self._patience_s, "a reading after the refusal")
        grown = self._board.written_bytes() - written
        if cards.boot_state(self._board.card) != state:
            raise BoardError(
                f"the boot state was changed: {cards.boot_state(self._board.card)}, expected {state}"
            )
        if grown >= layout.MIB * 16:
            raise BoardError(f"{grown >> 20} MiB were written although the update was refused")
        if _START.search(self._since()):
            raise BoardError("the board started anew")

    def _lose_power(self, kind: Kind) -> None:
        """The half-written slot is not started; without the stick the board goes on as it was."""
        enough = self._board.written_bytes() + self._sticks_slot() * _CUT_AT_PERCENT // 100
        with plugged_in(self._board, self._sticks[kind]):
            self._until(
                lambda: self._board.written_bytes() >= enough, self._patience_s, "a half-written slot"
            )
            self._board.cut()
        if self._says("update: release trial-good is started"):
            raise BoardError("the power came too late: the update was written already")
        state = cards.boot_state(self._board.card)
        self._board.switch_on()
        self._until(
            lambda: bool(_START.search(self._since())), self._patience_s, "a start after the power cut"
        )
        self._until(self._reads, self._patience_s, "a reading after the power cut")
        self._until(self._is_good, self._patience_s, "a slot that says that it is good")
        if state is None:
            raise BoardError("the power cut left no boot state")

    def _send_back(self, kind: Kind) -> None:
        """Three attempts, then the slot from before; and the stick that is still there does not bring it again."""
        with plugged_in(self._board, self._sticks[kind]):
            self._until(lambda: self._says("is started"), self._patience_s, "an update")
            self._until(
                lambda: self._slots_since().endswith("BBBA"),
                5 * self._patience_s,
                "three attempts and the old slot",
            )
            self._until(self._reads, self._patience_s, "a reading of the old release")
            self._until(self._is_good, self._patience_s, "an old slot that says that it is good")
            self._until(
                lambda: self._says("was tried and did not hold"), self._patience_s, "a word about the stick"
            )

    def _take(self, kind: Kind) -> None:
        """The other slot reads the meter, says that it is good, and is started again after a reset."""
        before = self._slot()
        with plugged_in(self._board, self._sticks[kind]):
            self._until(lambda: self._says("is started"), self._patience_s, "an update")
            self._until(lambda: bool(self._slots_since()), self._patience_s, "a start of the new slot")
            self._until(self._reads, self._patience_s, "a reading of the new release")
            self._until(self._is_good, self._patience_s, "a new slot that says that it is good")
        if self._slot() == before:
            raise BoardError(f"slot {before} runs still")
        starts = len(self._slots_since())
        self._board.reset()
        self._until(lambda: len(self._slots_since()) > starts, self._patience_s, "a start after a reset")
        self._until(self._reads, self._patience_s, "a reading after a reset")

    # -- what is seen --------------------------------------------------------------------------------------------------

    def _since(self) -> str:
        return self._board.console_text()[self._begin :]

    def _says(self, words: str) -> bool:
        return words in self._since()

    def _words(self) -> list[str]:
        told = ("gridlight: update:", *_REFUSED.values())
        return [line.strip() for line in self._since().splitlines() if any(word in line for word in told)]

    def _slots_since(self) -> str:
        return "".join(slot for slot, _, _ in _START.findall(self._since()))

    def _slot(self) -> str:
        """The one that was started last."""
        found = _START.findall(self._board.console_text())
        return str(found[-1][0]) if found else ""

    def _reads(self) -> bool:
        status = look(self._board.page_port)
        return has_read(status) and any(_is_fresh(meter) for meter in status["meters"])

    def _is_good(self) -> bool:
        """Whether the slot in use has all its attempts again."""
        state = cards.boot_state(self._board.card) or {}
        return state.get(f"BOOT_{self._slot()}_LEFT") == str(layout.TRIES) and self._reads()

    def _sticks_slot(self) -> int:
        return layout.ROOT_B.size // 2

    def _until(self, seen: Callable[[], bool], patience_s: float, what: str) -> None:
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s:
            if seen():
                return
            if not self._board.is_on:
                raise BoardError(f"{what} did not happen: the emulator has ended")
            threading.Event().wait(_LOOK_S)
        raise BoardError(f"{what} did not happen within {patience_s:.0f} s")


def _is_fresh(meter: Mapping[str, Any]) -> bool:
    age_ms = meter["age_ms"]
    return isinstance(age_ms, int) and age_ms <= _FRESH_MS


def afterwards(board: EmulatedBoard, folder: Path) -> Afterwards:
    """Look at the store of a board that is off."""
    data = cards.data_of(board.card, folder)
    with sqlite3.connect(data / "state" / FILE_NAME) as store:
        (check,) = store.execute("PRAGMA integrity_check").fetchone()
        (count,) = store.execute("SELECT count(*) FROM readings").fetchone()
        times = [
            at for (at,) in store.execute("SELECT at_ms FROM readings WHERE at_ms IS NOT NULL ORDER BY at_ms")
        ]
    longest_ms = max((after - before for before, after in pairwise(times)), default=None)
    longest_s = None if longest_ms is None else longest_ms / 1_000
    return Afterwards(readings=count, longest_gap_s=longest_s, sound=check == "ok")


def wanted(names: Sequence[str]) -> list[str]:
    """The acts in the order in which they are played."""
    return [name for name in ACTS if name in names]
