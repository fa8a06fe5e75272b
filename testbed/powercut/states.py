"""What may be on the disk when the power fails: everything that was synced, and anything of what was not.

    synced bytes        are there
    unsynced bytes      each piece of a sector, of each write, is there, is not there, is zeros or is rubbish,
                        whatever became of the others; so later writes may have overtaken earlier ones
    unsynced sizes      like a piece
    unsynced names      each rename, new name and deletion has happened or not, whatever became of the others

Bytes beside those written are never harmed. That is more than an ext4 or F2FS file system permits itself, and less
than a card that loses what it has acknowledged.
Source: https://www.sqlite.org/atomiccommit.html, section 2; Pillai et al., "All File Systems Are Not Created Equal"
(OSDI 2014), section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Final, TypeAlias

from testbed.powercut.log import Create, Operation, Rename, Sync, SyncFolder, Truncate, Unlink, Write

SECTOR_BYTES: Final = 512
_ALL_SUBSETS: Final = 4
"""Up to so many pieces or names every subset is tried."""
_PAIRS: Final = 48
"""Most ways tried at one cut before samples are taken instead."""

_NO_CHANCE: Final = Random(0)  # noqa: S311 - nothing is drawn where all is kept

LOST: Final = 0
KEPT: Final = 1
ZEROS: Final = 2
RUBBISH: Final = 3

Fates: TypeAlias = tuple[int, ...]
"""What becomes of each piece or name, in the order in which they were asked for."""
Contents: TypeAlias = dict[str, bytes]
"""Name -> bytes of each file in the folder."""
NameChange: TypeAlias = Create | Rename | Unlink
Piece: TypeAlias = Write | Truncate


@dataclass(slots=True)
class Disk:
    """What is safe on a disk, and what is on its way there."""

    files: dict[int, bytes] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    """Unsynced, cut at the borders of sectors."""
    changes: list[NameChange] = field(default_factory=list)
    """Unsynced."""

    @classmethod
    def holding(cls, contents: Contents) -> Disk:
        """Return a disk on which these files are safe, numbered as a log that adopts them does."""
        numbered = list(enumerate(sorted(contents)))
        return cls(
            files={number: contents[name] for number, name in numbered},
            names={name: number for number, name in numbered},
        )

    def take(self, operation: Operation) -> None:
        """Let an operation happen."""
        match operation:
            case Write():
                self.pieces += _sectors(operation)
            case Truncate():
                self.pieces.append(operation)
            case Sync(file):
                mine = [piece for piece in self.pieces if piece.file == file]
                self.pieces = [piece for piece in self.pieces if piece.file != file]
                self.files[file] = _changed(self.files.get(file, b""), mine, (KEPT,) * len(mine), _NO_CHANCE)
            case SyncFolder():
                self.names = _renamed(self.names, self.changes, (KEPT,) * len(self.changes))
                self.changes = []
            case Create() | Rename() | Unlink():
                self.changes.append(operation)

    def cut(self, names: Fates, pieces: Fates, chance: Random) -> Contents:
        """What is found after the power failed now."""
        found = {}
        for name, file in _renamed(self.names, self.changes, names).items():
            mine = [
                (piece, fate) for piece, fate in zip(self.pieces, pieces, strict=True) if piece.file == file
            ]
            found[name] = _changed(
                self.files.get(file, b""), [piece for piece, _ in mine], [fate for _, fate in mine], chance
            )
        return found

    def all_kept(self) -> tuple[Fates, Fates]:
        """The fates that nobody notices."""
        return (KEPT,) * len(self.changes), (KEPT,) * len(self.pieces)

    def ways(self, chance: Random, samples: int) -> Iterator[tuple[Fates, Fates]]:
        """Choose what may have become of the unsynced names and pieces: every way where there are few of them.

        Args:
            samples: random ways where there are many.
        """
        names = list(_choices(len(self.changes), chance, samples))
        pieces = list(_choices(len(self.pieces), chance, samples, rubbish=True))
        if len(names) * len(pieces) <= _PAIRS:
            yield from product(names, pieces)
            return
        for number in range(max(len(names), len(pieces))):
            yield names[number % len(names)], pieces[number % len(pieces)]
        for _ in range(samples):
            yield chance.choice(names), chance.choice(pieces)


def _sectors(write: Write) -> Iterator[Write]:
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield Write(write.file, start, write.data[start - write.offset : stop - write.offset])
        start = stop


def _choices(count: int, chance: Random, samples: int, *, rubbish: bool = False) -> Iterator[Fates]:
    """Ways for a number of independent things to end: all of them, or the telling ones and some at random."""
    if count <= _ALL_SUBSETS:
        yield from product((LOST, KEPT), repeat=count)
    else:
        yield (LOST,) * count
        yield (KEPT,) * count
        yield (KEPT,) + (LOST,) * (count - 1)
        yield (LOST,) * (count - 1) + (KEPT,)
        yield (LOST,) + (KEPT,) * (count - 1)
        yield (KEPT,) * (count - 1) + (LOST,)
        for _ in range(samples):
            share = chance.random()
            yield tuple(KEPT if chance.random() < share else LOST for _ in range(count))
    if rubbish and count:
        for worst in (ZEROS, RUBBISH):
            yield (worst,) * count
            yield (KEPT,) * (count - 1) + (worst,)
            yield tuple(chance.choice((LOST, KEPT, KEPT, worst)) for _ in range(count))


def _changed(before: bytes, pieces: Iterable[Piece], fates: Sequence[int], chance: Random) -> bytes:
    """Bytes of a file after its pieces met their fates, in order."""
    content = bytearray(before)
    for piece, fate in zip(pieces, fates, strict=True):
        if fate == LOST:
            continue
        size = piece.size if isinstance(piece, Truncate) else piece.offset + len(piece.data)
        if len(content) < size:
            content += bytes(size - len(content))
        if isinstance(piece, Truncate):
            del content[size:]
            continue
        data = {KEPT: piece.data, ZEROS: bytes(len(piece.data))}.get(fate)
        content[piece.offset : size] = chance.randbytes(len(piece.data)) if data is None else data
    return bytes(content)


def _renamed(names: dict[str, int], changes: Iterable[NameChange], fates: Iterable[int]) -> dict[str, int]:
    """Names after their changes met their fates, in order."""
    found = dict(names)
    for change, fate in zip(changes, fates, strict=True):
        if fate == LOST:
            continue
        match change:
            case Create(name, file):
                found[name] = file
            case Rename(source, target, file):
                if found.get(source) == file:
                    del found[source]
                found[target] = file
            case Unlink(name):
                found.pop(name, None)
    return found
