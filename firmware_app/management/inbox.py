"""Bundles and key sets out of files: put into the inbox by `gridlight fleet apply`, or lying on a stick.

What lies in the inbox is taken up while the service runs, or at its next start, and leaves it when it is decided.
What lies on a stick is read once for each time that it is plugged in, and stays there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES
from firmware_app.fleet.folder import FOLDER, read_folder
from firmware_app.management.credentials import CredentialsError, put
from firmware_app.management.in_force import FOLDER as FLEET
from firmware_app.store.files import Files

_NAME: Final = "inbox"


def inbox_of(data_folder: Path) -> Path:
    """Where files wait."""
    return data_folder / FLEET / _NAME


class Inbox:
    """What came by file."""

    def __init__(self, data_folder: Path, stick: str) -> None:
        """Bind the folders.

        Args:
            stick: where a stick is mounted; empty: nowhere.
        """
        self._folder = inbox_of(data_folder)
        self._stick = Path(stick) / FOLDER if stick else None
        self._seen: set[bytes] = set()
        self._offered: dict[str, bytes] = {}

    def fresh(self) -> list[bytes]:
        """What was not seen before, the inbox first."""
        here = read_folder(self._folder)
        there = () if self._stick is None else read_folder(self._stick)
        names = {sha256(found.raw).digest(): found.raw for found in (*here, *there)}
        fresh = [raw for name, raw in names.items() if name not in self._seen]
        self._seen = set(names)
        self._offered |= {found.name: found.raw for found in here}
        return fresh

    def clear(self, waiting: tuple[bytes, ...]) -> None:
        """Take away what is decided.

        Args:
            waiting: what the agent still keeps for later.
        """
        for name, raw in tuple(self._offered.items()):
            if raw not in waiting:
                del self._offered[name]
                with suppress(OSError):  # it is offered again, and is known by then
                    (self._folder / name).unlink(missing_ok=True)


def put_in_inbox(data_folder: Path, raw: bytes) -> Path:
    """Leave bytes for the service; whoever does it, they belong to whom the data folder belongs to.

    Raises:
        CredentialsError: it cannot be done.
    """
    path = inbox_of(data_folder) / f"{sha256(raw[:MAX_ENVELOPE_BYTES]).hexdigest()[:16]}.bundle"
    put(path, raw[: MAX_ENVELOPE_BYTES + 1], Files())
    try:
        owner = data_folder.stat()
        if os.geteuid() == 0:
            for made in (path.parent, path):
                os.chown(made, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise CredentialsError(f"{path} cannot be handed over: {error.strerror}") from None
    return path
