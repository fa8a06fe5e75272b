"""What support gets: one archive that is redacted, and listed before it is written.

It leaves the board together with the board's identity, so it holds nothing of trades, and no power or energy either:
amounts and times would find the home's offers again on the public ledger. Keys and configuration values stay at home.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from firmware_app.console import CommandError
from firmware_app.status.checks import Check
from firmware_app.status.document import to_document
from firmware_app.status.snapshot import SCHEMA, Absent, Snapshot

LEFT_OUT: Final = Absent("left out: identity and trades never leave together")
MAX_EVENTS: Final = 200


class Item(NamedTuple):
    """One file of the archive.

    Attributes:
        name: in the archive.
        holds: what it is, in a few words.
        text: its content.
    """

    name: str
    holds: str
    text: str


def redacted(snapshot: Snapshot) -> Snapshot:
    """The snapshot without what was traded, metered or forecast."""
    meters = snapshot.meters
    if not isinstance(meters, Absent):
        meters = tuple(
            replace(meter, power_w=LEFT_OUT, import_j=LEFT_OUT, export_j=LEFT_OUT, reason="", last_suspect="")
            for meter in meters
        )
    return replace(
        snapshot,
        meters=meters,
        market=LEFT_OUT,
        battery=LEFT_OUT,
        owed=LEFT_OUT,
        forecast=LEFT_OUT,
        day=LEFT_OUT,
        notices=tuple(
            replace(notice, sentence="left out: it may hold a reading")
            if notice.code == "counter-suspect"
            else notice
            for notice in snapshot.notices
        ),
    )


def items(snapshot: Snapshot, checks: Sequence[Check], journal: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Everything that the archive will hold.

    Args:
        snapshot: as it is; it is redacted here.
        checks: what doctor found.
        journal: the last events, as the journal wrote them: without secrets and trades.
    """
    shown = [check for check in checks if check.name not in {"counter", "forecast"}]
    found = "".join(f"{check.state:<5} {check.name:<9} {check.found}\n" for check in shown)
    events = list(journal)[-MAX_EVENTS:]
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    status = json.dumps({"schema": SCHEMA, **to_document(redacted(snapshot))}, ensure_ascii=False, indent=1)
    return [
        Item("status.json", "how the device fares; no trades, no readings", status),
        Item("doctor.txt", f"{len(shown)} checks", found),
        Item("journal.jsonl", f"the last {len(events)} events; no secrets, no trades", lines),
    ]


def write(file: Path, content: Sequence[Item]) -> int:
    """Write the archive, readable for its owner alone; returns its size in bytes.

    Raises:
        CommandError: it exists already, or cannot be written.
    """
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CommandError(f"{file} exists already", hint="give another name") from None
    except OSError as error:
        raise CommandError(
            f"{file} cannot be written: {error.strerror}", hint="give another folder"
        ) from None
    with os.fdopen(handle, "wb") as out, tarfile.open(fileobj=out, mode="w:gz") as archive:
        for item in content:
            raw = item.text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"gridlight-support/{item.name}")
            entry.size, entry.mode = len(raw), 0o600
            archive.addfile(entry, io.BytesIO(raw))
    return file.stat().st_size
