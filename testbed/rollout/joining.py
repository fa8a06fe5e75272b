"""Emulated meters that join a fleet as real ones do: by a ticket, with a key of their own, through the broker."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from firmware_app.fleet.document import Tree, toml_of
from firmware_app.fleet.enrolling import Ticket, ticket_from_json
from firmware_app.fleet.selector import DeviceFacts, release_of
from firmware_app.fleet.topics import Topics
from firmware_app.management.in_force import memory_file
from firmware_app.management.joining import PendingError, Place, join, place_of
from light_client.rules.errors import LocalError
from testbed.rollout.board import FIRMWARE, Board
from testbed.rollout.cast import BOARDS, first_document
from testbed.rollout.crowd import Crowd, Seat
from testbed.rollout.fate import Fate

_FILE: Final = "device.toml"
_RETRY_S: Final = 0.5


def read_ticket(path: Path) -> Ticket:
    """A ticket from its file.

    Raises:
        OSError, RuleViolation: there is none.
    """
    return ticket_from_json(path.read_bytes())


def joined(folder: Path, ticket: Ticket, *, timeout_s: float) -> Seat:
    """A meter of this ticket, in a folder of its own; it joins by the device's own code.

    Raises:
        JoiningError, CredentialsError: it cannot.
    """
    home = folder / ticket.device
    home.mkdir(parents=True, exist_ok=True)
    path = home / _FILE
    if not path.exists():
        path.write_text(toml_of(_document(ticket.device)), encoding="utf-8")
    place = place_of(path)
    join_at_last(place, ticket, timeout_s)
    memory = memory_file(place.folder).load()
    if memory is None:
        raise LocalError("memory of a meter that has joined", got="none", expected="what joining wrote")
    facts = DeviceFacts(
        name=ticket.device,
        board=BOARDS[0],
        release=release_of(FIRMWARE),
        feeder=place.config.market.feeder,
    )
    return Seat(board=Board(facts, memory, Fate.HEALTHY), tls=place.credentials.context())


def join_at_last(place: Place, ticket: Ticket, timeout_s: float) -> None:
    """Join; a broker that is not there yet is waited for.

    Raises:
        JoiningError, CredentialsError: the meter cannot.
    """
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            join(place, ticket, timeout_s=max(1.0, end_s - time.monotonic()))
        except PendingError:
            if time.monotonic() >= end_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _document(name: str) -> Tree:
    document = first_document()
    return {**document, "device": {**document["device"], "name": name, "data_folder": "data"}}


def crowd_at(seats: Iterable[Seat], ticket: Ticket) -> Crowd:
    """All meters at the broker of their tickets."""
    return Crowd(seats, Topics(ticket.fleet), ticket.broker, ticket.port, seed=1, spread_s=1.0)
