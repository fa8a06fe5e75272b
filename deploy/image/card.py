"""Puts a card together: table, boot state, boot partition, one filled slot, an empty data partition."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from deploy.image import layout
from deploy.image.boards import Board
from deploy.image.tools import ImageError, run

_CHUNK: Final = 1 << 20
_ZEROS: Final = bytes(_CHUNK)
_NOTE: Final = """\
Lay gridlight.toml, the chain's genesis and, if the network has its own time servers, time.sources into this folder
before the first start. The board lays enrolment.json here: hand it to the grid operator. An empty file named
factory-reset makes the board forget everything at its next start. How to: deploy/image/README.md
"""
_DATA_IDENTITY: Final = "67726964-6c69-4768-8400-0000000000da"


def make_card(card: Path, board: Board, slot: Path, boot_files: Path, folder: Path, epoch: int) -> None:
    """Write a card's image, with holes where nothing is.

    Args:
        card: the file that is made.
        slot: image of the root, which becomes slot A.
        boot_files: unpacked packages of boot loaders.
        folder: for files in between.
        epoch: the time that everything on it has, seconds UTC.

    Raises:
        ImageError: something does not fit, or a program fails.
    """
    if slot.stat().st_size > layout.ROOT_A.size:
        raise ImageError(
            f"the root has {slot.stat().st_size >> 20} MiB, expected at most {layout.ROOT_A.size_mib}"
        )
    boot, data = folder / f"boot-{board.name}.img", folder / f"data-{board.name}.img"
    make_boot(boot, board, boot_files, folder, epoch)
    make_data(data, folder, epoch)
    fresh = card.with_suffix(".new")
    with fresh.open("wb") as out:
        out.truncate(layout.CARD_BYTES)
        out.write(layout.partition_table())
        out.seek(layout.STATE_SECTOR * layout.SECTOR)
        out.write(layout.state())
    for part, image in ((layout.BOOT, boot), (layout.ROOT_A, slot), (layout.DATA, data)):
        write_part(fresh, part, image)
    fresh.replace(card)


def write_part(card: Path, part: layout.Partition, image: Path) -> None:
    """Write a partition of a card; blocks of zeros in the image stay holes where the card has some."""
    with card.open("r+b") as out, image.open("rb") as source:
        at = part.offset
        while chunk := source.read(_CHUNK):
            if chunk != _ZEROS[: len(chunk)]:
                out.seek(at)
                out.write(chunk)
            at += len(chunk)


def make_boot(image: Path, board: Board, boot_files: Path, folder: Path, epoch: int) -> None:
    """Make the boot partition: FAT, with boot loader, script and the integrator's folder."""
    staging = folder / f"boot-{board.name}"
    shutil.rmtree(staging, ignore_errors=True)
    (staging / "gridlight").mkdir(parents=True)
    (staging / "gridlight" / "README.txt").write_text(_NOTE, encoding="ascii")
    for name, source in board.loader.items():
        shutil.copyfile(boot_files / source, staging / name)
    for name, text in board.texts.items():
        (staging / name).write_text(text, encoding="ascii")
    for name in board.trees:
        (found,) = boot_files.glob(f"usr/lib/linux-image-*/{name}")
        shutil.copyfile(found, staging / name)
    script = folder / f"boot-{board.name}.cmd"
    script.write_text(board.boot_script(), encoding="ascii")
    run(
        "mkimage", "-A", "arm", "-O", "linux", "-T", "script", "-C", "none", "-n", "gridlight",
        "-d", script, staging / "boot.scr", epoch=epoch,
    )  # fmt: skip
    image.unlink(missing_ok=True)
    with image.open("wb") as out:
        out.truncate(layout.BOOT.size)
    run(
        "mkfs.vfat", "--invariant", "-F", "32", "-n", "GRIDLIGHT", "-i", f"{layout.DISK_ID:08x}",
        "-h", str(layout.BOOT.offset // layout.SECTOR), image, epoch=epoch,
    )  # fmt: skip
    # In one order, whatever the folder's is; times are the epoch's.
    for path in sorted(staging.rglob("*")):
        inside = f"::{path.relative_to(staging)}"
        if path.is_dir():
            run("mmd", "-i", image, inside, epoch=epoch)
        else:
            run("mcopy", "-i", image, path, inside, epoch=epoch)


def make_data(image: Path, folder: Path, epoch: int) -> None:
    """Make the data partition with nothing in it: whatever a board knows, it learns itself."""
    empty = folder / "data-empty"
    empty.mkdir(exist_ok=True)
    image.unlink(missing_ok=True)
    run(
        "mke2fs", "-q", "-F", "-t", "ext4", "-L", "data", "-U", _DATA_IDENTITY,
        "-b", str(layout.DATA_BLOCK_BYTES), "-i", str(layout.DATA_INODE_BYTES),
        "-E", f"hash_seed={_DATA_IDENTITY},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0",
        image, f"{layout.DATA.size_mib}M", epoch=epoch,
    )  # fmt: skip
