"""Are two builds the same? Byte for byte; and where they are not, which part of a card, and which file in it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from deploy.image import layout
from deploy.image.tools import ImageError, run

SUFFIXES: Final = (".img", ".bmap", ".raucb", ".cdx.json", ".sha256", ".u-boot.bin")
_CHUNK: Final = 1 << 20
_SQUASHFS: Final = b"hsqs"
_USED_AT: Final = 40
"""Where a squashfs says how many bytes it has. Source: Linux, Documentation/filesystems/squashfs.rst, `bytes_used`."""
_MOST_NAMED: Final = 12
_REGIONS: Final = (
    ("partition table", 0, layout.SECTOR),
    ("boot state", layout.STATE_SECTOR * layout.SECTOR, layout.STATE_BYTES),
    ("boot partition", layout.BOOT.offset, layout.BOOT.size),
    ("slot A", layout.ROOT_A.offset, layout.ROOT_A.size),
    ("slot B", layout.ROOT_B.offset, layout.ROOT_B.size),
    ("data partition", layout.DATA.offset, layout.DATA.size),
)


class Sameness(StrEnum):
    """How two files of one name stand to each other."""

    SAME = "same"
    SIGNED_ANEW = "signed anew"
    """The same content; signature and random salt differ, as they must."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One name in two builds.

    Attributes:
        name: of the file.
        sameness: how the two stand to each other.
        sha256: of the first one.
        why: what differs; empty where nothing does.
    """

    name: str
    sameness: Sameness
    sha256: str
    why: tuple[str, ...] = ()


def compare(one: Path, two: Path) -> list[Compared]:
    """Compare what two builds made.

    Args:
        one: folder of the first build.
        two: of the second.

    Raises:
        ImageError: a folder holds nothing that was built.
    """
    names = [
        {path.name for path in folder.glob("gridlight-*") if path.name.endswith(SUFFIXES)}
        for folder in (one, two)
    ]
    for folder, found in zip((one, two), names, strict=True):
        if not found:
            raise ImageError(f"{folder} holds nothing that `gridlight-image build` made")
    return [_compare(one / name, two / name) for name in sorted(names[0] | names[1])]


def _compare(one: Path, two: Path) -> Compared:
    lacking = [str(path.parent) for path in (one, two) if not path.exists()]
    if lacking:
        return Compared(name=one.name, sameness=Sameness.DIFFERENT, sha256="", why=(f"not in {lacking[0]}",))
    digests = [digest_of(path) for path in (one, two)]
    if digests[0] == digests[1]:
        return Compared(name=one.name, sameness=Sameness.SAME, sha256=digests[0])
    sameness, why = Sameness.DIFFERENT, tuple[str, ...]()
    if one.suffix == ".img":
        why = tuple(_in_card(one, two))
    elif one.suffix == ".raucb" and _content_digest(one) == _content_digest(two):
        sameness, why = (
            Sameness.SIGNED_ANEW,
            ("the time of the signature and the random salt of the hash tree",),
        )
    elif one.suffix == ".sha256":
        lines = [set(path.read_text(encoding="ascii").splitlines()) for path in (one, two)]
        others = sorted({line.split()[1] for line in lines[0] ^ lines[1]})
        if all(name.endswith(".raucb") for name in others):
            sameness = Sameness.SIGNED_ANEW
        why = tuple(f"the line of {name}" for name in others)
    return Compared(name=one.name, sameness=sameness, sha256=digests[0], why=why)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content_digest(bundle: Path) -> str:
    """Of the file system in an update, without hash tree and signature behind it."""
    with bundle.open("rb") as file:
        head = file.read(96)
        if head[:4] != _SQUASHFS:
            raise ImageError(f"{bundle} is no update: it does not begin with a squashfs")
        left = int.from_bytes(head[_USED_AT : _USED_AT + 8], "little")
        file.seek(0)
        total = hashlib.sha256()
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            total.update(chunk)
            left -= len(chunk)
    return total.hexdigest()


def _in_card(one: Path, two: Path) -> Iterator[str]:
    """What differs in two cards, region by region."""
    if one.stat().st_size != two.stat().st_size:
        yield f"{one.stat().st_size} against {two.stat().st_size} bytes"
    for title, offset, size in _REGIONS:
        if _region_digest(one, offset, size) == _region_digest(two, offset, size):
            continue
        files = list(_files_in(one, two, offset)) if title.startswith("slot") else []
        yield f"{title}: {', '.join(files) or 'its bytes'}"


def _region_digest(card: Path, offset: int, size: int) -> bytes:
    total = hashlib.sha256()
    with card.open("rb") as file:
        file.seek(offset)
        while size > 0 and (chunk := file.read(min(_CHUNK, size))):
            total.update(chunk)
            size -= len(chunk)
    return total.digest()


def _files_in(one: Path, two: Path, offset: int) -> Iterator[str]:
    """Files of two file systems that differ, the first few; nothing where only their times or places do."""
    with tempfile.TemporaryDirectory(prefix="gridlight-compare-") as folder:
        found = []
        for place, card in (("one", one), ("two", two)):
            out = Path(folder) / place
            out.mkdir()
            run("debugfs", "-R", f"rdump / {out}", f"{card}?offset={offset}")
            found.append(dict(_contents(out)))
    others = sorted(
        name for name in found[0].keys() | found[1].keys() if found[0].get(name) != found[1].get(name)
    )
    yield from others[:_MOST_NAMED]
    if len(others) > _MOST_NAMED:
        yield f"and {len(others) - _MOST_NAMED} more"


def _contents(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield name, f"link to {path.readlink()}"
        elif path.is_file():
            yield name, digest_of(path)
