"""Reading what devices say of their configuration: bytes of a stranger, until each field was looked at."""

from __future__ import annotations

import json
from typing import Any, Final

from firmware_app.fleet.form import MAX_NUMBER, form, whole
from firmware_app.fleet.memory import Phase
from firmware_app.fleet.report import REPORTED

MAX_REPORTED_BYTES: Final = 16 << 10
_MAX_TEXT: Final = 1_024
_MAX_RULES: Final = 64


def reported_from_bytes(raw: bytes, device: str) -> dict[str, Any]:
    """Read a reported document.

    Raises:
        RuleViolation: FLT-02.
    """
    if len(raw) > MAX_REPORTED_BYTES:
        raise form("reported document", f"{len(raw)} bytes", f"at most {MAX_REPORTED_BYTES}")
    try:
        wire = json.loads(raw)
    except (ValueError, RecursionError):
        raise form("reported document", raw[:64], "JSON") from None
    if type(wire) is not dict or wire.get("schema") != REPORTED or wire.get("device") != device:
        raise form("reported document", raw[:64], f"{REPORTED} of {device}")
    if wire.get("state") not in tuple(Phase):
        raise form("state", wire.get("state"), ", ".join(Phase))
    return {
        "state": wire["state"],
        "key_set": whole("key set", wire.get("key_set"), 1, MAX_NUMBER),
        "version": _version("version", wire.get("version")),
        "next": _version_or_none("next", wire.get("next")),
        "failed": _version_or_none("failed", wire.get("failed")),
        "health": _text_or_none("health", wire.get("health")),
        "waiting_for": _text_or_none("waiting_for", wire.get("waiting_for")),
        "fetching": _hash("fetching", wire.get("fetching")),
        "refused": _refused(wire.get("refused")),
        "last_refusal": _text_or_none("last_refusal", wire.get("last_refusal")),
        "last_refused": _hash("last_refused", wire.get("last_refused")),
    }


def _version_or_none(what: str, wire: Any) -> dict[str, Any] | None:
    return None if wire is None else _version(what, wire)


def _version(what: str, wire: Any) -> dict[str, Any]:
    if type(wire) is not dict:
        raise form(what, wire, "a version")
    found = {
        "key_set": whole(f"key set of {what}", wire.get("key_set"), 0, MAX_NUMBER),
        "version": whole(what, wire.get("version"), 0, MAX_NUMBER),
        "hash": _hash(f"hash of {what}", wire.get("hash")),
    }
    if "reason" in wire:
        found["reason"] = _text_or_none(f"reason of {what}", wire["reason"])
    return found


def _hash(what: str, wire: Any) -> str | None:
    if wire is None:
        return None
    if type(wire) is not str or len(wire) != 64 or not set(wire) <= set("0123456789abcdef"):
        raise form(what, wire, "64 hexadecimal digits")
    return wire


def _text_or_none(what: str, wire: Any) -> str | None:
    if wire is not None and (type(wire) is not str or len(wire) > _MAX_TEXT):
        raise form(what, wire, f"a text of at most {_MAX_TEXT} characters")
    return wire


def _refused(wire: Any) -> dict[str, int]:
    if type(wire) is not dict or len(wire) > _MAX_RULES:
        raise form("refused", wire, "a table of rules")
    return {rule[:16]: whole("times refused", count, 0, MAX_NUMBER) for rule, count in wire.items()}
