"""Updates to play with, each made of the card that they are for: one that is good, and those that must not last."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from deploy.image import layout
from deploy.image.boards import BEAGLEBONE, VIRT
from deploy.image.bundle import make_bundle, make_keys
from deploy.image.slot import release_file
from deploy.image.tools import ImageError, run
from testbed.qemu.cards import copy_of
from testbed.qemu.errors import BoardError
from testbed.qemu.partitions import File, place_of, put, taken
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
        bundles = {}
        for kind in dict.fromkeys((Kind.GOOD, *kinds) if Kind.CUT_OFF in kinds else kinds):
            say(f"making the update: {kind}")
            bundles[kind] = _bundle(kit, kind)
        return {kind: make_stick(kit.folder / f"{kind}.stick", bundle) for kind, bundle in bundles.items()}
    except (ImageError, OSError) as error:
        raise BoardError(str(error)) from None


def _bundle(kit: Kit, kind: Kind) -> Path:
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
            root = _changed(kit, kind, without=[_INIT])
        case Kind.BLIND:
            root = _changed(kit, kind, without=[_adapter(kit.card)])
        case Kind.GOOD:
            root = _changed(kit, kind)
    make_bundle(bundle, board, root, keys, kit.folder, release=f"trial-{kind}", epoch=_EPOCH, level=1)
    root.unlink()
    return bundle


def _changed(kit: Kit, kind: Kind, *, without: Sequence[str] = ()) -> Path:
    """The card's root under another name, and without some of its files.

    Raises:
        BoardError: a file that is to be missing is not there.
    """
    card = copy_of(kit.card, kit.folder / "changed.img", size=layout.CARD_BYTES)
    for name in without:
        if taken(card, layout.ROOT_A, name) is None:
            raise BoardError(f"the card's root has no {name}")
    text = release_file(VIRT.name, f"trial-{kind}", healthy_within_s=kit.healthy_within_s)
    put(card, layout.ROOT_A, [File(path=_RELEASE_FILE, content=text.encode("ascii"))], remove=without)
    root = slot_of(card, kit.folder / f"{kind}.root")
    card.unlink()
    return root


def _adapter(card: Path) -> str:
    """Path of the driver, whatever the kernel's release is."""
    said = run("debugfs", "-R", "ls -p /usr/lib/modules", place_of(card, layout.ROOT_A))
    (release,) = (line.split("/")[5] for line in said.splitlines() if "armmp" in line)
    return f"/usr/lib/modules/{release}/{_ADAPTER}"
