"""Cards looked at by programs that are not ours: partition tables, FAT, ext4, boot scripts."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.image import layout
from deploy.image.boards import Board

INTEGRATORS = "gridlight/README.txt"


def said_by(*words: str | Path) -> str:
    """What a program prints; it must end with 0.

    Skips the test where it is not installed.
    """
    name = str(words[0])
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [program, *map(str, words[1:])], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def at(card: Path, part: layout.Partition) -> str:
    """A partition as e2fsprogs names it."""
    return f"{card}?offset={part.offset}"


def check_table(card: Path) -> None:
    """By sfdisk, which reads what a kernel reads."""
    table: dict[str, Any] = json.loads(said_by("sfdisk", "--json", card))["partitiontable"]
    assert (table["label"], table["id"]) == ("dos", f"{layout.DISK_ID:#010x}")
    assert [(each["start"], each["size"], int(each["type"], 16)) for each in table["partitions"]] == [
        (part.offset // layout.SECTOR, part.size // layout.SECTOR, part.kind) for part in layout.PARTITIONS
    ]


def check_boot(card: Path, board: Board) -> None:
    """By mtools, and U-Boot's own reader of scripts."""
    said_by("minfo", "-i", f"{card}@@{layout.BOOT.offset}")
    listed = said_by("mdir", "-/", "-b", "-i", f"{card}@@{layout.BOOT.offset}").splitlines()
    files = {line.removeprefix("::/") for line in listed if not line.endswith("/")}
    assert files == {"boot.scr", INTEGRATORS, *board.loader, *board.texts, *board.trees}
    for name, text in board.texts.items():
        assert said_by("mtype", "-i", f"{card}@@{layout.BOOT.offset}", f"::{name}").replace("\r", "") == text


def check_script(card: Path, board: Board, folder: Path) -> None:
    """The script on the card is the board's."""
    script = folder / "boot.scr"
    said_by("mcopy", "-n", "-o", "-i", f"{card}@@{layout.BOOT.offset}", "::boot.scr", script)
    assert "ARM Linux Script" in said_by("mkimage", "-l", script)
    assert board.boot_script().encode("ascii") in script.read_bytes()


def check_systems(card: Path) -> None:
    """By e2fsck, which changes nothing: both file systems are without fault."""
    for part in (layout.ROOT_A, layout.DATA):
        said_by("e2fsck", "-f", "-n", at(card, part))


def copied_by_bmap(card: Path, bmap: Path, to: Path) -> bool:
    """Write the card as an integrator does; whether every byte is the same."""
    said_by("bmaptool", "copy", "--bmap", bmap, card, to)
    with card.open("rb") as one, to.open("rb") as two:
        while chunk := one.read(1 << 22):
            if chunk != two.read(1 << 22):
                return False
        return not two.read(1)
