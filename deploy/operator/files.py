"""Reading and writing what operators hand around: key sets, bundles, configuration documents."""

from __future__ import annotations

from pathlib import Path

from firmware_app.config.load import ConfigError
from firmware_app.console import CommandError, Exit
from firmware_app.fleet.document import Tree, read_toml
from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES, Envelope, Kind, read_envelope
from firmware_app.fleet.key_set import KeySet, key_set_from_bytes
from light_client.rules.errors import RuleViolation


def read_bytes(path: Path, most: int = MAX_ENVELOPE_BYTES) -> bytes:
    """The bytes of a file, one more than ``most`` at the most.

    Raises:
        CommandError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", code=Exit.USAGE) from None


def write_new(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a file that is not there yet, or replace it as a whole.

    Raises:
        CommandError: it is there already, or cannot be written.
    """
    try:
        if not replace:
            with path.open("xb") as file:
                file.write(data)
            return
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_bytes(data)
        fresh.replace(path)
    except FileExistsError:
        raise CommandError(
            f"{path} is there already, and is not replaced", hint="choose another --out"
        ) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None


def read_signed(path: Path) -> Envelope:
    """An envelope.

    Raises:
        CommandError: the file holds none.
    """
    try:
        return read_envelope(read_bytes(path))
    except RuleViolation as error:
        raise CommandError(f"{path} is no bundle and no key set: {error}") from None


def read_key_set(path: Path) -> KeySet:
    """A key set that is trusted because the operator names it; its signatures are not asked.

    Raises:
        CommandError: the file holds none.
    """
    return key_set_of(read_signed(path), str(path))


def key_set_of(envelope: Envelope, name: str) -> KeySet:
    """The key set of an envelope.

    Raises:
        CommandError: it holds none.
    """
    if envelope.kind is not Kind.KEY_SET:
        raise CommandError(f"{name} is a bundle, expected a key set", code=Exit.USAGE)
    try:
        return key_set_from_bytes(envelope.body)
    except RuleViolation as error:
        raise CommandError(f"{name} is no key set: {error}") from None


def read_document(path: Path) -> Tree:
    """The tree of a TOML file; the schema was not asked.

    Raises:
        CommandError: it cannot be read, or is no TOML.
    """
    try:
        return read_toml(read_bytes(path, 1 << 20).decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise CommandError(f"{path} is no UTF-8 text", code=Exit.USAGE) from None
    except ConfigError as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
