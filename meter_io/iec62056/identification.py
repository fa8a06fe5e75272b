"""The identification line that a meter answers a request with: who it is and how fast it can go on.

`/LGZ4ZMF100AC.M27`: three letters of the manufacturer, a character for the baud rate, up to 16 characters of its own.
Source: IEC 62056-21, sections 6.3.2 (identification message) and 6.3.14, item 13 c) (character of the speed).
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from meter_io.telegram import Reason, Refusal

_LINE: Final = re.compile(rb'/([A-Za-z]{3})([ "-.0-~])((?:\\[ -~])*)([ "-.0-~]{0,32})\r\n')
MAX_LINE_BYTES: Final = 48
FIRST_BAUD: Final = 300
"""Every handshake begins at this speed."""
_MODE_B: Final = {"A": 600, "B": 1_200, "C": 2_400, "D": 4_800, "E": 9_600, "F": 19_200}
_MODE_C: Final = {"0": 300, "1": 600, "2": 1_200, "3": 2_400, "4": 4_800, "5": 9_600, "6": 19_200}


class Mode(Enum):
    """How a meter goes on after its identification."""

    A = "A"
    """It sends its data at 300 baud, unasked."""
    B = "B"
    """It changes to the speed it named and sends its data, unasked."""
    C = "C"
    """It waits to be told the speed, changes to it, and sends its data."""
    D = "D"
    """It was never asked: identification and data come together, at a fixed speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """An identification line.

    Attributes:
        manufacturer: three letters; the last in lower case if it reacts within 20 ms instead of 200 ms.
        baud_character: what stands for the speed.
        name: the rest, without escape sequences.
    """

    manufacturer: str
    baud_character: str
    name: str

    @classmethod
    def parse(cls, line: bytes) -> "Identification":
        r"""Read a line with its line end.

        Raises:
            Refusal: it is no identification.
        """
        match = _LINE.fullmatch(line)
        if match is None:
            raise Refusal(Reason.STRUCTURE, f"no identification: {line[:MAX_LINE_BYTES]!r}")
        manufacturer, baud, _, name = (part.decode("ascii") for part in match.groups())
        return cls(manufacturer=manufacturer, baud_character=baud, name=name.strip())

    @property
    def mode(self) -> Mode:
        """The mode that the baud character means, in answer to a request."""
        if self.baud_character in _MODE_C:
            return Mode.C
        return Mode.B if self.baud_character in _MODE_B else Mode.A

    @property
    def baud(self) -> int:
        """The speed that it names."""
        return _MODE_C.get(self.baud_character) or _MODE_B.get(self.baud_character) or FIRST_BAUD

    @property
    def model(self) -> str:
        """Manufacturer and name, for people and for profiles."""
        return f"{self.manufacturer} {self.name}".strip()
