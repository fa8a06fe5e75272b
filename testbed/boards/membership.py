"""Boards join an operator's fleet by tickets, before they are switched on: as `gridlight enroll --ticket` does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from firmware_app.management.credentials import CredentialsError
from firmware_app.management.joining import JoiningError, place_of
from light_client.rules.errors import RuleViolation
from testbed.boards.housing import HousingError
from testbed.boards.sites import Site
from testbed.rollout.joining import join_at_last, read_ticket

PATIENCE_S: Final = 300.0
"""For the operator's service to answer: it may be started after this."""


def take_in(sites: Iterable[Site], tickets: Sequence[Path], *, patience_s: float = PATIENCE_S) -> None:
    """Let the boards that tickets are for join.

    Raises:
        HousingError: a ticket is for none of these boards, or cannot be used.
    """
    boards = {site.board.name: site.board for site in sites}
    try:
        for ticket in [read_ticket(path) for path in tickets]:
            board = boards.get(ticket.device)
            if board is None:
                raise HousingError(
                    f"a ticket is for {ticket.device}, and the boards are {', '.join(boards)}: "
                    "gridlight-fleet enroll with their names"
                )
            join_at_last(place_of(board.folder / "gridlight.toml"), ticket, patience_s)
    except (OSError, RuleViolation, JoiningError, CredentialsError) as error:
        raise HousingError(f"{error}; gridlight-fleet serve must run, and its broker") from None
