"""OBIS codes: the names under which meters of every protocol give the same quantity.

A code is `A-B:C.D.E` (`1-0:1.8.0` is the total imported active energy); F, where a meter sends it, tells billing
periods apart and is 255 for the present one. Protocols that have no OBIS codes (Modbus, pulses) are given them by
their profile.

Source: IEC 62056-61 (the object identification system); DSMR P1 companion standard 5.0.2, section 6.12.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

_PATTERN: Final = re.compile(
    r"(?:([0-9]{1,3})-([0-9]{1,3}):)?([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?(?:[*&]([0-9]{1,3}))?"
)
CURRENT_PERIOD: Final = 255
"""F of a value that belongs to no closed billing period."""


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """One code. Each group is 0 to 255.

    Attributes:
        a: medium; 1 is electricity.
        b: channel.
        c: physical quantity.
        d: kind of processing; 7 is instantaneous, 8 a total.
        e: tariff; 0 is the total.
        f: billing period, 255 for the present one.
    """

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int = CURRENT_PERIOD

    def __post_init__(self) -> None:
        for group in (self.a, self.b, self.c, self.d, self.e, self.f):
            if not 0 <= group <= 255:
                raise ValueError(f"a group of an OBIS code is 0 to 255, got {group}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1-0:1.8.0`, `1.8.0` (electricity, channel 0), `1.8.0*01` or `1-0:1.8.0*255`.

        Raises:
            ValueError: the text is not an OBIS code.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"an OBIS code looks like 1-0:1.8.0, got {text[:40]!r}")
        a, b, c, d, e, f = match.groups()
        return cls(
            int(a or 1), int(b or 0), int(c), int(d), int(e or 0), CURRENT_PERIOD if f is None else int(f)
        )

    @classmethod
    def from_bytes(cls, code: bytes) -> Self:
        """Read the six bytes of SML and DLMS.

        Raises:
            ValueError: there are not six bytes.
        """
        if len(code) != 6:
            raise ValueError(f"an OBIS code has 6 bytes, got {len(code)}")
        return cls(*code)

    def __str__(self) -> str:
        period = "" if self.f == CURRENT_PERIOD else f"*{self.f}"
        return f"{self.a}-{self.b}:{self.c}.{self.d}.{self.e}{period}"


IMPORT_TOTAL: Final = Obis(1, 0, 1, 8, 0)
"""Active energy drawn from the grid, all tariffs."""
EXPORT_TOTAL: Final = Obis(1, 0, 2, 8, 0)
"""Active energy fed into the grid, all tariffs."""
POWER_NET: Final = Obis(1, 0, 16, 7, 0)
"""Active power over all phases, positive when drawn from the grid."""
STATE_OF_CHARGE: Final = Obis(1, 0, 128, 7, 0)
"""Of a battery, % or Wh. Values of C from 128 on are the maker's own, so that no standard quantity is meant."""
POWER_IMPORT: Final = Obis(1, 0, 1, 7, 0)
POWER_EXPORT: Final = Obis(1, 0, 2, 7, 0)
FREQUENCY: Final = Obis(1, 0, 14, 7, 0)
VOLTAGES: Final = (Obis(1, 0, 32, 7, 0), Obis(1, 0, 52, 7, 0), Obis(1, 0, 72, 7, 0))
CURRENTS: Final = (Obis(1, 0, 31, 7, 0), Obis(1, 0, 51, 7, 0), Obis(1, 0, 71, 7, 0))
POWERS: Final = (Obis(1, 0, 36, 7, 0), Obis(1, 0, 56, 7, 0), Obis(1, 0, 76, 7, 0))
