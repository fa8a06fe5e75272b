"""Boards as processes of this machine: the same program, no emulation, and lines to the tier that can be cut."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import testbed
from testbed.boards.housing import SOCKET, Account, Board, HousingError, Inside, Memory, answer_at
from testbed.boards.lines import Lines
from testbed.boards.memory import memory_of
from testbed.fleet.virtual_meters.ends import PtyEnd

_ROOT: Final = Path(testbed.__file__).resolve().parent.parent
_GOODBYE_S: Final = 20.0


class Processes:
    """Where boards are processes."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._lines = Lines()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def inside(self, board: Board) -> Inside:
        """By its short name: a socket's path is at most about a hundred characters long."""
        status: dict[str, str | bool] = {"socket": str(board.door / SOCKET), "enabled": False}
        return Inside(data_folder="data", meter=str(board.door / "meter"), status=status)

    def plug(self, board: Board) -> PtyEnd:
        """A pseudo terminal."""
        return PtyEnd(board.folder / "meter")

    def endpoint(self, board: Board, server: str) -> str:
        """The beginning of a line of its own to a server."""
        host, _, port = server.removeprefix("tcp://").rpartition(":")
        return f"tcp://{self.host}:{self._lines.lay(board.name, host, int(port))}"

    def prepare(self, board: Board) -> None:
        """It has its folder already: the same user runs it."""

    def switch_on(self, board: Board) -> None:
        """Start the program."""
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        words = (str(board.door / "gridlight.toml"), str(board.door / "clock.json"))
        with (board.folder / "device.log").open("ab") as log:
            try:
                self._running[board.name] = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-m", "testbed.live.device", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONPATH": path},
                    start_new_session=True,
                )
            except OSError as error:
                raise HousingError(f"{board.name} does not start: {error.strerror}") from None

    def switch_off(self, board: Board) -> None:
        """Kill it."""
        process = self._running.pop(board.name, None)
        if process is not None:
            process.kill()
            process.wait()

    def reset(self, board: Board) -> None:
        """Kill it, and start it again."""
        self.switch_off(board)
        self.switch_on(board)

    def cut(self, board: Board) -> None:
        """Cut its lines."""
        self._lines.cut(board.name)

    def mend(self, board: Board) -> None:
        """Mend its lines."""
        self._lines.mend(board.name)

    def status(self, board: Board) -> dict[str, Any]:
        """By its control socket."""
        return answer_at(board.door)

    def memory(self, board: Board) -> Memory | None:
        """Its resident set: nothing emulates it."""
        process = self._running.get(board.name)
        return None if process is None else memory_of(process.pid, "python")

    def end(self, board: Board) -> int | None:
        """Ask it to end."""
        process = self._running.pop(board.name, None)
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def account(self, board: Board) -> Account | None:  # noqa: ARG002 - nobody counts
        """It has no card."""
        return None

    def close(self) -> None:
        """Kill what is left, take the lines away."""
        for process in self._running.values():
            process.kill()
            process.wait()
        self._running.clear()
        self._lines.close()
