"""What a board runs in: a process, a container, or a whole emulated computer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from firmware_app.console import CommandError
from firmware_app.status.client import ask
from testbed.fleet.virtual_meters.ends import End

SOCKET: Final = "control.sock"
"""What answers for a board whose folder this machine sees."""
_ANSWER_S: Final = 60.0


class Mode(StrEnum):
    """Where the meters of a fleet run."""

    INPROCESS = "inprocess"
    """All in one process, in virtual time."""
    PROCESS = "process"
    """Each a `gridlight run` of this machine."""
    CONTAINER = "container"
    """Each a container of the board's image, emulated where the processor is another one."""
    QEMU = "qemu"
    """Each a whole emulated computer."""


class HousingError(Exception):
    """A board cannot be run here, or something that it runs in fails; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One board.

    Attributes:
        name: of the meter, as the grid operator knows it.
        home_id: of its home.
        folder: everything it has, on this machine.
        door: the same under a name that is short enough for a socket in it.
    """

    name: str
    home_id: int
    folder: Path
    door: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a board holds of the machine's memory, bytes.

    Attributes:
        guest: the program's own, as its own kernel would count it.
        whole: with whatever emulates the processor.
    """

    guest: int
    whole: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a board did over all its lives, where somebody can count it.

    Attributes:
        written_bytes: to its card, by the drive's own counter.
        cuts_while_writing: how often its power was cut in the middle of writing to its card.
    """

    written_bytes: int
    cuts_while_writing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a board's document says of the place where the board is.

    Attributes:
        data_folder: of its keys and stores.
        meter: the port of its meter.
        status: keys of the section `[status]` -> values.
    """

    data_folder: str
    meter: str
    status: Mapping[str, str | bool]


class Housing(Protocol):
    """Where boards run. Calls block, each for seconds at most."""

    host: str
    """Address of this machine that the tier listens on."""

    def inside(self, board: Board) -> Inside:
        """How a board sees its own folder, and its meter."""

    def plug(self, board: Board) -> End:
        """Where a meter is plugged in, once.

        Raises:
            OSError: there is no room for one.
        """

    def endpoint(self, board: Board, server: str) -> str:
        """Where a board reaches a server that listens on `tcp://host:port`."""

    def prepare(self, board: Board) -> None:
        """Let a board have its folder, once, before its first start.

        Raises:
            HousingError: it cannot.
        """

    def switch_on(self, board: Board) -> None:
        """Start a board, for the first time or again.

        Raises:
            HousingError: it does not start.
        """

    def switch_off(self, board: Board) -> None:
        """Take its power away, without a warning."""

    def reset(self, board: Board) -> None:
        """Let it begin anew, without a warning.

        Raises:
            HousingError: it does not start.
        """

    def cut(self, board: Board) -> None:
        """Take its network away."""

    def mend(self, board: Board) -> None:
        """Give it its network back."""

    def status(self, board: Board) -> dict[str, Any]:
        """What it says of itself.

        Raises:
            HousingError: it is off, or too busy to answer.
        """

    def memory(self, board: Board) -> Memory | None:
        """What it holds at the moment; None if it is off, or nobody can tell."""

    def end(self, board: Board) -> int | None:
        """Ask it to end, and have its folder hold what it has stored; None if it had to be killed or was off.

        Raises:
            HousingError: what it has stored cannot be had.
        """

    def account(self, board: Board) -> Account | None:
        """What it did over all its lives; None where nobody counts."""

    def close(self) -> None:
        """Take away everything that was made for boards."""


def answer_at(door: Path) -> dict[str, Any]:
    """What a board says of itself by the socket in its folder.

    Raises:
        HousingError: it does not answer.
    """
    try:
        (status,) = ask(str(door / SOCKET), "status", timeout_s=_ANSWER_S)
    except (CommandError, ValueError) as error:
        raise HousingError(str(error)) from None
    return status
