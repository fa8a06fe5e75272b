"""Updates to play with, each made of the card that they are for: one that is good, and those that must not last."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from deploy.image import layout
from deploy.image.boards import BEAGLEBONE, VIRT
from deploy.image.bundle import make_bundle, make_keys
from deploy.image.root import release_file
from deploy.image.tools import ImageError, run
from testbed.qemu.emulator import BoardError
from testbed.updates.sticks import make_stick

_SUPERBLOCK: Final = 1_024
_RELEASE_FILE: Final = "/etc/gridlight-release"
_INIT: Final = "/usr/lib/systemd/systemd"
_ADAPTER: Final = "kernel/drivers/usb/serial/ftdi_sio.ko.xz"
"""Driver of the emulated adapter that the meter is wired to."""
_SMALL: Final = 1 << 20
_CUT_PERCENT: Final = 60
_EPOCH: Final = 1_763_769_600
_CHUNK: Final = 1 << 20


class Kind(StrEnum):
    """What an update is like."""

    GOOD = "good"
    DEAD = "dead"
    """Its system is missing: the kernel starts, and finds nothing to start."""
    BLIND = "blind"
    """It starts, but has no driver for the meter's adapter."""
    FOREIGN = "foreign"
    """Signed by somebody whom the board does not believe."""
    OTHER_BOARD = "other-board"
    """For a BeagleBone, rightly signed."""
    CUT_OFF = "cut-off"
    """The good one without its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What updates are made of.

    Attributes:
        card: the image that the board was flashed with.
        keys: of whoever the board believes.
        folder: for what is made.
        healthy_within_s: how long a release on trial may take to read the meter, board's seconds.
    """

    card: Path
    keys: Path
    folder: Path
    healthy_within_s: int


def slot_of(card: Path, to: Path) -> Path:
    """Take slot A's file system out of a card, as long as it says that it is.

    Raises:
        BoardError: there is none.
    """
    with card.open("rb") as source, to.open("wb") as out:
        source.seek(layout.ROOT_A.offset + _SUPERBLOCK)
        head = source.read(64)
        if head[56:58] != b"\x53\xef":
            raise BoardError(f"slot A of {card} holds no ext4")
        blocks, shift = int.from_bytes(head[4:8], "little"), int.from_bytes(head[24:28], "little")
        left = blocks << (10 + shift)
        source.seek(layout.ROOT_A.offset)
        while left > 0 and (chunk := source.read(min(_CHUNK, left))):
            out.write(chunk)
            left -= len(chunk)
    return to


def sticks(kit: Kit, kinds: Sequence[Kind], say: Callable[[str], None]) -> dict[Kind, Path]:
    """Make a stick with each kind of update.

    Raises:
        BoardError: one cannot be made.
    """
    try:
        slot = slot_of(kit.card, kit.folder / "slot.img")
        bundles = {}
        for kind in dict.fromkeys((Kind.GOOD, *kinds) if Kind.CUT_OFF in kinds else kinds):
            say(f"making the update: {kind}")
            bundles[kind] = _bundle(kit, kind, slot)
        return {kind: make_stick(kit.folder / f"{kind}.stick", bundle) for kind, bundle in bundles.items()}
    except (ImageError, OSError) as error:
        raise BoardError(str(error)) from None


def _bundle(kit: Kit, kind: Kind, slot: Path) -> Path:
    bundle = kit.folder / f"{kind}.raucb"
    board, keys, root = VIRT, kit.keys, kit.folder / f"{kind}.root"
    match kind:
        case Kind.CUT_OFF:
            raw = (kit.folder / f"{Kind.GOOD}.raucb").read_bytes()
            bundle.write_bytes(raw[: len(raw) * _CUT_PERCENT // 100])
            return bundle
        case Kind.FOREIGN:
            keys = kit.folder / "others"
            make_keys(keys)
            root.write_bytes(os.urandom(_SMALL))
        case Kind.OTHER_BOARD:
            board = BEAGLEBONE
            root.write_bytes(os.urandom(_SMALL))
        case Kind.DEAD:
            _change(kit, slot, root, kind, removed=[_INIT])
        case Kind.BLIND:
            _change(kit, slot, root, kind, removed=[f"{_modules(slot)}/{_ADAPTER}"])
        case Kind.GOOD:
            _change(kit, slot, root, kind, removed=[])
    make_bundle(bundle, board, root, keys, kit.folder, release=f"trial-{kind}", epoch=_EPOCH)
    root.unlink()
    return bundle


def _modules(slot: Path) -> str:
    said = run("debugfs", "-R", "ls -p /usr/lib/modules", slot)
    (name,) = (line.split("/")[5] for line in said.splitlines() if line.count("/") >= 6 and "armmp" in line)
    return f"/usr/lib/modules/{name}"


def _change(kit: Kit, slot: Path, to: Path, kind: Kind, *, removed: Sequence[str]) -> None:
    """Copy a root, under another name and without some of its files.

    Raises:
        BoardError: a file that is to be removed is not there.
    """
    shutil.copyfile(slot, to)
    for name in removed:
        if "File not found" in _debugfs(to, f"stat {name}"):
            raise BoardError(f"the card's root has no {name}")
    with tempfile.NamedTemporaryFile("w", suffix=".release", encoding="ascii") as text:
        text.write(release_file(VIRT.name, f"trial-{kind}", healthy_within_s=kit.healthy_within_s))
        text.flush()
        Path(text.name).chmod(0o644)
        for command in (
            f"rm {_RELEASE_FILE}",
            f"write {text.name} {_RELEASE_FILE}",
            *(f"rm {name}" for name in removed),
        ):
            _debugfs(to, command)
    if f"RELEASE=trial-{kind}" not in run("debugfs", "-R", f"cat {_RELEASE_FILE}", to):
        raise BoardError(f"the root of the update {kind} could not be changed")


def _debugfs(image: Path, command: str) -> str:
    """One command; what it says of a missing file goes to its error output, so both are returned."""
    return run("sh", "-c", 'exec debugfs -w -R "$1" "$2" 2>&1', "sh", command, image)
