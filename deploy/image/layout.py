"""What lies where on a card; the same for every board, so that one root and one set of rules serve all.

sector 0       partition table (MBR: the firmware of a Raspberry Pi 2 and the ROM of a BeagleBone know no other)
sector 1024    which slot is started, and how often it may still fail: one sector, so that it is written whole
1  boot        FAT, 64 MiB: boot loader and its script; the integrator's folder `gridlight`; never updated in use
2  root A      ext4, read only: system, kernel and program
3  root B      the same, for the next release
4  data        ext4: keys, configuration, history; grows to the end of the card when it is first started
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SECTOR: Final = 512
MIB: Final = 1 << 20
DISK_ID: Final = 0x67726964
"""Of the partition table: partitions are named by it, on whatever device the card is."""

STATE_SECTOR: Final = 1_024
STATE_BYTES: Final = SECTOR
TRIES: Final = 3
"""How often a slot is started without saying that it is healthy, before the other one is."""
FRESH_STATE: Final[Mapping[str, str]] = {
    "BOOT_ORDER": "A B",
    "BOOT_A_LEFT": str(TRIES),
    "BOOT_B_LEFT": "0",
}
"""Of a new card: slot B is empty."""

_ACTIVE: Final = 0x80
_FAT32: Final = 0x0C
_LINUX: Final = 0x83
_NO_CHS: Final = b"\xfe\xff\xff"
_ENTRIES_AT: Final = 446
_SIGNATURE: Final = b"\x55\xaa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition of the card."""

    number: int
    start_mib: int
    size_mib: int
    kind: int

    @property
    def identity(self) -> str:
        """What Linux calls it, on every device: `PARTUUID`."""
        return f"{DISK_ID:08x}-{self.number:02x}"

    @property
    def offset(self) -> int:
        """In bytes from the beginning of the card."""
        return self.start_mib * MIB

    @property
    def size(self) -> int:
        """In bytes."""
        return self.size_mib * MIB


BOOT: Final = Partition(number=1, start_mib=4, size_mib=64, kind=_FAT32)
ROOT_A: Final = Partition(number=2, start_mib=68, size_mib=640, kind=_LINUX)
ROOT_B: Final = Partition(number=3, start_mib=708, size_mib=640, kind=_LINUX)
DATA: Final = Partition(number=4, start_mib=1_348, size_mib=128, kind=_LINUX)
PARTITIONS: Final = (BOOT, ROOT_A, ROOT_B, DATA)
CARD_BYTES: Final = DATA.offset + DATA.size
DATA_BLOCK_BYTES: Final = 1_024
"""Of the data partition's file system, as large as a page of the program's files: every commit journals whole blocks.
With the 4 KiB that mke2fs chooses for gigabytes a day of trading writes half as much again, a first one twice."""
DATA_INODE_BYTES: Final = 256 << 10
"""Room for each inode: a board has some dozens of files, and the kernel zeroes all tables of inodes once."""
SLOTS: Final[Mapping[str, Partition]] = {"A": ROOT_A, "B": ROOT_B}


def partition_table() -> bytes:
    """The card's first sector."""
    table = bytearray(SECTOR)
    struct.pack_into("<I", table, _ENTRIES_AT - 6, DISK_ID)
    for place, part in enumerate(PARTITIONS):
        entry = struct.pack(
            "<B3sB3sII",
            _ACTIVE if part is BOOT else 0,
            _NO_CHS,
            part.kind,
            _NO_CHS,
            part.offset // SECTOR,
            part.size // SECTOR,
        )
        table[_ENTRIES_AT + 16 * place : _ENTRIES_AT + 16 * (place + 1)] = entry
    table[-2:] = _SIGNATURE
    return bytes(table)


def state(values: Mapping[str, str] = FRESH_STATE) -> bytes:
    """The sector that says which slot is started, in the form of U-Boot's environment.

    Raises:
        ValueError: more than fits.
    """
    text = b"".join(f"{name}={value}".encode("ascii") + b"\0" for name, value in values.items()) + b"\0"
    room = STATE_BYTES - 4
    if len(text) > room:
        raise ValueError(f"the boot state has {len(text)} bytes, expected at most {room}")
    body = text.ljust(room, b"\0")
    return struct.pack("<I", zlib.crc32(body)) + body


def read_state(sector: bytes) -> dict[str, str] | None:
    """What the sector says; None where its checksum is wrong: boot loader and board then take a fresh one."""
    (checksum,) = struct.unpack_from("<I", sector)
    body = sector[4:STATE_BYTES]
    if zlib.crc32(body) != checksum:
        return None
    pairs = (line.decode("ascii").partition("=") for line in body.split(b"\0\0")[0].split(b"\0") if line)
    return {name: value for name, _, value in pairs}
