"""Looks for secrets in the raw bytes of a card: in files, in what was deleted, and between the partitions."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

_CHUNK: Final = 4 << 20
_SECRET: Final = re.compile(rb"\A[^\n]* 1\n([0-9a-f]{64})\n")


def secret_in(raw: bytes) -> bytes:
    """The secret that a key file holds.

    Raises:
        ValueError: it is no key file of ours.
    """
    found = _SECRET.match(raw)
    if found is None:
        raise ValueError("not a key file of this program")
    return bytes.fromhex(found[1].decode("ascii"))


def forms_of(secret: bytes) -> tuple[bytes, ...]:
    """How a secret may lie somewhere: as bytes, in hex of both cases, in Base64 with and without its end."""
    in_hex, in_base64 = secret.hex().encode("ascii"), base64.b64encode(secret)
    return secret, in_hex, in_hex.upper(), in_base64, in_base64.rstrip(b"=")


def places_of(card: Path, secrets: Mapping[str, bytes]) -> dict[str, list[int]]:
    """Where each secret lies on a card.

    Args:
        secrets: name -> the bytes.

    Returns:
        Name -> offsets in bytes, each form at each place once.
    """
    wanted = [(name, form) for name, secret in secrets.items() for form in forms_of(secret)]
    found: dict[str, set[int]] = {name: set() for name in secrets}
    overlap = max(len(form) for _, form in wanted) - 1
    begin, rest = 0, b""
    with card.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if len(chunk) == _CHUNK and not any(chunk) and not any(rest):  # a hole
                begin, rest = begin + len(rest) + len(chunk) - overlap, bytes(overlap)
                continue
            window = rest + chunk
            for name, form in wanted:
                found[name].update(begin + at for at in _all_of(window, form))
            rest = window[-overlap:]
            begin += len(window) - len(rest)
    return {name: sorted(places) for name, places in found.items()}


def _all_of(window: bytes, form: bytes) -> Iterable[int]:
    at = window.find(form)
    while at >= 0:
        yield at
        at = window.find(form, at + 1)
