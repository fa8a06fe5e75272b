"""What `sign` and `push` attach to a bundle: a firmware, a genesis; and where the files are of one signed before."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.operator import files
from firmware_app.config.attached import SCHEME
from firmware_app.console import CommandError, Exit
from firmware_app.fleet.attachment import Attachment, Use, attachment_of
from firmware_app.fleet.bundle import Bundle
from firmware_app.fleet.change import Path as KeyPath
from light_client.rules.encoding import decode
from light_client.rules.errors import LightClientError, RuleViolation
from light_client.rules.ledger.genesis import genesis_from_wire

FOLDER: Final = "attachments"
"""Beside a bundle that was signed: what it brings, under the names that are in it; a stick is made by copying both."""
GENESIS: Final[KeyPath] = ("market", "genesis")
FINGERPRINT: Final[KeyPath] = ("market", "fingerprint")


def given(args: argparse.Namespace) -> dict[Attachment, Path]:
    """What the arguments attach, with the file that it is.

    Raises:
        CommandError: a file cannot be read, or not be attached.
    """
    wanted = ((Use.FILE, args.genesis), (Use.FIRMWARE, args.firmware))
    return {_attachment(Path(name), use): Path(name) for use, name in wanted if name}


def _attachment(path: Path, use: Use) -> Attachment:
    try:
        return attachment_of(path, use)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", code=Exit.USAGE) from None
    except RuleViolation as error:
        raise CommandError(f"{path}: {error}", code=Exit.USAGE) from None


def changes_of(attached: Mapping[Attachment, Path]) -> dict[KeyPath, Any]:
    """What a document has to say for the attached files to be used.

    Raises:
        CommandError: the genesis is none.
    """
    found: dict[KeyPath, Any] = {}
    for attachment, path in attached.items():
        if attachment.use is Use.FILE:
            found[GENESIS] = f"{SCHEME}{attachment.root.hex()}"
            found[FINGERPRINT] = _fingerprint(path, attachment.size)
    return found


def _fingerprint(path: Path, size: int) -> str:
    try:
        return genesis_from_wire(decode(files.read_bytes(path, size), max_bytes=size)).chain_id().hex()
    except LightClientError as error:
        raise CommandError(f"{path} is no genesis: {error}", code=Exit.USAGE) from None


def beside(bundle: Bundle, signed: Path) -> dict[Attachment, Path]:
    """What a bundle that was signed before brings, out of the folder beside it."""
    return {one: signed.parent / FOLDER / one.root.hex() for one in bundle.attachments}


def lay_beside(attached: Mapping[Attachment, Path], signed: Path) -> list[Path]:
    """Copy what is attached into the folder beside a bundle.

    Raises:
        CommandError: it cannot be written.
    """
    made = []
    for attachment, source in attached.items():
        target = signed.parent / FOLDER / attachment.root.hex()
        try:
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(source.read_bytes())
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from None
        made.append(target)
    return made


def attachment_lines(attachments: Iterable[Attachment]) -> list[str]:
    """For people."""
    return [
        f"brings  {one.use.name.lower()} {one.root.hex()[:16]}, {one.size:,} bytes" for one in attachments
    ]
