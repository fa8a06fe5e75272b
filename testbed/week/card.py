"""A card of the board's own: a file system in a file, that can be really full and can really fail.

    full          the last block is taken: the kernel refuses with ENOSPC what needs another one
    failed        ext4 gives itself up as on a card that loses writes, and is read-only at once: EROFS, open files too
    repaired      taken out, checked and put in again, as at the start of a board after that

All of it happens in a mount namespace of this process: nobody else sees the card, and nothing of it stays mounted. It
takes root, a loop device and the programs of e2fsprogs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

CARD_BYTES: Final = 128 << 20
_CHUNKS: Final = (1 << 20, 4_096)
_CLONE_NEWNS: Final = 0x20000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 1 << 18
_BALLAST: Final = ".ballast"
_CORRECTED: Final = (0, 1)
"""Exit codes of e2fsck: nothing to do, or done."""


class CardError(Exception):
    """The card cannot be had or handled; one sentence."""


def why_not() -> str:
    """Why there can be no card here, one clause; empty where there can be one."""
    if os.geteuid() != 0:
        return "it takes root"
    if not Path("/dev/loop-control").exists():
        return "there is no loop device"
    missing = [name for name in ("mkfs.ext4", "e2fsck", "mount", "umount") if shutil.which(name) is None]
    return f"{missing[0]} is not installed" if missing else ""


def keep_mounts_apart() -> None:
    """Give this process, and those that it starts, mounts that nobody else has; they go when the last one ends.

    Raises:
        CardError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        raise CardError(f"no mounts of our own: {os.strerror(ctypes.get_errno())}")


class Card:
    """A card in an empty folder."""

    def __init__(self, folder: Path, image: Path) -> None:
        """Format it and put it in.

        Args:
            folder: exists and is empty; what is written there is on the card from now on.
            image: where the card's content is kept.

        Raises:
            CardError: that cannot be done.
        """
        self._folder = folder
        self._image = image
        with image.open("wb") as out:
            out.truncate(CARD_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        self._mount()
        shutil.rmtree(folder / "lost+found")

    def _mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self._folder))

    def fill(self) -> int:
        """Take every block that is left; returns how many bytes that were."""
        taken = 0
        with (self._folder / _BALLAST).open("wb") as ballast:
            for chunk in _CHUNKS:
                try:
                    while True:
                        os.posix_fallocate(ballast.fileno(), taken, chunk)
                        taken += chunk
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        return taken

    def drain(self) -> None:
        """Give the blocks back."""
        (self._folder / _BALLAST).unlink()

    def fail(self) -> None:
        """Be read-only from now on, as after an error of the card."""
        _run("mount", "-o", "remount,abort", str(self._folder))

    def repair(self) -> None:
        """Be checked and put in again; nobody may have a file on it open."""
        _run("umount", str(self._folder))
        _run("e2fsck", "-p", str(self._image), good=_CORRECTED)
        self._mount()

    def take_out(self) -> None:
        """Leave what is on the card in the folder, without the card."""
        beside = self._folder.with_name(f"{self._folder.name}.left")
        shutil.copytree(self._folder, beside)
        _run("umount", str(self._folder))
        self._folder.rmdir()
        beside.rename(self._folder)
        self._image.unlink()


def _run(*words: str, good: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode not in good:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CardError(f"{words[0]} failed: {said[-1] if said else done.returncode}")
