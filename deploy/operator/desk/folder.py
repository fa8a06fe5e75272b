"""The desk's folder: what lies where, who may open it, and who serves it."""

from __future__ import annotations

import fcntl
import getpass
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from deploy.operator.desk.attachments import Attachments
from deploy.operator.desk.audit import Audit
from deploy.operator.desk.database import Database
from deploy.operator.desk.devices import Devices
from deploy.operator.desk.documents import Documents
from deploy.operator.desk.inbox import Inbox
from deploy.operator.desk.papers import Papers
from deploy.operator.desk.rollouts import Rollouts
from deploy.operator.desk.settings import TEMPLATE, DeskSettings
from deploy.operator.keys import read_secret, write_secret
from firmware_app.config.load import ConfigError, read
from firmware_app.console import CommandError, Exit
from light_client.rules.crypto import CURVE_ORDER, SECRET_BYTES
from light_client.store.errors import StoreError

DESK_NAME: Final = "desk"
"""Of the operator whose certificate the desk has."""
_DATABASE: Final = "desk.sqlite"
_SETTINGS: Final = "desk.toml"
_AUDIT_KEY: Final = "audit.key"
_LOCK: Final = "serving"


class Desk:
    """An open desk."""

    def __init__(self, folder: Path, database: Database, settings: DeskSettings, audit_secret: bytes) -> None:
        self.folder: Final = folder
        self.settings: Final = settings
        self.database: Final = database
        self.attachments: Final = Attachments(folder / "attachments")
        self.audit: Final = Audit(database, audit_secret)
        self.devices: Final = Devices(database)
        self.documents: Final = Documents(database)
        self.papers: Final = Papers(database)
        self.rollouts: Final = Rollouts(database)
        self.inbox: Final = Inbox(database)

    @property
    def authority_folder(self) -> Path:
        """Where the fleet's certificate authority keeps its key."""
        return self.folder / "authority"

    @property
    def broker_folder(self) -> Path:
        """What is written for the broker."""
        return self.folder / self.settings.broker.folder

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Be the one program that serves this desk, until the end of the block.

        Raises:
            CommandError: another one does.
        """
        handle = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError("this desk is served already", hint="gridlight-fleet status") from None
            yield
        finally:
            os.close(handle)

    @property
    def is_served(self) -> bool:
        """Whether a service is running for this desk now."""
        with suppress(CommandError), self.serving():
            return False
        return True


def make_desk(folder: Path, *, host: str, port: int, enrol_port: int) -> None:
    """Make the folder with its settings, its audit key and its file.

    Raises:
        CommandError: there is a desk already, or it cannot be made.
    """
    if (folder / _DATABASE).exists():
        raise CommandError(f"{folder} holds a desk already", hint="gridlight-fleet status")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        secret = (secrets.randbelow(CURVE_ORDER - 1) + 1).to_bytes(SECRET_BYTES, "big")
        if not (folder / _AUDIT_KEY).exists():
            write_secret(folder / _AUDIT_KEY, secret)
        if not (folder / _SETTINGS).exists():
            text = TEMPLATE.format(host=host, port=port, enrol_port=enrol_port)
            (folder / _SETTINGS).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from None
    os.close(os.open(folder / _DATABASE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    _opened(folder / _DATABASE).close()


def open_desk(folder: Path, *, thorough: bool = False) -> Desk:
    """Open a desk.

    Raises:
        CommandError: there is none, or it cannot be used.
    """
    if not (folder / _DATABASE).is_file():
        raise CommandError(
            f"{folder} is no desk of a fleet",
            hint="gridlight-fleet init, or name the folder with --desk",
            code=Exit.USAGE,
        )
    try:
        settings = read(folder / _SETTINGS, DeskSettings) if (folder / _SETTINGS).exists() else DeskSettings()
    except ConfigError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    secret = read_secret(folder / _AUDIT_KEY)
    return Desk(folder, _opened(folder / _DATABASE, thorough=thorough), settings, secret)


def _opened(path: Path, *, thorough: bool = False) -> Database:
    try:
        return Database(path, thorough=thorough)
    except StoreError as error:
        raise CommandError(str(error)) from None


def whoever() -> str:
    """Who sits at the desk, for the audit: the account and the machine."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = f"uid {os.getuid()}"
    return f"{account}@{socket.gethostname()}"
