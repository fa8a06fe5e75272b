"""Looks for what must not be the same on two boards: keys, passwords, names that a board makes by itself.

A card is copied a thousand times and read by anybody who finds one. So it holds no secret, and every build looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PRIVATE: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]")
"""With something of the key after it: programs that look for keys hold the first line too."""
_OURS: Final = re.compile(rb"gridlight (identity|wallet seed) 1\n[0-9a-f]{64}")
_NAMES: Final = frozenset(
    {"identity.key", "wallet.seed", "enrolment.json", "ticket.json", "token.pin", "random-seed"}
)
_NAME_PATTERNS: Final = ("ssh_host_*_key", "*.p12", "*.pfx", "authorized_keys", ".netrc", "*.ticket")
_OF_THE_BUILD: Final = ("etc/.resolv.conf.systemd-resolved.bak",)
_LOCKED: Final = re.compile(r"[!*].*")
_LARGEST: Final = 1 << 20
"""No file of a key is larger; what is, is not read."""


def secrets_in(root: Path) -> list[str]:
    """Everything in a root that a board should have made itself, one clause each; empty for one to be copied."""
    found = [*_accounts(root), *_machine(root)]
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = path.relative_to(root).as_posix()
        if path.name in _NAMES or any(path.match(pattern) for pattern in _NAME_PATTERNS):
            found.append(f"{name} belongs to one board")
        elif path.stat().st_size <= _LARGEST:
            raw = path.read_bytes()
            if _PRIVATE.search(raw) or _OURS.search(raw):
                found.append(f"{name} holds a private key")
    return found


def _accounts(root: Path) -> Iterator[str]:
    shadow = root / "etc/shadow"
    if shadow.exists():
        for line in shadow.read_text(encoding="utf-8").splitlines():
            name, password, *_ = line.split(":")
            if not _LOCKED.fullmatch(password):
                yield f"etc/shadow lets {name} log in {'by a password' if password else 'without a password'}"


def _machine(root: Path) -> Iterator[str]:
    path = root / "etc/machine-id"
    if path.exists() and path.read_bytes().strip() not in {b"", b"uninitialized"}:
        yield "etc/machine-id is that of one machine"
    for name in _OF_THE_BUILD:
        if (root / name).exists():
            yield f"{name} tells of the machine that built this"
