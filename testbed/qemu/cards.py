"""Cards for emulated boards: copies to write on, what an integrator lays on them, and what is on them afterwards.

The image that was built stays as it is; everything here happens to copies. Needed are `mtools` and `e2fsprogs`, and no
root: nothing is mounted.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from deploy.image import layout
from deploy.image.boards import BOARDS
from deploy.image.build import Release, build, make_wheel, source_epoch, why_not
from deploy.image.bundle import make_keys
from deploy.image.tools import ImageError, run
from firmware_app.version import VERSION
from testbed.qemu.errors import BoardError
from testbed.qemu.machine import MACHINES, Machine
from testbed.qemu.partitions import place_of, repair

SLOT_BYTES: Final = 2 << 30
"""Of a copy: emulated card slots take powers of two, and the data partition has something to grow into."""
INTEGRATORS_FOLDER: Final = "gridlight"
_LOADER: Final = ".u-boot.bin"
_HARDWARE_ADDRESS: Final = ("52", "54", "00", "12", "34", "56")
"""As QEMU gives its first network card; each board has a network of its own."""
_CHUNK: Final = 1 << 20
_ZEROS: Final = bytes(_CHUNK)


def copy_of(card: Path, to: Path, *, size: int = SLOT_BYTES) -> Path:
    """Copy a card's image, with its holes, and give it the size of the card that it is written on.

    Raises:
        BoardError: it cannot be copied.
    """
    try:
        with card.open("rb") as source, to.open("wb") as out:
            while chunk := source.read(_CHUNK):
                if chunk != _ZEROS[: len(chunk)]:
                    out.write(chunk)
                else:
                    out.seek(len(chunk), 1)
            out.truncate(size)
    except OSError as error:
        raise BoardError(f"{card} cannot be copied to {to}: {error.strerror}") from None
    return to


def lay_on(card: Path, files: Mapping[str, bytes]) -> None:
    """Lay files into the integrator's folder of the boot partition, as with a card reader.

    Raises:
        BoardError: it cannot be done.
    """
    with tempfile.TemporaryDirectory(prefix="gridlight-lay-") as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.write_bytes(content)
            _tool("mcopy", "-o", "-i", _boot(card), path, f"::{INTEGRATORS_FOLDER}/{name}")


def taken_from(card: Path, name: str) -> bytes | None:
    """A file of the integrator's folder; None if it is not there."""
    with tempfile.TemporaryDirectory(prefix="gridlight-take-") as folder:
        path = Path(folder) / "taken"
        try:
            run("mcopy", "-n", "-i", _boot(card), f"::{INTEGRATORS_FOLDER}/{name}", path)
        except ImageError:
            return None
        return path.read_bytes()


def boot_state(card: Path) -> dict[str, str] | None:
    """Which slot is started next, and how often each may still fail."""
    with card.open("rb") as file:
        file.seek(layout.STATE_SECTOR * layout.SECTOR)
        return layout.read_state(file.read(layout.STATE_BYTES))


def data_of(card: Path, folder: Path) -> Path:
    """Take the data partition of a switched-off board apart; returns a new folder with what is in it.

    The journal is played back first, as the board itself would at its next start.

    Raises:
        BoardError: there is no file system.
    """
    out = folder / "data"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    repair(card, layout.DATA)
    _tool("debugfs", "-R", f"rdump / {out}", place_of(card, layout.DATA))
    return out


def boot_of(machine: Machine, image: Path, card: Path, folder: Path) -> dict[str, Path]:
    """What a machine starts: the boot loader that belongs to an image, or the kernel on the card.

    Args:
        card: copy of the image; the loader is copied beside it, so that it can be copied on.

    Raises:
        BoardError: there is none.
    """
    if not machine.loader:
        boot = kernel_of(card, folder, machine.tree)
        if machine.network:
            # Without an address of its own a board invents one at each start, and gets another one by DHCP.
            _tool(
                "fdtput", "-t", "bx", boot["tree"], machine.network, "local-mac-address", *_HARDWARE_ADDRESS
            )
        return boot
    loader = card.with_suffix(_LOADER)
    try:
        shutil.copyfile(image.with_suffix(_LOADER), loader)
    except OSError as error:
        raise BoardError(f"{image} has no {_LOADER} beside it: {error.strerror}") from None
    return {"u-boot": loader}


def kernel_of(card: Path, folder: Path, tree: str) -> dict[str, Path]:
    """Kernel and first files of slot A, for a machine that U-Boot does not know.

    Raises:
        BoardError: the slot has none.
    """
    slot = place_of(card, layout.ROOT_A)
    found = {"kernel": folder / "vmlinuz", "initrd": folder / "initrd.img"}
    inside = {"kernel": "/boot/vmlinuz", "initrd": "/boot/initrd.img"}
    if tree:
        found["tree"], inside["tree"] = folder / tree, f"/boot/{tree}"
    for what, path in found.items():
        _tool("debugfs", "-R", f"dump {inside[what]} {path}", slot)
        if not path.exists() or not path.stat().st_size:
            raise BoardError(f"slot A of {card} has no {inside[what]}")
    return found


def _boot(card: Path) -> str:
    return f"{card}@@{layout.BOOT.offset}"


def _tool(*words: str | Path) -> None:
    try:
        run(*words)
    except ImageError as error:
        raise BoardError(str(error)) from None


def card_of(card: Path | None, folder: Path, machine: str, say: Callable[[str], None]) -> Path:
    """The card that is named, or the newest one for a machine in a folder; built if there is none.

    Raises:
        BoardError: there is none, and none can be built.
    """
    if card is None:
        return built(folder, MACHINES[machine].board, say)
    if not card.exists():
        raise BoardError(f"there is no card {card}")
    return card


def built(folder: Path, board: str, say: Callable[[str], None]) -> Path:
    """The newest card for a board in a folder of images; built, with keys of its own, if there is none.

    Raises:
        BoardError: it cannot be built.
    """
    found = sorted(folder.glob(f"gridlight-{board}-*.img"), key=lambda path: path.stat().st_mtime)
    if found:
        return found[-1]
    if reason := why_not():
        raise BoardError(f"there is no card in {folder}, and none can be built: {reason}")
    keys = folder / "test-keys"
    try:
        if not keys.exists():
            make_keys(keys)
        epoch = source_epoch()
        wheel = make_wheel(folder / "cache" / "wheel", epoch)
        release = Release(name=VERSION, epoch=epoch, wheel=wheel, keys=keys)
        return build(BOARDS[board], release, folder, folder / "cache", say).card
    except ImageError as error:
        raise BoardError(str(error)) from None
