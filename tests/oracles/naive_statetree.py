"""The authenticated map from its definition alone: no updates, bits as a string, built anew from all entries.

Slow and short on purpose. Imports nothing from the project.
"""

from __future__ import annotations

import hashlib


def tagged(tag: str, *parts: bytes) -> bytes:
    """Return the tagged hash of BIP 340 over the joined parts."""
    name = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(name + name + b"".join(parts)).digest()


def root(records: dict[bytes, bytes]) -> bytes:
    """Return the root over key -> canonical bytes of the value."""
    return root_of_hashes({key: tagged("gridlight/state/value/1", value) for key, value in records.items()})


def root_of_hashes(values: dict[bytes, bytes]) -> bytes:
    """Return the root over key -> hash of the value."""
    return _subtree(
        {f"{int.from_bytes(key, 'big'):0256b}": (key, value) for key, value in values.items()}, ""
    )


def _subtree(entries: dict[str, tuple[bytes, bytes]], prefix: str) -> bytes:
    inside = [entry for bits, entry in entries.items() if bits.startswith(prefix)]
    if not inside:
        return bytes(32)
    if len(inside) == 1:
        return tagged("gridlight/state/entry/1", *inside[0])
    return tagged(
        "gridlight/state/branch/1", _subtree(entries, prefix + "0"), _subtree(entries, prefix + "1")
    )


def path(values: dict[bytes, bytes], key: bytes) -> tuple[list[bytes], tuple[bytes, bytes] | None]:
    """Return the hashes beside the way to a key, from the root downwards, and the entry found at its end."""
    entries = {f"{int.from_bytes(key, 'big'):0256b}": (key, value) for key, value in values.items()}
    bits = f"{int.from_bytes(key, 'big'):0256b}"
    siblings: list[bytes] = []
    for depth in range(257):
        inside = [entry for other, entry in entries.items() if other.startswith(bits[:depth])]
        if len(inside) <= 1:
            return siblings, inside[0] if inside else None
        siblings.append(_subtree(entries, bits[:depth] + ("0" if bits[depth] == "1" else "1")))
    raise ValueError("two keys cannot be equal")
