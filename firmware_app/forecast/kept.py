"""What a forecaster learnt, as bytes that outlive a restart: versioned, bounded, refused unless every part is right.

    (version, CRC-32 of the body, body)
    body = (interval_s, series, history_days, last interval or -1, ring, start of the home's day, mode,
            learnt floats, sums of the score)

Everything is in the encoding of the rules; the ring has four bytes an interval, a float has eight (IEEE 754, most
significant first). At 15 minutes and three weeks that is 10.7 kB.
"""

from __future__ import annotations

import math
import struct
from typing import Final
from zlib import crc32

from firmware_app.forecast.deviation import LIMIT, MEANS, Deviation, Matrix
from firmware_app.forecast.history import History
from firmware_app.forecast.score import Sums
from firmware_app.forecast.settings import MAX_SLOTS, Series
from firmware_app.forecast.usual import Calendar
from light_client.rules.encoding import Encodable, decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.units import MAX_INTERVAL

VERSION: Final = 1
MAX_BYTES: Final = 56 * MAX_SLOTS * 4 + MAX_SLOTS * MEANS * 8 + 1_024
"""No state is longer than this."""
_SUMS: Final = len(Sums.__slots__)


class DamagedStateError(ValueError):
    """Bytes that are no state of this forecaster; what was learnt is lost, and has to be learnt anew."""


class State:
    """The parts of a forecaster that are kept, and nothing else."""

    def __init__(self, *, interval_s: int, series: Series, slots: int, history_days: int) -> None:
        """Of a forecaster that knows nothing."""
        self.interval_s = interval_s
        self.series = series
        self.history = History(slots, history_days)
        self.calendar = Calendar(slots)
        self.deviation = Deviation(slots)
        self.sums = Sums()
        self.mode = 0

    def to_bytes(self) -> bytes:
        """As bytes for `load`."""
        deviation, sums = self.deviation, self.sums
        learnt = [deviation.seen, deviation.variance, *deviation.means]
        learnt += [value for row in (*deviation.gram, *deviation.cross) for value in row]
        last = self.history.last
        fields: Encodable = (
            self.interval_s,
            int(self.series),
            self.history.days,
            -1 if last is None else last,
            self.history.packed(),
            self.calendar.start,
            self.mode,
            struct.pack(f">{len(learnt)}d", *learnt),
            struct.pack(f">{_SUMS}d", *(getattr(sums, name) for name in Sums.__slots__)),
        )
        body = encode(fields)
        return encode((VERSION, crc32(body), body))

    def load(self, data: bytes) -> None:
        """Take over what was kept; on an error this object is not to be used any more.

        Raises:
            DamagedStateError: the bytes are damaged, of another version, or belong to another series or setting.
        """
        try:
            self._fill(_fields(_body(data), 9))
        except RuleViolation as error:
            raise DamagedStateError(str(error)) from None
        except (TypeError, struct.error, OverflowError) as error:
            raise DamagedStateError(f"a field is of the wrong kind: {error}") from None
        except DamagedStateError:
            raise
        except ValueError as error:
            raise DamagedStateError(str(error)) from None

    def _fill(self, fields: tuple[object, ...]) -> None:
        interval_s, series, days, last, ring, start, mode, learnt, sums = fields
        own = (self.interval_s, int(self.series), self.history.days)
        if (interval_s, series, days) != own:
            raise DamagedStateError(
                f"it is of (interval_s, series, days) {(interval_s, series, days)}, now they are {own}"
            )
        slots = self.history.slots
        newest = _bounded(last, -1, MAX_INTERVAL)
        self.history.unpack(None if newest < 0 else newest, _raw(ring))
        self.calendar.start = _bounded(start, 0, slots - 1)
        self.mode = _bounded(mode, 0, 2)
        self._fill_deviation(_floats(_raw(learnt), 2 + MEANS + MEANS * MEANS + MEANS * slots))
        for name, value in zip(Sums.__slots__, _floats(_raw(sums), _SUMS), strict=True):
            if value < 0:
                raise DamagedStateError(f"the sum {name} is {value}, expected none below 0")
            setattr(self.sums, name, value)

    def _fill_deviation(self, values: list[float]) -> None:
        deviation, slots = self.deviation, self.history.slots
        deviation.seen, deviation.variance = values[:2]
        deviation.means = values[2 : 2 + MEANS]
        products = values[2 + MEANS :]
        if max(map(abs, deviation.means)) > LIMIT or max(map(abs, [values[1], *products])) > LIMIT * LIMIT:
            raise DamagedStateError("a learnt value is beyond what can be learnt")
        if not (deviation.seen >= 0 and deviation.variance > 0):
            raise DamagedStateError("a count or a variance is negative")
        rows: Matrix = [products[at : at + MEANS] for at in range(0, len(products), MEANS)]
        deviation.gram, deviation.cross = rows[:MEANS], rows[MEANS : MEANS + slots]
        deviation.outlook()


def _body(data: bytes) -> bytes:
    version, checksum, body = _fields(data, 3)
    if version != VERSION:
        raise DamagedStateError(f"version {version}, expected {VERSION}")
    if checksum != crc32(_raw(body)):
        raise DamagedStateError("its checksum is wrong")
    return _raw(body)


def _fields(data: bytes, count: int) -> tuple[object, ...]:
    value = decode(data, max_bytes=MAX_BYTES, max_depth=1, max_items=16)
    if not isinstance(value, tuple) or len(value) != count:
        raise DamagedStateError(f"it is not made of {count} fields")
    return value


def _raw(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise DamagedStateError(f"got {type(value).__name__} where bytes belong")
    return value


def _bounded(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise DamagedStateError(f"got {value!r}, expected a whole number in {least}..{most}")
    return value


def _floats(data: bytes, count: int) -> list[float]:
    values = list(struct.unpack(f">{count}d", data))
    if not all(map(math.isfinite, values)):
        raise DamagedStateError("a learnt value is not a number")
    return values
