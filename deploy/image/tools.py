"""Programs that make images: run with a time limit, told apart by what is missing, and always in the same world."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

PACKAGES: Final[Mapping[str, str]] = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "mmd": "mtools",
    "mkimage": "u-boot-tools",
    "mke2fs": "e2fsprogs",
    "rauc": "rauc",
    "mksquashfs": "squashfs-tools",
    "openssl": "openssl",
    "bmaptool": "bmap-tools",
    "depmod": "kmod",
    "debugfs": "e2fsprogs",
}
"""Program -> Debian package."""
LIMIT_S: Final = 5_400
_HANDED_ON: Final = ("MIRROR", "http_proxy", "https_proxy", "no_proxy")
"""Where packages come from, which changes nothing in them: apt checks their signatures."""


class ImageError(Exception):
    """An image cannot be made; one sentence."""


def lacking(programs: Sequence[str]) -> list[str]:
    """Debian packages of the programs that are not installed."""
    return sorted({PACKAGES[name] for name in programs if _which(name) is None})


def run(*words: str | Path, epoch: int = 0, text: str | None = None, folder: Path | None = None) -> str:
    """Run a program, return what it printed.

    Args:
        epoch: what it takes for the time, seconds UTC, so that its output is the same another day.
        text: its input.
        folder: where it runs.

    Raises:
        ImageError: it is not installed, fails, or takes over an hour and a half.
    """
    name = str(words[0])
    program = _which(name)
    if program is None:
        package = PACKAGES.get(name, name)
        raise ImageError(f"{name} is not installed: apt-get install {package}")
    environment = {
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(epoch),
        "E2FSPROGS_FAKE_TIME": str(epoch),
        "MTOOLS_SKIP_CHECK": "1",
        **{name: os.environ[name] for name in _HANDED_ON if name in os.environ},
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [program, *map(str, words[1:])],
            capture_output=True,
            text=True,
            input=text,
            check=False,
            timeout=LIMIT_S,
            env=environment,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        raise ImageError(f"{name} took over {LIMIT_S} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ImageError(f"{name} failed: {said[-1][:300] if said else f'exit code {done.returncode}'}")
    return done.stdout


def _which(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
