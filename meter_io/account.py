"""The account of one meter: its samples go in, judged readings and finished intervals come out.

Guard and intervals belong together on disk: a base that is newer than the intervals would lose energy, an older one
book it twice. So they are stored as one text, and whoever stores it does so in one atomic write.
"""

import json
from typing import Any, Final, NamedTuple

from meter_io.errors import MeterError
from meter_io.guard import MAX_STATE_BYTES, CounterGuard, GuardParams, GuardStateError
from meter_io.intervals import IntervalBook, IntervalEnergy
from meter_io.reading import MeterId, Reading, Sample
from meter_io.span import Basis, Span

SCHEMA: Final = "gridlight.meter-account/1"
MAX_ACCOUNT_BYTES: Final = MAX_STATE_BYTES + 2_048
_MAX_INT: Final = 1 << 63


class AccountStateError(MeterError):
    """A stored account that is not one of ours: it begins anew, with a first reading."""


class Entry(NamedTuple):
    """What became of a sample.

    Attributes:
        reading: the sample, judged.
        spans: the time that it settled.
        intervals: those that are over now, in order, each handed out once.
    """

    reading: Reading
    spans: tuple[Span, ...]
    intervals: tuple[IntervalEnergy, ...]


class MeterAccount:
    """Counter guard and interval energy of one meter."""

    def __init__(
        self,
        meter: MeterId,
        params: GuardParams,
        *,
        interval_s: int = 900,
        straight_ms: int = 60_000,
        stored: bytes | None = None,
    ) -> None:
        """Begin with nothing, or with what `dump` returned before the board's last start.

        Raises:
            AccountStateError: `stored` is damaged.
        """
        guard, book = (None, None) if stored is None else _split(stored)
        try:
            self.guard = CounterGuard(meter, params, guard)
        except GuardStateError as error:
            raise AccountStateError(error.sentence, hint=error.hint) from None
        self.book = IntervalBook(
            meter,
            interval_s=interval_s,
            straight_ms=straight_ms,
            counters=(params.counters[0] is not None, params.counters[1] is not None),
        )
        if book is not None:
            _restore(self.book, book)

    def judge(self, sample: Sample) -> Entry:
        """Judge the next sample and book what it settles.

        Raises:
            ValueError: the sample is another meter's.
        """
        reading, spans = self.guard.judge(sample)
        ended = [interval for span in spans for interval in self.book.add(span)]
        return Entry(reading, spans, tuple(ended))

    def clock_trusted(self, utc_ms: int, monotonic_ms: int) -> tuple[IntervalEnergy, ...]:
        """Learn that the board's clock can be trusted from now on; returns the intervals that this ends."""
        self.guard.clock_trusted(utc_ms, monotonic_ms)
        return tuple(self.book.clock_trusted(utc_ms, monotonic_ms))

    def dump(self) -> bytes:
        """Return what to store, at most `MAX_ACCOUNT_BYTES`.

        Spans that wait for the clock are not stored: after a restart nobody could tell their time. Their energy is
        then missing, and the intervals say so.
        """
        guard, book = self.guard.dump(), self.book
        part = book.open_interval
        document = {
            "schema": SCHEMA,
            "guard": None if guard is None else guard.decode(),
            "settled": book.settled_ms,
            "carried": book.carried,
            "open": None
            if part is None
            else [part.interval, part.energy_j, part.basis.value, part.covered_ms, part.reason],
        }
        return json.dumps(document, separators=(",", ":")).encode()


def _split(stored: bytes) -> tuple[bytes | None, dict[str, Any]]:
    if len(stored) > MAX_ACCOUNT_BYTES:
        raise AccountStateError(
            f"a meter's account has at most {MAX_ACCOUNT_BYTES} bytes, got {len(stored)}", hint="delete it"
        )
    try:
        document = json.loads(stored)
        if document["schema"] == SCHEMA:
            guard = document["guard"]
            return None if guard is None else guard.encode(), document
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AccountStateError(f"a meter's stored account is damaged: {error}", hint="delete it") from None
    raise AccountStateError(
        f"expected schema {SCHEMA}, got {str(document['schema'])[:40]!r}", hint="delete it"
    )


def _restore(book: IntervalBook, document: dict[str, Any]) -> None:
    try:
        settled, carried, part = document["settled"], document["carried"], document["open"]
        open_interval = None
        if part is not None:
            interval, energy, basis, covered_ms, reason = part
            open_interval = IntervalEnergy(
                meter=book.meter,
                interval=_whole(interval),
                energy_j=_pair(energy),
                basis=Basis(basis),
                covered_ms=_whole(covered_ms),
                reason=str(reason),
            )
        energy, why = carried
        book.restore(
            settled_ms=None if settled is None else _whole(settled),
            carried=(_pair(energy), str(why)),
            open_interval=open_interval,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise AccountStateError(f"a meter's stored account is damaged: {error}", hint="delete it") from None


def _pair(stored: Any) -> tuple[int | None, int | None]:
    import_j, export_j = stored
    return None if import_j is None else _whole(import_j), None if export_j is None else _whole(export_j)


def _whole(stored: Any) -> int:
    if type(stored) is not int or not 0 <= stored <= _MAX_INT:
        raise ValueError(f"expected a whole number up to 2^63, got {str(stored)[:40]}")
    return stored
