"""USB sticks for emulated boards: made with a bundle on them, plugged in and pulled out while the board runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.image.tools import ImageError, run
from testbed.qemu.emulator import EmulatedBoard
from testbed.qemu.errors import BoardError
from testbed.qemu.qmp import QmpError

LABEL: Final = "GRIDLIGHTUP"
"""What the board's udev rule looks for."""
_SPARE: Final = 8 << 20
_SECTORS: Final = 1 << 20
_NODE: Final = "stick"
_DEVICE: Final = "stick-device"
_PULL_S: Final = 20.0
_LOOK_S: Final = 0.2


def make_stick(image: Path, bundle: Path) -> Path:
    """Write a stick's image: FAT, with the bundle where boards look for it.

    Raises:
        BoardError: it cannot be made.
    """
    size = -(-(bundle.stat().st_size + _SPARE) // _SECTORS) * _SECTORS
    with image.open("wb") as out:
        out.truncate(max(size, 40 << 20))
    try:
        run("mkfs.vfat", "-F", "32", "-n", LABEL, image)
        run("mmd", "-i", image, "::gridlight")
        run("mcopy", "-i", image, bundle, "::gridlight/update.raucb")
    except ImageError as error:
        raise BoardError(str(error)) from None
    return image


@contextmanager
def plugged_in(board: EmulatedBoard, stick: Path) -> Iterator[None]:
    """Have a stick in a board that is on; pulled out again at the end, if the board still has power.

    Raises:
        BoardError: the emulator refuses it.
    """
    file = {"driver": "file", "filename": str(stick), "read-only": True}
    try:
        with board.qmp() as qmp:
            qmp.ask("blockdev-add", **{"node-name": _NODE, "driver": "raw", "read-only": True, "file": file})
            qmp.ask("device_add", driver="usb-storage", id=_DEVICE, drive=_NODE)
    except QmpError as error:
        raise BoardError(f"the stick cannot be plugged in: {error}") from None
    try:
        yield
    finally:
        if board.is_on:
            _pull(board)


def _pull(board: EmulatedBoard) -> None:
    """The board lets go of the stick in its own time."""
    until_s = time.monotonic() + _PULL_S
    with board.qmp() as qmp:
        qmp.ask("device_del", id=_DEVICE)
        while True:
            try:
                qmp.ask("blockdev-del", **{"node-name": _NODE})
            except QmpError as error:
                if time.monotonic() >= until_s:
                    raise BoardError(f"the stick cannot be pulled out: {error}") from None
                time.sleep(_LOOK_S)
            else:
                return
