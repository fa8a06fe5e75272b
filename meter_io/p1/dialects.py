"""The dialects of P1, as data: how each is recognised, whether it carries a checksum, and what its time is.

Sources: DSMR P1 companion standards 2.2, 3.0, 4.2.2 and 5.0.2; Luxmetering E-Meter P1 specification 1.1.3. What the
others send is known from telegrams of real meters, not from their documents (e-MUCS of Fluvius, E.ON Hungary,
Energiföretagen in Sweden, ESB Networks in Ireland): the examples of dsmr-parser, and dsmrreader/dsmr-reader #1394.

Dialects that do not state a version are told from each other by the codes they send, and where the country is not
certain the time is not, either: Swedish meters send standard time with a W all summer (#1394 above), Finnish ones do
the same an hour further east (jonkerj/iec62056 #3), and no document was at hand for the Irish.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from meter_io.obis import Obis
from meter_io.reading import Value
from meter_io.telegram import Reason, Refusal

DUTCH_VERSION: Final = Obis(1, 3, 0, 2, 8)
BELGIAN_VERSION: Final = Obis(0, 0, 96, 1, 4)
TIMESTAMP: Final = Obis(0, 0, 1, 0, 0)
EQUIPMENT_IDS: Final = (
    Obis(0, 0, 96, 1, 1),
    Obis(0, 0, 42, 0, 0),
    Obis(0, 0, 96, 1, 0),
    Obis(0, 0, 96, 1, 255),
    Obis(1, 0, 0, 0, 0),
)
"""Where dialects put the identification of the meter, the surest first."""
_HUNGARIAN_SUM: Final = Obis(1, 0, 15, 8, 0)
_DEVICE_NAME: Final = Obis(0, 0, 42, 0, 0)
_REACTIVE_IMPORT: Final = Obis(1, 0, 3, 8, 0)
_TARIFF: Final = Obis(0, 0, 96, 14, 0)


class Checksum(Enum):
    """What a dialect says about the checksum behind the exclamation mark."""

    REQUIRED = "required"
    ABSENT = "absent"
    UNPADDED = "unpadded"
    """Required, but leading zeros may be left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One dialect. It is spoken where everything it names is true of a telegram.

    Attributes:
        name: for people.
        checksum: what its version prescribes.
        header: pattern of the identification line, without its slash.
        version: code that holds its version.
        versions: first and last version, in whole numbers such as 42 or 50217.
        sends: codes that it always sends.
        lacks: codes that it never sends.
        winter_offset_s: its winter time less UTC, seconds; summer time is an hour more. None where telegrams do not say
            the country: then their times are left out.
    """

    name: str
    checksum: Checksum
    header: str = ""
    version: Obis | None = None
    versions: tuple[int, int] = (0, 0)
    sends: frozenset[Obis] = frozenset()
    lacks: frozenset[Obis] = frozenset()
    winter_offset_s: int | None = 3600

    def spoken_in(self, header: str, texts: Mapping[Obis, str], values: Mapping[Obis, Value]) -> bool:
        """Whether a telegram with this identification line and contents is of the dialect."""
        if self.header and not re.match(self.header, header):
            return False
        if self.version is not None:
            stated = texts.get(self.version, "")
            if not (stated.isascii() and stated.isdigit() and self._covers(int(stated))):
                return False
        if any(code not in texts and code not in values for code in self.sends):
            return False
        return not any(code in texts or code in values for code in self.lacks)

    def _covers(self, version: int) -> bool:
        first, last = self.versions
        return first <= version <= last


_VERSIONS: Final = frozenset({DUTCH_VERSION, BELGIAN_VERSION})
DIALECTS: Final = (
    Dialect(
        name="WarmteLink",
        checksum=Checksum.UNPADDED,
        header=r"NWA-WARMTELINK",
        version=DUTCH_VERSION,
        versions=(50, 59),
    ),
    Dialect(name="EasyMeter Q3D", checksum=Checksum.ABSENT, header=r"ESY5Q3D", lacks=frozenset({TIMESTAMP})),
    Dialect(
        name="Luxembourg",
        checksum=Checksum.REQUIRED,
        version=DUTCH_VERSION,
        versions=(42, 59),
        sends=frozenset({_DEVICE_NAME}),
    ),
    Dialect(name="DSMR 4", checksum=Checksum.REQUIRED, version=DUTCH_VERSION, versions=(40, 49)),
    Dialect(
        name="Austria",
        checksum=Checksum.REQUIRED,
        version=DUTCH_VERSION,
        versions=(50, 59),
        sends=frozenset({_REACTIVE_IMPORT}),
    ),
    Dialect(name="DSMR 5", checksum=Checksum.REQUIRED, version=DUTCH_VERSION, versions=(50, 59)),
    Dialect(name="Belgium", checksum=Checksum.REQUIRED, version=BELGIAN_VERSION, versions=(50_000, 59_999)),
    Dialect(
        name="Hungary",
        checksum=Checksum.REQUIRED,
        sends=frozenset({TIMESTAMP, _HUNGARIAN_SUM}),
        lacks=_VERSIONS,
    ),
    Dialect(
        name="Ireland",
        checksum=Checksum.REQUIRED,
        sends=frozenset({TIMESTAMP, _TARIFF}),
        lacks=_VERSIONS,
        winter_offset_s=None,
    ),
    Dialect(
        name="Sweden or Finland",
        checksum=Checksum.REQUIRED,
        sends=frozenset({TIMESTAMP}),
        lacks=_VERSIONS,
        winter_offset_s=None,
    ),
    Dialect(
        name="DSMR 2.2 or 3.0",
        checksum=Checksum.ABSENT,
        sends=frozenset({EQUIPMENT_IDS[0]}),
        lacks=_VERSIONS | {TIMESTAMP},
    ),
)


def dialect_of(header: str, texts: Mapping[Obis, str], values: Mapping[Obis, Value]) -> Dialect:
    """Return the dialect of a telegram: the first in the table that fits.

    Raises:
        Refusal: none fits, so that nobody knows whether a checksum has to be there.
    """
    for dialect in DIALECTS:
        if dialect.spoken_in(header, texts, values):
            return dialect
    stated = texts.get(DUTCH_VERSION) or texts.get(BELGIAN_VERSION) or "none"
    raise Refusal(
        Reason.UNSUPPORTED, f"no known dialect of P1: identification {header[:40]!r}, version {stated[:20]}"
    )
