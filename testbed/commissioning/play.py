"""The steps: a first start, joining the fleet, a factory reset that is cut off, the reset itself, and what is left."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.image import layout
from firmware_app.config import keys
from testbed.commissioning.fleet import Operator
from testbed.commissioning.traces import places_of, secret_in
from testbed.qemu import cards
from testbed.qemu.emulator import EmulatedBoard
from testbed.qemu.errors import BoardError
from testbed.qemu.page import has_read, look

_LOOK_S: Final = 0.5
_RESET: Final = "factory-reset"
_TICKET: Final = "fleet.ticket"
_WRONG: Final = "not-the-password"
_INTO_RESET_S: Final = 0.4
"""From the board's word that it resets itself to the power cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of one step: its name, whether it went as it must, what was seen, how many real seconds it took."""

    name: str
    passed: bool
    seen: str
    seconds: float


class Life:
    """One board from its first start to the one after a factory reset."""

    def __init__(
        self,
        board: EmulatedBoard,
        operator: Operator,
        folder: Path,
        *,
        patience_s: float,
        say: Callable[[str], None],
    ) -> None:
        """Begin with a board that is off, and everything but the ticket on its card.

        Args:
            folder: for what is taken off the card.
            patience_s: how long each start may take, real seconds.
            say: told what became of each step.
        """
        self._board, self._operator, self._folder = board, operator, folder
        self._patience_s, self._say = patience_s, say
        self._secrets: dict[str, bytes] = {}
        self._fingerprint = ""
        self._steps: list[Step] = []

    def live(self) -> list[Step]:
        """Play everything; the first step that fails ends it."""
        cards.lay_on(self._board.card, {_TICKET: self._operator.ticket})
        steps: tuple[tuple[str, Callable[[], str]], ...] = (
            ("first start: the meter is read, the page asks for its password", self._first),
            ("it joins the fleet by the ticket, which is gone then", self._join),
            ("keys and data partition are its own", self._look_inside),
            ("a factory reset that is cut off is not forgotten", self._cut_reset),
            ("the reset is done at the next start; another identity, the same configuration", self._reset),
            ("of the old keys nothing is on the card", self._search),
        )
        for name, step in steps:
            began_s = time.monotonic()
            try:
                passed, seen = True, step()
            except BoardError as error:
                passed, seen = False, str(error)
            self._steps.append(
                Step(name=name, passed=passed, seen=seen, seconds=round(time.monotonic() - began_s, 1))
            )
            self._say(line_of(self._steps[-1]))
            if not passed:
                break
        return self._steps

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _first(self) -> str:
        self._board.switch_on()
        self._until(self._reads, "the first reading")
        if look(self._board.page_port, _WRONG):
            raise BoardError("the page shows itself for a wrong password")
        self._fingerprint = self._request()["fingerprint"]
        return f"identity {self._fingerprint}"

    def _join(self) -> str:
        self._until(lambda: self._operator.sees()["online"], "a board that its operator sees")
        self._until(lambda: cards.taken_from(self._board.card, _TICKET) is None, "a card without the ticket")
        return f"the operator sees it as {self._operator.sees()['state']} and connected"

    def _look_inside(self) -> str:
        self._board.switch_off()
        data = cards.data_of(self._board.card, self._folder)
        for name in (keys.IDENTITY, keys.SEED):
            self._secrets[name] = secret_in((data / "state" / name).read_bytes())
        if (data / "etc" / _TICKET).exists():
            raise BoardError(f"{_TICKET} lies in the configuration still")
        found = places_of(self._board.card, {"token": self._operator.token, **self._secrets})
        if found.pop("token"):
            raise BoardError("the ticket's token lies on the card still")
        if not all(found.values()):
            raise BoardError(f"the search does not find the keys where they are: {found}")
        end = layout.DATA.offset + _partition_bytes(self._board.card)
        size = self._board.card.stat().st_size
        if end < size - layout.MIB:
            raise BoardError(f"the data partition ends at {end >> 20} MiB, expected {size >> 20}")
        return f"data partition of {_partition_bytes(self._board.card) >> 20} MiB on a card of {size >> 20}"

    def _cut_reset(self) -> str:
        cards.lay_on(self._board.card, {_RESET: b""})
        begin = len(self._board.console_text())
        self._board.switch_on()
        self._until(lambda: "gridlight: factory reset" in self._board.console_text()[begin:], "a reset")
        threading.Event().wait(_INTO_RESET_S)
        self._board.cut()
        if cards.taken_from(self._board.card, _RESET) is None:
            raise BoardError("the wish is gone: the reset was over before the power was cut")
        return f"cut {_INTO_RESET_S} s after it began; the wish is still on the card"

    def _reset(self) -> str:
        begin = len(self._board.console_text())
        self._board.switch_on()
        self._until(lambda: "gridlight: factory reset" in self._board.console_text()[begin:], "a reset")
        self._until(self._reads, "a reading after the reset")
        if cards.taken_from(self._board.card, _RESET) is not None:
            raise BoardError("the wish is still on the card")
        fingerprint = str(self._request()["fingerprint"])
        if fingerprint == self._fingerprint:
            raise BoardError("the board has the same identity as before")
        return f"identity {fingerprint}"

    def _search(self) -> str:
        self._board.switch_off()
        found = places_of(self._board.card, self._secrets)
        if any(found.values()):
            raise BoardError(f"keys are left at {found}")
        return f"{self._board.card.stat().st_size >> 20} MiB searched for {len(found)} keys in five forms each: none"

    # -- what is seen --------------------------------------------------------------------------------------------------

    def _reads(self) -> bool:
        return has_read(look(self._board.page_port))

    def _request(self) -> dict[str, Any]:
        raw = cards.taken_from(self._board.card, "enrolment.json")
        if raw is None:
            raise BoardError("the board has laid no enrolment request onto its boot partition")
        request: dict[str, Any] = json.loads(raw)
        return request

    def _until(self, seen: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + self._patience_s
        while time.monotonic() < until_s:
            if seen():
                return
            if not self._board.is_on:
                raise BoardError(f"{what} did not happen: the emulator has ended")
            threading.Event().wait(_LOOK_S)
        raise BoardError(f"{what} did not happen within {self._patience_s:.0f} s")


def _partition_bytes(card: Path) -> int:
    """Of the data partition, as the card's table says now."""
    with card.open("rb") as file:
        table = file.read(layout.SECTOR)
    at = 446 + 16 * (layout.DATA.number - 1) + 12
    return int.from_bytes(table[at : at + 4], "little") * layout.SECTOR


def line_of(step: Step) -> str:
    """One step for people."""
    return f"{'ok  ' if step.passed else 'FAIL'} {step.name} ({step.seconds:.0f} s): {step.seen}"
