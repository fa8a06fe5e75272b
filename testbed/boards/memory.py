"""How much memory a process holds, and how much of that is the emulated program's own.

Where a processor is emulated (`qemu-user`), one process of the machine holds two things: the memory of the emulated
program, and the emulator with the code that it has translated. A 32-bit program sees an address space of 4 GiB, which
the emulator reserves in one piece: so what lies in the piece around the program's own binary is the program's, and is
what its own kernel would count on a board.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from testbed.boards.housing import Memory

_RANGE: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ *(.*)")
_RSS: Final = re.compile(r"Rss: +(\d+) kB")
_KIB: Final = 1_024
_GUEST_SPACE: Final = 1 << 32


class _Area(NamedTuple):
    """One mapping: where it lies, what it maps, and how much of it is resident, bytes."""

    start: int
    end: int
    file: str
    resident: int


def memory_of(pid: int, program: str) -> Memory | None:
    """What a process holds.

    Args:
        pid: of the process.
        program: how the name of its binary begins, such as ``python3``.

    Returns:
        None if it is gone, or not ours to look at.
    """
    try:
        text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return memory_in(text, program)


def memory_in(smaps: str, program: str) -> Memory | None:
    """The same out of the text of `smaps`; None for a process without memory, which has ended."""
    areas = list(_areas(smaps))
    whole = sum(area.resident for area in areas)
    if not areas or not whole:
        return None
    binary = next((area for area in areas if Path(area.file).name.startswith(program)), None)
    emulated = any("qemu" in Path(area.file).name or "binfmt" in area.file for area in areas)
    if binary is None or not emulated:
        return Memory(guest=whole, whole=whole)
    piece = next(piece for piece in _pieces(areas) if binary in piece)
    guest = [area for area in piece if area.start - piece[0].start < _GUEST_SPACE]
    return Memory(guest=sum(area.resident for area in guest), whole=whole)


def _areas(smaps: str) -> Iterator[_Area]:
    header: re.Match[str] | None = None
    for line in smaps.splitlines():
        found = _RANGE.fullmatch(line)
        if found is not None:
            header = found
        elif header is not None and (resident := _RSS.match(line)) is not None:
            start, end = int(header[1], 16), int(header[2], 16)
            yield _Area(start, end, header[3], int(resident[1]) * _KIB)


def _pieces(areas: list[_Area]) -> Iterator[list[_Area]]:
    """Mappings that follow each other without a gap."""
    piece: list[_Area] = []
    for area in areas:
        if piece and piece[-1].end != area.start:
            yield piece
            piece = []
        piece.append(area)
    if piece:
        yield piece
