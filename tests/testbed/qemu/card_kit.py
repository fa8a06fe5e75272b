"""A card with empty file systems, and what is needed to make one; for tests that never start it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.image import layout
from deploy.image.card import make_data, write_part
from deploy.image.tools import run

_EPOCH = 1_795_000_000


def need_tools() -> None:
    """Skip, and say why, where a card cannot be made."""
    for program, package in (("debugfs", "e2fsprogs"), ("mkfs.vfat", "dosfstools"), ("mcopy", "mtools")):
        if shutil.which(program) is None and shutil.which(program, path="/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed: apt-get install {package}")


def empty_card(folder: Path) -> Path:
    """A card with a boot partition, an empty slot A and an empty data partition; a loader lies beside it."""
    card, data, boot = folder / "empty.img", folder / "data.img", folder / "boot.img"
    make_data(data, folder, _EPOCH)
    with boot.open("wb") as out:
        out.truncate(layout.BOOT.size)
    run("mkfs.vfat", "-F", "32", "-n", "GRIDLIGHT", boot, epoch=_EPOCH)
    run("mmd", "-i", boot, "::gridlight", epoch=_EPOCH)
    with card.open("wb") as out:
        out.truncate(layout.CARD_BYTES)
        out.write(layout.partition_table())
        out.seek(layout.STATE_SECTOR * layout.SECTOR)
        out.write(layout.state())
    for part, image in ((layout.BOOT, boot), (layout.ROOT_A, data), (layout.DATA, data)):
        write_part(card, part, image)
    card.with_suffix(".u-boot.bin").write_bytes(b"loader")
    return card
