"""Files of operators' keys: the secret in NAME.key, for its owner's eyes alone, the public half in NAME.pub."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

from firmware_app.console import CommandError, Exit
from light_client.rules.crypto import CURVE_ORDER, PUBLIC_KEY_BYTES, SECRET_BYTES, public_key_of
from light_client.secret_file import (
    OpenToOthersError,
    SecretFileError,
    read_secret_file,
    write_secret_file,
)

_HEADER: Final = "gridlight operator key 1"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,58}")
_MAX_CHARACTERS: Final = 256


def make_key(folder: Path, name: str) -> tuple[Path, Path, bytes]:
    """Draw a key and write both files; returns them and the public key. Nobody's key is ever replaced.

    Raises:
        CommandError: the name is none, is taken, or the files cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"got the name {name!r}, expected lower-case letters, digits and hyphens", code=Exit.USAGE
        )
    secret = (secrets.randbelow(CURVE_ORDER - 1) + 1).to_bytes(SECRET_BYTES, "big")
    public = public_key_of(secret)
    private_file, public_file = folder / f"{name}.key", folder / f"{name}.pub"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(private_file, secret)
        write_secret_file(public_file, f"{public.hex()}\n".encode(), 0o644)
    except FileExistsError as error:
        raise CommandError(
            f"{error.filename} is there already, and is not replaced", hint="choose another name"
        ) from None
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from None
    return private_file, public_file, public


def write_secret(path: Path, secret: bytes) -> None:
    """Write a secret key into a file that is not there yet, for its owner alone.

    Raises:
        OSError: it is there, or cannot be written.
    """
    write_secret_file(path, f"{_HEADER}\n{secret.hex()}\n".encode())


def read_secret(path: Path) -> bytes:
    """Read a secret key.

    Raises:
        CommandError: it is not there, open to others, or no key; the sentence holds none of it.
    """
    try:
        raw = read_secret_file(path, _MAX_CHARACTERS)
    except OpenToOthersError as error:
        hint = "make a new key and revoke this one, if somebody may have read it; else chmod 600 it"
        raise CommandError(str(error), hint=hint) from None
    except SecretFileError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    try:
        header, text = raw.decode("ascii").splitlines()
        secret = bytes.fromhex(text)
    except ValueError:
        header, secret = "", b""
    if (
        header != _HEADER
        or len(secret) != SECRET_BYTES
        or not 0 < int.from_bytes(secret, "big") < CURVE_ORDER
    ):
        raise CommandError(f"{path} is no key of an operator, or is damaged", code=Exit.USAGE)
    return secret


def read_public(path: Path) -> bytes:
    """Read a public key.

    Raises:
        CommandError: it is not there, or none.
    """
    try:
        public = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", code=Exit.USAGE) from None
    except ValueError:
        public = b""
    if len(public) != PUBLIC_KEY_BYTES:
        raise CommandError(f"{path} holds no public key: expected {2 * PUBLIC_KEY_BYTES} hexadecimal digits")
    return public
