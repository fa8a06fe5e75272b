"""The daily delivery report: identified, and without a word of the market.

It goes to the grid operator over the management plane under the meter's identity. What it holds is what the
operator's own meter could tell: energy drawn and fed in per interval, and how it is known. No address, no offer, no
trade, no price and no deviation, since a traded amount beside an identity would tie the two planes together for whoever
reads the management plane. The operator can work out the deviation by itself: it granted the addresses.

A correction is the whole day again under the next version; the highest version holds. The same contents never get a
second version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

from firmware_app.reconcile.metered import MeteredInterval, Quality
from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import LocalError, RuleViolation

MAX_METER_ID: Final = 60
MAX_ROWS: Final = 1_440
"""Most intervals of a day: minutes."""
MAX_VERSION: Final = 1 << 16
_ROW_BYTES: Final = 20
"""Most that an interval takes: head, two energies of nine bytes, quality."""
_FRAME_BYTES: Final = 384
"""Most that name, numbers and signature take."""
_DAY_S: Final = 86_400
_FORM: Final = 1
_MAX_BYTES: Final = 64 << 10
_TAG: Final = "gridlight/delivery-report/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """One meter's day.

    Raises:
        LocalError: no rows, rows with holes, or a name or version out of bounds.
    """

    meter_id: str
    interval_s: int
    version: int
    """1 for the first report of a day, one more for each correction."""
    rows: tuple[MeteredInterval, ...]
    """All intervals of the day, ascending without holes; those not known are marked."""

    def __post_init__(self) -> None:
        if type(self.meter_id) is not str or not 1 <= len(self.meter_id) <= MAX_METER_ID:
            raise LocalError("name of a meter", got=self.meter_id, expected=f"1..{MAX_METER_ID} characters")
        if type(self.version) is not int or not 1 <= self.version <= MAX_VERSION:
            raise LocalError("version of a report", got=self.version, expected=f"1..{MAX_VERSION}")
        if type(self.interval_s) is not int or not 60 <= self.interval_s <= 86_400:
            raise LocalError("length of an interval, s", got=self.interval_s, expected="60..86400")
        first = self.rows[0].interval if self.rows else 0
        numbers = [row.interval for row in self.rows]
        if not 1 <= len(numbers) <= MAX_ROWS or numbers != list(range(first, first + len(numbers))):
            raise LocalError("intervals of a report", got=numbers, expected="ascending without holes")

    @property
    def first_interval(self) -> int:
        """The day's first interval."""
        return self.rows[0].interval

    def content(self) -> bytes:
        """Everything but the version: what decides whether there is something to correct."""
        return encode(self._fields())

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return encode((_FORM, self.version, *self._fields()))

    def _fields(self) -> tuple[Any, ...]:
        rows = tuple((row.import_j, row.export_j, int(row.quality)) for row in self.rows)
        return (self.meter_id, self.interval_s, self.first_interval, rows)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read a report.

        Raises:
            MalformedError: not canonical bytes.
            RuleViolation: RPT-01 it is no report of this form.
        """
        wire: Any = decode(raw, max_bytes=_MAX_BYTES, max_depth=3, max_items=4 * MAX_ROWS + 16)
        try:
            form, version, meter_id, interval_s, first, rows = wire
            report = cls(
                meter_id=meter_id,
                interval_s=interval_s,
                version=version,
                rows=tuple(
                    MeteredInterval(
                        interval=first + place,
                        import_j=import_j,
                        export_j=export_j,
                        quality=Quality(quality),
                    )
                    for place, (import_j, export_j, quality) in enumerate(rows)
                ),
            )
        except (LocalError, TypeError, ValueError) as error:
            raise RuleViolation("RPT-01", "a delivery report", got=str(error), expected="its form") from None
        if form != _FORM:
            raise RuleViolation("RPT-01", "form of a delivery report", got=form, expected=_FORM)
        return report


def padded_bytes(interval_s: int) -> int:
    """A size that every signed report of intervals of this length fits into."""
    return _FRAME_BYTES + _ROW_BYTES * -(-_DAY_S // interval_s)


def report_message(report: DeliveryReport) -> bytes:
    """What the meter's identity key signs."""
    return tagged_hash(_TAG, report.to_bytes())


def sign_report(report: DeliveryReport, signer: Callable[[bytes], bytes]) -> bytes:
    """The document that leaves the board: report and signature in canonical bytes."""
    return encode((report.to_bytes(), signer(report_message(report))))


def read_signed_report(
    raw: bytes, key_of: Callable[[str], bytes | None], verify: Callable[[bytes, bytes, bytes], bool]
) -> DeliveryReport:
    """Read a document and check that the meter which it names has signed it.

    Args:
        key_of: name of a meter -> its identity key, None for a name that nobody has.
        verify: public key, signature, message -> whether it holds.

    Raises:
        MalformedError: not canonical bytes.
        RuleViolation: RPT-01 no report; RPT-02 not signed by that meter.
    """
    wire: Any = decode(raw, max_bytes=_MAX_BYTES + 128, max_depth=1, max_items=4)
    if type(wire) is not tuple or len(wire) != 2 or any(type(part) is not bytes for part in wire):
        raise RuleViolation("RPT-01", "a signed delivery report", got=wire, expected="report and signature")
    report = DeliveryReport.from_bytes(wire[0])
    key = key_of(report.meter_id)
    if key is None or not verify(key, wire[1], report_message(report)):
        raise RuleViolation(
            "RPT-02", "signature of a report", got=wire[1], expected=f"by the key of {report.meter_id}"
        )
    return report
