"""What single models of SML meters do wrong, as data: keyed by model and firmware, never by vendor.

An SML telegram names neither model nor firmware. What it has is the server id, and in it the serial number, from ranges
that a manufacturer reserves for a model and its firmware: that is the key.

Sources: the server id is DIN 43863-5 (length, medium, three letters of the manufacturer, block, number). DZG's ranges
as the manufacturer stated them in volkszaehler/libsml #105, #106 and #136; Holley's in libsml #75 and #76.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

_ID_BYTES: Final = 10


class Quirk(Enum):
    """A known defect."""

    UNSIGNED_POWER = "unsigned-power"
    """Powers of one or two bytes are tagged signed and hold unsigned numbers: 356.24 W reads as -299.12 W."""
    KERMIT_CHECKSUM = "kermit-checksum"
    """Older firmware sends CRC-16/Kermit in place of CRC-16/X.25."""
    BARE_TIME = "bare-time"
    """Older firmware sends a time as a number, without saying which kind of time it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model that a server id tells.

    Attributes:
        name: as printed on the meter.
        firmware: which firmware is meant, in words.
        manufacturer: three letters.
        block: the byte between manufacturer and number.
        numbers: first and last serial number of each range.
        quirks: what it does wrong.
        source: where that was learnt.
    """

    name: str
    firmware: str
    manufacturer: bytes
    block: int
    numbers: tuple[tuple[int, int], ...]
    quirks: frozenset[Quirk]
    source: str

    def covers(self, server_id: bytes) -> bool:
        """Whether a meter with this server id is of this model and firmware."""
        if len(server_id) != _ID_BYTES or server_id[1] != 1 or server_id[2:5] != self.manufacturer:
            return False
        number = int.from_bytes(server_id[6:], "big")
        return server_id[5] == self.block and any(first <= number <= last for first, last in self.numbers)


KNOWN_MODELS: Final = (
    KnownModel(
        name="DZG DVS74",
        firmware="before 1.2",
        manufacturer=b"DZG",
        block=0,
        numbers=((42_000_000, 48_999_999), (55_000_000, 58_999_999)),
        quirks=frozenset({Quirk.UNSIGNED_POWER}),
        source="libsml #136: DZG names these ranges; from number 60,000,000 on firmware 1.2 and 1.3 are right",
    ),
    KnownModel(
        name="Holley DTZ541",
        firmware="with and without the defects: the checksum itself tells",
        manufacturer=b"HLY",
        block=2,
        numbers=((0, 0xFFFF_FFFF),),
        quirks=frozenset({Quirk.KERMIT_CHECKSUM, Quirk.BARE_TIME}),
        source="libsml #75",
    ),
)


def known_model(server_id: bytes, models: tuple[KnownModel, ...] = KNOWN_MODELS) -> KnownModel | None:
    """Return the model that a server id tells, or None."""
    return next((model for model in models if model.covers(server_id)), None)


def spelled(server_id: bytes) -> str:
    """Return a server id as it is printed on the meter, `1 DZG 00 42082910`, or in hex where it has another form."""
    if len(server_id) == _ID_BYTES and server_id[0] in (9, 10) and server_id[2:5].isalpha():
        number = int.from_bytes(server_id[6:], "big")
        return f"{server_id[1]} {server_id[2:5].decode('ascii')} {server_id[5]:02d} {number:08d}"
    return server_id.hex()
