"""What a board runs in: a process or a container today, a whole emulated computer where one is built."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


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


class Housing(Protocol):
    """Where boards run. Calls block, each for seconds at most."""

    host: str
    """Address of this machine that the tier listens on."""
    owner: int | None
    """User whom a board runs as; None for the one who runs this."""

    def seen_from_inside(self, board: Board) -> Path:
        """Where a board sees its own folder."""

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

    def cut(self, board: Board) -> None:
        """Take its network away."""

    def mend(self, board: Board) -> None:
        """Give it its network back."""

    def memory(self, board: Board) -> Memory | None:
        """What it holds at the moment; None if it is off."""

    def end(self, board: Board) -> int | None:
        """Ask it to end; return its exit code, None if it had to be killed or was off."""

    def close(self) -> None:
        """Take away everything that was made for boards."""
