"""A fleet whose boards run in different things: each call goes to where the board is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testbed.boards.housing import Account, Board, Housing, Inside, Memory
from testbed.fleet.virtual_meters.ends import End


class Mixed:
    """Some boards here, the others there."""

    def __init__(self, places: Mapping[str, Housing], others: Housing) -> None:
        """Join them.

        Args:
            places: name of a board -> where it is.
            others: where all others are; the tier listens where these reach it, and the first must reach it there.
        """
        self._places, self._others = places, others
        self.host = others.host

    def _of(self, board: Board) -> Housing:
        return self._places.get(board.name, self._others)

    def inside(self, board: Board) -> Inside:
        """See `Housing`."""
        return self._of(board).inside(board)

    def plug(self, board: Board) -> End:
        """See `Housing`."""
        return self._of(board).plug(board)

    def endpoint(self, board: Board, server: str) -> str:
        """See `Housing`."""
        return self._of(board).endpoint(board, server)

    def prepare(self, board: Board) -> None:
        """See `Housing`."""
        self._of(board).prepare(board)

    def switch_on(self, board: Board) -> None:
        """See `Housing`."""
        self._of(board).switch_on(board)

    def switch_off(self, board: Board) -> None:
        """See `Housing`."""
        self._of(board).switch_off(board)

    def reset(self, board: Board) -> None:
        """See `Housing`."""
        self._of(board).reset(board)

    def cut(self, board: Board) -> None:
        """See `Housing`."""
        self._of(board).cut(board)

    def mend(self, board: Board) -> None:
        """See `Housing`."""
        self._of(board).mend(board)

    def status(self, board: Board) -> dict[str, Any]:
        """See `Housing`."""
        return self._of(board).status(board)

    def memory(self, board: Board) -> Memory | None:
        """See `Housing`."""
        return self._of(board).memory(board)

    def end(self, board: Board) -> int | None:
        """See `Housing`."""
        return self._of(board).end(board)

    def account(self, board: Board) -> Account | None:
        """See `Housing`."""
        return self._of(board).account(board)

    def close(self) -> None:
        """Close all."""
        try:
            for housing in {id(housing): housing for housing in self._places.values()}.values():
                housing.close()
        finally:
            self._others.close()
