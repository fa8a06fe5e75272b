"""Boards that somebody else starts: containers of a compose file, seen through a folder shared with the tier."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from testbed.boards.housing import SOCKET, Account, Board, HousingError, Inside, Memory, answer_at
from testbed.fleet.virtual_meters.ends import TcpEnd
from testbed.neighbourhood.places import Place

_GOODBYE_S: Final = 60.0
_LOOK_S: Final = 0.2


class Neighbours:
    """Where boards are containers that nobody here holds in hand."""

    def __init__(self, host: str) -> None:
        """Begin with nobody.

        Args:
            host: address under which the meters reach the tier.
        """
        self.host = host
        self._ends: dict[str, TcpEnd] = {}

    def inside(self, board: Board) -> Inside:
        """The shared folder has one path for all; the electricity meter is behind a gateway in the network."""
        if board.name not in self._ends:
            self._ends[board.name] = TcpEnd(host=self.host)
        end = self._ends[board.name]
        status: dict[str, str | bool] = {"socket": str(board.folder / SOCKET), "enabled": False}
        return Inside(data_folder="data", meter=f"rtu+{end.name}", status=status)

    def plug(self, board: Board) -> TcpEnd:
        """The gateway's port."""
        return self._ends[board.name]

    def endpoint(self, board: Board, server: str) -> str:  # noqa: ARG002 - all are on one network
        """The server itself."""
        return server

    def prepare(self, board: Board) -> None:
        """Its folder is complete."""
        Place(board.folder).invited.touch()

    def switch_on(self, board: Board) -> None:
        """It has started itself, and waits for the invitation."""

    def switch_off(self, board: Board) -> None:
        """Nobody here can."""
        raise HousingError(f"{board.name} has a container of its own: docker compose kill")

    def reset(self, board: Board) -> None:
        """Nobody here can."""
        raise HousingError(f"{board.name} has a container of its own: docker compose restart")

    def cut(self, board: Board) -> None:
        """Nobody here can."""
        raise HousingError(f"{board.name} has a network of its own: docker network disconnect")

    def mend(self, board: Board) -> None:
        """Nobody here can."""
        raise HousingError(f"{board.name} has a network of its own: docker network connect")

    def status(self, board: Board) -> dict[str, Any]:
        """By its control socket, which lies in the shared folder."""
        return answer_at(board.door)

    def memory(self, board: Board) -> Memory | None:  # noqa: ARG002 - it is in a container of its own
        """Nobody here can tell."""
        return None

    def end(self, board: Board) -> int | None:
        """Ask it to end, and wait for its code."""
        place = Place(board.folder)
        place.leave.touch()
        until_s = time.monotonic() + _GOODBYE_S
        while time.monotonic() < until_s:
            code = _code(place.code)
            if code is not None:
                return code
            time.sleep(_LOOK_S)
        return None

    def account(self, board: Board) -> Account | None:  # noqa: ARG002 - it has no card
        """Nobody counts."""
        return None

    def close(self) -> None:
        """Hang up the gateways."""
        for end in self._ends.values():
            end.unplug()


def _code(path: Path) -> int | None:
    """With which a meter has ended; None as long as it has not."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    return int(text) if text.endswith("\n") else None
