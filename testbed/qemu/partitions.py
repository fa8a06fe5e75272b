"""Files written into a partition of a switched-off card, as by somebody who takes it out: nothing is mounted.

Needed is `debugfs` (Debian: e2fsprogs), and no root.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from deploy.image import layout
from deploy.image.tools import ImageError, run
from testbed.qemu.errors import BoardError

SERVICE_USER: Final = 850
"""Of the program; see deploy/root/install."""
_FILE: Final = 0o100000
_CHUNK: Final = 1 << 20
_ZEROS: Final = bytes(_CHUNK)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a card.

    Attributes:
        path: from the root of the partition; folders on the way are made.
        content: what it holds.
        mode: who may do what with it.
        owner: number of its user and group.
    """

    path: str
    content: bytes
    mode: int = 0o644
    owner: int = 0


def put(card: Path, part: layout.Partition, files: Iterable[File], *, remove: Iterable[str] = ()) -> None:
    """Write files into a partition, in place of those of the same name.

    Args:
        remove: paths of files that must not be there afterwards.

    Raises:
        BoardError: they cannot be written.
    """
    wanted = tuple(files)
    with tempfile.TemporaryDirectory(prefix="gridlight-put-") as name:
        folder = Path(name)
        script = folder / "script"
        script.write_text("\n".join(_commands(wanted, remove, folder)) + "\n", encoding="utf-8")
        where = place_of(card, part)
        _run("debugfs", "-w", "-f", script, where)
        # It tells of no failure by its exit code: what was written is read again.
        for file in wanted:
            if taken(card, part, file.path) != file.content:
                raise BoardError(f"{file.path} cannot be written into partition {part.number} of {card}")


def taken(card: Path, part: layout.Partition, path: str) -> bytes | None:
    """What a file of a partition holds; None if it is not there.

    Raises:
        BoardError: there is no file system.
    """
    with tempfile.TemporaryDirectory(prefix="gridlight-taken-") as name:
        copy = Path(name) / "copy"
        _run("debugfs", "-R", f"dump {path} {copy}", place_of(card, part))
        return copy.read_bytes() if copy.exists() else None


def repair(card: Path, part: layout.Partition) -> None:
    """Play back the journal of a partition that was cut off, as the board itself would at its next start.

    It is done to a copy, and what has changed is written back: e2fsck cannot find a partition of a card again once it
    has played back a journal.

    Raises:
        BoardError: there is no file system, or none that can be repaired.
    """
    size = size_of(card, part)
    with tempfile.TemporaryDirectory(prefix="gridlight-repair-", dir=card.parent) as name:
        copy = Path(name) / "partition"
        with card.open("rb") as source, copy.open("wb") as out:
            source.seek(part.offset)
            for at in range(0, size, _CHUNK):
                chunk = source.read(min(_CHUNK, size - at))
                if chunk != _ZEROS[: len(chunk)]:
                    out.seek(at)
                    out.write(chunk)
            out.truncate(size)
        _run("sh", "-c", 'e2fsck -fy "$0" >/dev/null 2>&1; [ $? -le 2 ]', copy)
        with card.open("r+b") as out, copy.open("rb") as source:
            for at in range(0, size, _CHUNK):
                fresh = source.read(_CHUNK)
                out.seek(part.offset + at)
                if out.read(len(fresh)) != fresh:
                    out.seek(part.offset + at)
                    out.write(fresh)


def size_of(card: Path, part: layout.Partition) -> int:
    """Of a partition as the card's table says now, bytes: a board lets the last one grow."""
    with card.open("rb") as file:
        table = file.read(layout.SECTOR)
    at = 446 + 16 * (part.number - 1) + 12
    return int.from_bytes(table[at : at + 4], "little") * layout.SECTOR


def place_of(card: Path, part: layout.Partition) -> str:
    """How the tools for file systems name a partition of a card."""
    return f"{card}?offset={part.offset}"


def _commands(files: Iterable[File], remove: Iterable[str], folder: Path) -> Iterator[str]:
    made = set[str]()
    yield from (f"rm {path}" for path in remove)
    for number, file in enumerate(files):
        source = folder / str(number)
        source.write_bytes(file.content)
        for up in reversed(PurePosixPath(file.path).parents[:-1]):
            if str(up) not in made:
                made.add(str(up))
                yield f"mkdir {up}"
        yield f"rm {file.path}"
        yield f"write {source} {file.path}"
        yield f"sif {file.path} mode 0{_FILE | file.mode:o}"
        yield f"sif {file.path} uid {file.owner}"
        yield f"sif {file.path} gid {file.owner}"


def _run(*words: str | Path) -> None:
    try:
        run(*words)
    except ImageError as error:
        raise BoardError(str(error)) from None
