"""The device's secrets: the identity that the grid operator knows, and the wallet's seed. Files of mode 0600.

They are made once, on the board, and never leave it; what leaves is the public half, in the enrolment request.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from light_client.rules.crypto import CURVE_ORDER, public_key_of
from light_client.wallet.wallet import SEED_BYTES

IDENTITY: Final = "identity.key"
SEED: Final = "wallet.seed"
_HEADERS: Final = {IDENTITY: "gridlight identity 1", SEED: "gridlight wallet seed 1"}
_SECRET_BYTES: Final = 32
_MAX_CHARACTERS: Final = 256


class KeysError(Exception):
    """A secret is missing, readable by others, damaged, or would be lost; no message holds any of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKeys:
    """Both secrets; they show in no repr."""

    identity: bytes = field(repr=False)
    """Secret key that signs the meter's requests to the grid operator."""
    seed: bytes = field(repr=False)
    """What every address of the wallet is derived from."""

    @property
    def identity_key(self) -> bytes:
        """The public half of the identity."""
        return public_key_of(self.identity)


def are_there(folder: Path) -> bool:
    """Whether both files exist."""
    return all((folder / name).exists() for name in _HEADERS)


def create_missing(folder: Path, store: Path) -> list[Path]:
    """Make the files that are not there; never touch one that is.

    Args:
        folder: where they belong; made if it is missing.
        store: what the wallet has handed out so far; with it but without its seed, granted assets would be lost.

    Returns:
        The files that were made.

    Raises:
        KeysError: they cannot be made, or the seed of a wallet in use is gone.
    """
    if store.exists() and not (folder / SEED).exists():
        raise KeysError(
            f"{folder / SEED} is gone, but {store} holds orders of its wallet: restore it from a backup, "
            f"or move {store} away and lose what its addresses hold"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return [folder / name for name in _HEADERS if _create(folder / name)]
    except OSError as error:
        raise KeysError(f"{error.filename or folder} cannot be written: {error.strerror}") from None


def load(folder: Path) -> DeviceKeys:
    """Read both secrets.

    Raises:
        KeysError: one is missing, open to others, or damaged.
    """
    return DeviceKeys(identity=_read(folder / IDENTITY), seed=_read(folder / SEED))


def check(path: Path) -> None:
    """Whether a secret could be used; nothing of it is told.

    Raises:
        KeysError: it is missing, open to others, or damaged.
    """
    _read(path)


def _create(path: Path) -> bool:
    """Write a fresh secret, whole or not at all, and make it and its name durable."""
    if path.exists():
        return False
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{_HEADERS[path.name]}\n{_fresh_secret(path.name).hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)  # fails where the name is taken: nobody's secret is ever replaced
    finally:
        fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _fresh_secret(name: str) -> bytes:
    if name == SEED:
        return secrets.token_bytes(SEED_BYTES)
    return (secrets.randbelow(CURVE_ORDER - 1) + 1).to_bytes(_SECRET_BYTES, "big")


def _read(path: Path) -> bytes:
    try:
        with path.open(encoding="ascii") as file:
            status = os.fstat(file.fileno())
            lines = file.read(_MAX_CHARACTERS).splitlines()
    except FileNotFoundError:
        raise KeysError(f"{path} is missing: gridlight enroll makes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeysError(f"{path} cannot be read: {type(error).__name__}") from None
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.geteuid():
        raise KeysError(
            f"{path} is open to others (mode {mode:o}, owner {status.st_uid}): expected mode 600 and owner "
            f"{os.geteuid()}; if somebody may have read it, enrol anew"
        )
    try:
        header, text = lines
        secret = bytes.fromhex(text)
    except ValueError:
        header, secret = "", b""
    bad_identity = path.name == IDENTITY and not 0 < int.from_bytes(secret, "big") < CURVE_ORDER
    if header != _HEADERS[path.name] or len(secret) != _SECRET_BYTES or bad_identity:
        raise KeysError(f"{path} is damaged: restore it from a backup")
    return secret
