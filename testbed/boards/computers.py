"""Boards as whole emulated computers: the card that is flashed, in QEMU, with systemd, network cable and USB adapter.

The copy of the card differs from the flashed one in what every board has of its own (document, keys, stores), and in
the clock of the run (`testbed/qemu/run_clock.py`). A computer has no exit code: 0 says that it was up until its end.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.image import layout
from testbed.boards.housing import Account, Board, HousingError, Inside, Memory
from testbed.boards.memory import memory_of
from testbed.fleet.virtual_meters.ends import TcpEnd
from testbed.live.deployment import HOST as HERE
from testbed.live.deployment import free_ports
from testbed.qemu import cards
from testbed.qemu.emulator import EmulatedBoard
from testbed.qemu.errors import BoardError
from testbed.qemu.machine import HOST, METER_PORT, Machine
from testbed.qemu.page import PASSWORD, look
from testbed.qemu.partitions import SERVICE_USER, File, put, repair
from testbed.qemu.qmp import QmpError
from testbed.qemu.run_clock import ClockDesk, lay_run_clock
from testbed.qemu.time_server import TimeServer, time_sources

_DATA_FOLDER: Final = "/var/lib/gridlight"
_STORES: Final = ("history.sqlite", "market.sqlite")
_SQLITE: Final = ("", "-wal", "-shm", "-journal")
_WRITE_S: Final = 12.0
"""How long a board that is to lose its power may take until it writes."""
_ANSWER_S: Final = 30.0


@dataclass(slots=True, kw_only=True)
class _Computer:
    """One of them."""

    emulated: EmulatedBoard
    meter_port: int
    status: dict[str, Any] = field(default_factory=dict)
    cuts_while_writing: int = 0


class Computers:
    """Where boards are whole computers."""

    host = HERE

    def __init__(self, machine: Machine, card: Callable[[], Path]) -> None:
        """Begin with none.

        Args:
            card: the image to copy, perhaps built by asking for it.

        Raises:
            HousingError: there is no card.
        """
        self._machine = machine
        try:
            self._card = card()
        except BoardError as error:
            raise HousingError(str(error)) from None
        self._computers: dict[str, _Computer] = {}
        self._stack = ExitStack()
        self._time = self._stack.enter_context(TimeServer())
        self._desk = self._stack.enter_context(ClockDesk())

    def inside(self, board: Board) -> Inside:  # noqa: ARG002 - all see the same
        """As on any card, and a page that this machine can look at."""
        status: dict[str, str | bool] = {"host": "0.0.0.0", "password_file": "page.password"}  # noqa: S104 - its own network
        return Inside(data_folder=_DATA_FOLDER, meter=METER_PORT, status=status)

    def plug(self, board: Board) -> TcpEnd:
        """The other end of the adapter's wire."""
        return TcpEnd(self._computers[board.name].meter_port)

    def endpoint(self, board: Board, server: str) -> str:  # noqa: ARG002 - all see the same
        """This machine has another address there."""
        return server.replace(f"//{HERE}:", f"//{HOST}:")

    def prepare(self, board: Board) -> None:
        """Make a card of its own, with everything on it that is in its folder."""
        folder = board.folder / "computer"
        folder.mkdir()
        try:
            self._computers[board.name] = self._made(board, folder)
        except (BoardError, OSError) as error:
            raise HousingError(str(error)) from None

    def _made(self, board: Board, folder: Path) -> _Computer:
        card = cards.copy_of(self._card, folder / "card.img")
        repair(card, layout.DATA)
        put(card, layout.DATA, _laid(board.folder), remove=_stale())
        lay_run_clock(card, layout.ROOT_A, self._desk.url_for(board.name, board.folder))
        cards.lay_on(card, {"time.sources": time_sources(self._time.port)})
        boot = cards.boot_of(self._machine, self._card, card, folder)
        page_port, meter_port = free_ports(2, HERE)
        emulated = EmulatedBoard(
            self._machine, card, boot, folder=folder, page_port=page_port, meter_port=meter_port
        )
        return _Computer(emulated=emulated, meter_port=meter_port)

    def switch_on(self, board: Board) -> None:
        """Start it."""
        try:
            self._computers[board.name].emulated.switch_on()
        except BoardError as error:
            raise HousingError(f"{board.name}: {error}") from None

    def switch_off(self, board: Board) -> None:
        """Kill the emulator, in the middle of writing to the card if it writes soon."""
        computer = self._computers[board.name]
        computer.cuts_while_writing += computer.emulated.cut_while_writing(_WRITE_S)

    def reset(self, board: Board) -> None:
        """Pull its reset line."""
        self._control(board, EmulatedBoard.reset)

    def cut(self, board: Board) -> None:
        """Pull its network cable."""
        self._control(board, lambda emulated: emulated.link(up=False))

    def mend(self, board: Board) -> None:
        """Plug it in again."""
        self._control(board, lambda emulated: emulated.link(up=True))

    def _control(self, board: Board, what: Callable[[EmulatedBoard], None]) -> None:
        try:
            what(self._computers[board.name].emulated)
        except QmpError as error:
            raise HousingError(f"{board.name}: {error}") from None

    def status(self, board: Board) -> dict[str, Any]:
        """By its page."""
        computer = self._computers[board.name]
        found = look(computer.emulated.page_port, PASSWORD, timeout_s=_ANSWER_S)
        if not found:
            raise HousingError(f"the page of {board.name} says nothing")
        computer.status = found
        return found

    def memory(self, board: Board) -> Memory | None:
        """By the board's own accounting as it said last, and the emulator's as this machine sees it."""
        computer = self._computers[board.name]
        guest = int((computer.status.get("board") or {}).get("resident_bytes") or 0)
        pid = computer.emulated.pid
        whole = None if pid is None else memory_of(pid, "qemu-system-arm")
        return Memory(guest=guest, whole=whole.whole) if guest and whole is not None else None

    def account(self, board: Board) -> Account | None:
        """By the emulator's counter."""
        computer = self._computers.get(board.name)
        if computer is None:
            return None
        return Account(
            written_bytes=computer.emulated.written_bytes(),
            cuts_while_writing=computer.cuts_while_writing,
        )

    def end(self, board: Board) -> int | None:
        """Press its power button, or cut it off where there is none; then read its card."""
        computer = self._computers.get(board.name)
        if computer is None or not computer.emulated.is_on:
            return None
        is_up = bool(look(computer.emulated.page_port, PASSWORD, timeout_s=_ANSWER_S))
        is_clean = computer.emulated.switch_off()
        try:
            data = cards.data_of(computer.emulated.card, board.folder / "computer")
        except BoardError as error:
            raise HousingError(f"{board.name}: {error}") from None
        shutil.rmtree(board.folder / "data")
        (data / "state").rename(board.folder / "data")
        shutil.rmtree(data)
        shutil.copyfile(computer.emulated.console, board.folder / "device.log")
        return 0 if is_clean or (is_up and not self._machine.button) else None

    def close(self) -> None:
        """Cut off what is left, and take the cards away: they are large."""
        for computer in self._computers.values():
            computer.emulated.discard()
            computer.emulated.card.unlink(missing_ok=True)
        self._stack.close()


def _laid(folder: Path) -> list[File]:
    """What a board has of its own, as files of the data partition."""
    etc = {name: (folder / name).read_bytes() for name in ("gridlight.toml", "genesis.cbor")} | {
        "page.password": f"{PASSWORD}\n".encode("ascii")
    }
    files = [
        File(path=f"/etc/{name}", content=content, mode=0o600, owner=SERVICE_USER)
        for name, content in etc.items()
    ]
    return files + [
        File(path=f"/state/{path.name}", content=path.read_bytes(), mode=0o600, owner=SERVICE_USER)
        for path in sorted((folder / "data").iterdir())
    ]


def _stale() -> list[str]:
    """Stores that a card may have from an earlier life at another time."""
    return [f"/state/{store}{ending}" for store in _STORES for ending in _SQLITE]
