"""The device's secrets: the identity that the grid operator knows, and the wallet's seed. Files of mode 0600.

They are made once, on the board, and never leave it; what leaves is the public half, in the enrolment request. Where
`[device.identity]` says so, the identity lies on a chip instead of in a file, and not even the service reads it.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from firmware_app.identity.identity import Identity, IdentityError, SecretIdentity
from firmware_app.identity.params import IdentityParams, KeyPlace
from light_client.rules.crypto import CURVE_ORDER
from light_client.secret_file import OpenToOthersError, SecretFileError, read_secret_file
from light_client.wallet.wallet import SEED_BYTES

if TYPE_CHECKING:
    from firmware_app.identity.pkcs11 import TokenIdentity

IN_FILES: Final = IdentityParams()
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

    identity: Identity
    """Signs the meter's requests to the grid operator."""
    seed: bytes = field(repr=False)
    """What every address of the wallet is derived from."""

    @property
    def identity_key(self) -> bytes:
        """The public half of the identity."""
        return self.identity.public_key


def are_there(folder: Path, place: IdentityParams = IN_FILES) -> bool:
    """Whether both were made; a chip is not asked, since the seed is made after the key on it."""
    return all((folder / name).exists() for name in _files(place))


def create_missing(folder: Path, store: Path, place: IdentityParams = IN_FILES) -> list[Path]:
    """Make what is not there; never touch what is.

    Args:
        folder: where they belong; made if it is missing.
        store: what the wallet has handed out so far; with it but without its seed, granted assets would be lost.
        place: where the identity lies.

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
        if place.place is KeyPlace.PKCS11:
            with _chip(folder, place) as chip:
                if not chip.is_there:
                    chip.create()
        return [folder / name for name in _files(place) if _create(folder / name)]
    except IdentityError as error:
        raise KeysError(str(error)) from None
    except OSError as error:
        raise KeysError(f"{error.filename or folder} cannot be written: {error.strerror}") from None


def load(folder: Path, place: IdentityParams = IN_FILES) -> DeviceKeys:
    """Read both secrets, or log in to the chip that holds the first.

    Raises:
        KeysError: one is missing, open to others, or damaged; the chip refuses.
    """
    seed = _read(folder / SEED)
    if place.place is KeyPlace.FILE:
        return DeviceKeys(identity=SecretIdentity(_read(folder / IDENTITY)), seed=seed)
    try:
        chip = _chip(folder, place)
        chip.public_key  # noqa: B018 - a chip without the key is found out now, not at the first request
    except IdentityError as error:
        raise KeysError(str(error)) from None
    return DeviceKeys(identity=chip, seed=seed)


def _files(place: IdentityParams) -> tuple[str, ...]:
    return (IDENTITY, SEED) if place.place is KeyPlace.FILE else (SEED,)


def _chip(folder: Path, place: IdentityParams) -> TokenIdentity:
    from firmware_app.identity.pkcs11 import identity_on_chip  # noqa: PLC0415 - most boards have none

    return identity_on_chip(place.module, place.token, folder / place.pin_file)


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
    if not path.exists():
        raise KeysError(f"{path} is missing: gridlight enroll makes it")
    try:
        raw = read_secret_file(path, _MAX_CHARACTERS)
    except OpenToOthersError as error:
        raise KeysError(f"{error}; if somebody may have read it, enrol anew") from None
    except SecretFileError as error:
        raise KeysError(str(error)) from None
    try:
        header, text = raw.decode("ascii").splitlines()
        secret = bytes.fromhex(text)
    except ValueError:
        header, secret = "", b""
    bad_identity = path.name == IDENTITY and not 0 < int.from_bytes(secret, "big") < CURVE_ORDER
    if header != _HEADERS[path.name] or len(secret) != _SECRET_BYTES or bad_identity:
        raise KeysError(f"{path} is damaged: restore it from a backup")
    return secret
