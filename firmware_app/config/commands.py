"""`gridlight run --check`, `run --example` and `enroll`: what people do before the device runs by itself."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from firmware_app.config import keys
from firmware_app.config.check import DEFAULT_FILE, Checked, check
from firmware_app.config.enrolment import SCHEMA, enrolment_of
from firmware_app.config.load import ConfigError
from firmware_app.console import CommandError, Console, Exit

EXAMPLE: Final = Path(__file__).with_name("example.toml")
_CHECK_SCHEMA: Final = "gridlight.check/1"
_REQUEST: Final = "enrolment.json"
_DEPTH: Final = "valid: syntax and meaning; meter not tried"


def file_of(args: argparse.Namespace) -> Path:
    """The document that the command is about."""
    return Path(args.file) if args.file else DEFAULT_FILE


def checked(path: Path) -> Checked:
    """Check a document, or end the command.

    Raises:
        CommandError: it does not hold together.
    """
    try:
        return check(path)
    except ConfigError as error:
        raise refusal(error, path) from None


def refusal(error: ConfigError, path: Path) -> CommandError:
    """What ends a command whose document does not hold together."""
    hint = f"gridlight run --example > {path}" if not path.exists() else f"gridlight run --check {path}"
    return CommandError(str(error), hint=hint, code=Exit.USAGE)


def show_example(console: Console) -> int:
    """Print a document in which every key is explained."""
    text = EXAMPLE.read_text(encoding="utf-8")
    console.result("gridlight.example/1", {"text": text}, [text.rstrip()])
    return Exit.OK


def show_check(args: argparse.Namespace) -> int:
    """Say how far a document was found to be right, and which one it was."""
    console: Console = args.console
    path = file_of(args)
    found = checked(path)
    meters = [{"name": name, "where": wiring.where} for name, wiring in found.wirings.items()]
    document: dict[str, Any] = {
        "file": str(path),
        "depth": ["syntax", "meaning"],
        "chain": found.genesis.name,
        "enrolled": found.is_enrolled,
        "meters": meters,
    }
    lines = [
        f"file      {path}",
        f"device    {found.config.device.name}, data in {found.folder}",
        f"chain     {found.genesis.name}, feeder {found.config.market.feeder}",
        *(f"meter     {name} at {wiring.where}" for name, wiring in found.wirings.items()),
        _DEPTH if found.is_enrolled else f"{_DEPTH}; not enrolled yet",
    ]
    console.result(_CHECK_SCHEMA, document, lines)
    if not found.is_enrolled:
        console.note(f"next: gridlight enroll {path}")
    return Exit.OK


def ensure_keys(args: argparse.Namespace) -> tuple[Checked, list[Path], dict[str, Any]]:
    """Make the device's keys if it has none, and write the request for the grid operator.

    Returns:
        The configuration, the files that were made, and the request.

    Raises:
        CommandError: it cannot be done.
    """
    found = checked(file_of(args))
    try:
        made = keys.create_missing(found.folder, found.store, found.config.device.identity)
        request = enrolment_of(
            found.config.device.name, keys.load(found.folder, found.config.device.identity)
        )
        document = {**request.document(), "chain": found.config.market.fingerprint}
        text = json.dumps({"schema": SCHEMA, **document}, indent=1) + "\n"
        (found.folder / _REQUEST).write_text(text, encoding="utf-8")
    except keys.KeysError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from None
    return found, made, document


def enroll(args: argparse.Namespace) -> int:
    """Make the device's keys if it has none, and say what the grid operator has to know."""
    console: Console = args.console
    found, made, document = ensure_keys(args)
    path = found.folder / _REQUEST
    lines = [
        f"{'made' if made else 'kept'}         {', '.join(map(str, made or [found.folder]))}",
        f"fingerprint  {document['fingerprint']}",
        f"request      {path}",
    ]
    console.result(SCHEMA, {**document, "file": str(path), "made": [file.name for file in made]}, lines)
    console.note("next: hand the request to the grid operator, and let both compare the fingerprint")
    return Exit.OK
