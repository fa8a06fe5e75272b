"""`verify` and `diff`: what a bundle is, whether devices would take it, and what it would change."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from deploy.operator import files
from firmware_app.console import CommandError, Console, Exit, Paint
from firmware_app.fleet.bundle import Bundle, Delta, bundle_from_bytes
from firmware_app.fleet.change import UNSET, Change, difference, dotted
from firmware_app.fleet.change import Path as KeyPath
from firmware_app.fleet.document import Tree
from firmware_app.fleet.envelope import Envelope, Kind
from firmware_app.fleet.key_set import KeySet, check_next_key_set
from firmware_app.fleet.ownership import SECRETS, check_owned
from firmware_app.fleet.selector_text import selector_text
from firmware_app.fleet.verification import (
    Clock,
    check_expiry,
    check_fleet,
    check_key_set,
    check_schema,
    check_signers,
    document_of,
)
from light_client.rules.crypto import verify as verify_signature
from light_client.rules.errors import RuleViolation

_VERIFY: Final = "gridlight.fleet.verify/1"
_DIFF: Final = "gridlight.fleet.diff/1"
_HIDDEN: Final = "(secret)"


def verify(args: argparse.Namespace) -> int:
    """Ask every rule that can be asked without a device; with a device's document, the schema too."""
    console: Console = args.console
    key_set = files.read_key_set(Path(args.key_set))
    envelope = files.read_signed(Path(args.file))
    facts: dict[str, Any] = {
        "file": args.file,
        "kind": envelope.kind.name.lower(),
        "hash": envelope.hash(key_set.fleet_id).hex(),
        "signatures": [key.hex() for key, _ in envelope.signatures],
    }
    depth = ["form", "fleet", "signatures"]
    try:
        if envelope.kind is Kind.KEY_SET:
            facts["version"] = check_next_key_set(key_set, envelope, verify_signature).version
        else:
            bundle = bundle_from_bytes(envelope.body)
            facts |= _facts(bundle)
            check_bundle(envelope, bundle, key_set)
            depth += ["expiry", "ownership"]
            if args.device:
                check_schema(document_of(bundle, files.read_document(Path(args.device))))
                depth.append("meaning")
    except RuleViolation as error:
        document = {**facts, "valid": False, "rule": error.rule, "reason": str(error), "depth": depth}
        console.result(_VERIFY, document, [*_lines(facts), f"{console.paint('refused', Paint.RED)}  {error}"])
        return Exit.FAILED
    document = {**facts, "valid": True, "rule": None, "reason": None, "depth": depth}
    untold = "" if "meaning" in depth or envelope.kind is Kind.KEY_SET else "; no device's document tried"
    valid = f"{console.paint('valid', Paint.GREEN)}    {', '.join(depth)}{untold}"
    console.result(_VERIFY, document, [*_lines(facts), valid])
    return Exit.OK


def check_bundle(envelope: Envelope, bundle: Bundle, key_set: KeySet) -> None:
    """Ask every rule that needs no device.

    Raises:
        RuleViolation: the first that is broken.
    """
    check_fleet(bundle, key_set)
    if bundle.key_set > key_set.version:
        raise RuleViolation("FLT-04", "key set of a bundle", got=bundle.key_set, expected=key_set.version)
    check_key_set(bundle, key_set)
    check_signers(envelope, bundle, key_set, verify_signature)
    check_expiry(bundle, Clock(utc_ms=time.time_ns() // 1_000_000))
    check_owned(bundle.content)


def _facts(bundle: Bundle) -> dict[str, Any]:
    return {
        "version": bundle.version,
        "key_set": bundle.key_set,
        "issued_ms": bundle.issued_ms,
        "expires_ms": bundle.expires_ms,
        "target": selector_text(bundle.target),
        "content": "delta" if isinstance(bundle.content, Delta) else "whole",
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    shown = ("kind", "version", "target", "content", "hash")
    lines = [f"{key:<8} {facts[key]}" for key in shown if key in facts]
    return [*lines, f"signed   by {len(facts['signatures'])}"]


def diff(args: argparse.Namespace) -> int:
    """Say what a bundle, or another document, would change in a document."""
    console: Console = args.console
    before = files.read_document(Path(args.before))
    after = _after(Path(args.after), before)
    try:
        changes = difference(before, after)
    except RuleViolation as error:
        raise CommandError(str(error), code=Exit.USAGE) from None
    rows = [row_of(change, before) for change in changes]
    lines = [line_of(row) for row in rows]
    console.result(_DIFF, {"changes": rows}, lines or ["nothing changes"])
    return Exit.OK


def _after(path: Path, before: Tree) -> Tree:
    if path.suffix == ".toml":
        return files.read_document(path)
    envelope = files.read_signed(path)
    if envelope.kind is not Kind.BUNDLE:
        raise CommandError(f"{path} is a key set, expected a bundle or a .toml file", code=Exit.USAGE)
    try:
        return document_of(bundle_from_bytes(envelope.body), before)
    except RuleViolation as error:
        raise CommandError(f"{path} does not fit this document: {error}") from None


def row_of(change: Change, before: Tree) -> dict[str, Any]:
    """A change with the old value, secrets hidden."""
    old = _value_at(before, change.path)
    sign = "-" if change.value is UNSET else ("+" if old is None else "~")
    new = None if change.value is UNSET else change.value
    return {
        "sign": sign,
        "key": dotted(change.path),
        "old": _without_secrets(old, change.path),
        "new": _without_secrets(new, change.path),
    }


def _without_secrets(value: Any, path: KeyPath) -> Any:
    """The value with every secret in it hidden; None stays None."""
    if value is not None and (path[0], path[-1]) in SECRETS:
        return _HIDDEN
    if isinstance(value, dict):
        return {key: _without_secrets(part, (*path, key)) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_secrets(part, path) for part in value]
    return value


def _value_at(tree: Any, path: Iterable[str]) -> Any:
    for step in path:
        if isinstance(tree, list):
            tree = next((entry for entry in tree if entry.get("name") == step), None)
        else:
            tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def line_of(row: dict[str, Any]) -> str:
    """A change for people."""
    return f"{row['sign']} {row['key']:<40} {_shown(row)}"


def _shown(row: dict[str, Any]) -> str:
    if row["sign"] == "~":
        return f"{row['old']} -> {row['new']}"
    return str(row["new"] if row["sign"] == "+" else row["old"])
