"""`audit`: who did what, whether the log is whole, and a copy of it for somebody else to keep."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.operator import files
from deploy.operator.desk.audit import Entry, Finding, Head, check_chain
from deploy.operator.desk.folder import open_desk
from firmware_app.console import CommandError, Console, Exit, Paint
from light_client.rules.crypto import HASH_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES

_SCHEMA: Final = "gridlight.fleet.audit/1"
_EXPORT: Final = "gridlight.audit-export/1"
_MAX_EXPORT: Final = 1 << 30


def audit(args: argparse.Namespace) -> int:
    """Show, verify or export."""
    return {"show": _show, "verify": _verify, "export": _export}[args.action](args)


def _show(args: argparse.Namespace) -> int:
    console: Console = args.console
    desk = open_desk(Path(args.desk))
    try:
        entries = desk.audit.newest(args.last)[::-1]
    finally:
        desk.close()
    lines = [
        f"{entry.seq:>6}  {shown_time(entry.at_ms)}  {entry.who:<20} {entry.what:<18} {entry.detail}"
        for entry in entries
    ]
    console.result(
        _SCHEMA, {"entries": [_plain(entry) for entry in entries]}, lines or ["nothing has happened yet"]
    )
    return Exit.OK


def _verify(args: argparse.Namespace) -> int:
    """Of the desk, or of an exported file alone; against an earlier export where one is named."""
    noted, _, noted_key = _read_export(Path(args.noted)) if args.noted else (None, [], b"")
    if args.file:
        head, entries, public_key = _read_export(Path(args.file))
    else:
        desk = open_desk(Path(args.desk), thorough=True)
        try:
            head, entries, public_key = (
                desk.audit.head(),
                desk.audit.entries(since=-(1 << 62)),
                desk.audit.public_key,
            )
        finally:
            desk.close()
    finding = check_chain(entries, head, public_key, noted)
    if finding is None and noted_key and noted_key != public_key:
        finding = Finding(seq=0, sentence="it is signed by another key than the one that was noted")
    return _say(args.console, finding, head, public_key, len(entries))


def _say(console: Console, finding: Finding | None, head: Head, public_key: bytes, count: int) -> int:
    document = {
        "valid": finding is None,
        "entries": count,
        "head": head.hash.hex(),
        "public_key": public_key.hex(),
        "broken_at": finding.seq if finding else None,
        "reason": finding.sentence if finding else None,
    }
    if finding is None:
        console.result(
            _SCHEMA,
            document,
            [f"{console.paint('whole', Paint.GREEN)}   {count} entries, end {head.hash.hex()[:16]}"],
        )
        return Exit.OK
    console.result(
        _SCHEMA,
        document,
        [f"{console.paint('broken', Paint.RED)}  at entry {finding.seq}: {finding.sentence}"],
    )
    return Exit.FAILED


def _export(args: argparse.Namespace) -> int:
    console: Console = args.console
    desk = open_desk(Path(args.desk))
    try:
        head, entries, public_key = desk.audit.head(), desk.audit.entries(), desk.audit.public_key
    finally:
        desk.close()
    out = Path(args.out)
    first = {
        "schema": _EXPORT,
        "seq": head.seq,
        "head": head.hash.hex(),
        "signature": head.signature.hex(),
        "public_key": public_key.hex(),
    }
    lines = [json.dumps(row, ensure_ascii=False) for row in (first, *map(_plain, entries))]
    files.write_new(out, ("\n".join(lines) + "\n").encode())
    document = {"file": str(out), "entries": len(entries), "head": head.hash.hex()}
    console.result(_SCHEMA, document, [f"file  {out}   {len(entries)} entries, end {head.hash.hex()[:16]}"])
    console.note(
        "next: keep it where nobody of this desk can write; audit verify --noted FILE compares with it"
    )
    return Exit.OK


def _read_export(path: Path) -> tuple[Head, list[Entry], bytes]:
    """Head, entries and public key of an exported file.

    Raises:
        CommandError: it is none.
    """
    try:
        rows: Iterable[Any] = [json.loads(line) for line in files.read_bytes(path, _MAX_EXPORT).splitlines()]
        first, *rest = rows
        _check_schema(first["schema"])
        head = Head(
            seq=int(first["seq"]),
            hash=_octets(first["head"], HASH_BYTES),
            signature=_octets(first["signature"], SIGNATURE_BYTES),
        )
        entries = [Entry(**{**row, "hash": _octets(row["hash"], HASH_BYTES)}) for row in rest]
        return head, entries, _octets(first["public_key"], PUBLIC_KEY_BYTES)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CommandError(f"{path} is no export of an audit", code=Exit.USAGE) from None


def _check_schema(schema: object) -> None:
    if schema != _EXPORT:
        raise ValueError(schema)


def _octets(text: str, size: int) -> bytes:
    data = bytes.fromhex(text)
    if len(data) != size:
        raise ValueError(text)
    return data


def _plain(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at_ms": entry.at_ms,
        "who": entry.who,
        "what": entry.what,
        "detail": entry.detail,
        "hash": entry.hash.hex(),
    }


def shown_time(at_ms: int) -> str:
    """UTC, for people."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
