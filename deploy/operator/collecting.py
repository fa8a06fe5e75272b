"""`collect`: letters that the service has taken in, as files for whoever they are for, each once."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Final

from deploy.operator.desk.devices import NAME
from deploy.operator.desk.folder import open_desk
from deploy.operator.files import write_new
from firmware_app.console import CommandError, Console, Exit

_SCHEMA: Final = "gridlight.fleet.collect/1"


def collect(args: argparse.Namespace) -> int:
    """Write letters of one kind into a folder for each device; those that are there already are passed over."""
    console: Console = args.console
    if not NAME.fullmatch(args.kind):
        raise CommandError(f"got the kind {args.kind!r}, expected such as delivery-report", code=Exit.USAGE)
    desk = open_desk(Path(args.desk))
    out, written, there = Path(args.out), 0, 0
    try:
        names = args.name or [device.name for device in desk.devices.all()]
        with console.progress("collect", total=len(names), unit="meters") as progress:
            for name in names:
                for key, _, body in desk.inbox.letters(desk.devices.named(name).name, args.kind):
                    path = out / name / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.{args.kind}"
                    if path.exists():
                        there += 1
                        continue
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_new(path, body, replace=True)
                    written += 1
                progress.advance()
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from None
    finally:
        desk.close()
    document = {"folder": str(out), "written": written, "there_already": there, "kind": args.kind}
    console.result(_SCHEMA, document, [f"{written} letters written to {out}, {there} were there already"])
    return Exit.OK
