"""Cutting a byte stream into telegrams: what SML, P1 and IEC 62056-21 have in common.

A framer is pure: bytes in, events out, no clock and no port. However the bytes are split over calls of `feed`, the
events are the same. It holds at most `MAX_TELEGRAM_BYTES` and one piece of input, and looks at each byte a fixed number
of times: after a defect it goes on behind what it has judged, never back to its beginning.
"""

from abc import ABC, abstractmethod
from typing import Final

from meter_io.telegram import Event, Reason, Refusal, Rejected, Telegram

MAX_TELEGRAM_BYTES: Final = 16_384
"""The longest telegram. Hungarian P1 telegrams, the longest known, have about 6,000 bytes."""
MAX_NOISE_BYTES: Final = 4_096
"""Noise is reported in pieces of this size at most."""
_PIECE_BYTES: Final = 4_096
MAX_HELD_BYTES: Final = MAX_TELEGRAM_BYTES + MAX_NOISE_BYTES + _PIECE_BYTES
"""All that a framer keeps of what it was fed."""


class Framer(ABC):
    """An incremental parser of telegrams."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._base = 0  # offset in the stream of the buffer's first byte
        self._start = 0  # first byte in the buffer that belongs to no event yet
        self._seen = 0  # how far the buffer has been searched, so that nothing is searched twice
        self._noise = bytearray()

    @property
    def held_bytes(self) -> int:
        """How many bytes are kept for later."""
        return len(self._buffer) + len(self._noise)

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they come from the line and return what they complete."""
        events: list[Event] = []
        for first in range(0, len(data), _PIECE_BYTES):
            self._buffer += data[first : first + _PIECE_BYTES]
            self._drain(events, final=False)
        return events

    def end(self) -> list[Event]:
        """Say that the line fell silent or the file ended: what is incomplete stays so. The framer is fresh again."""
        events: list[Event] = []
        self._drain(events, final=True)
        self._flush_noise(events)
        return events

    def _drain(self, events: list[Event], *, final: bool) -> None:
        while self._start < len(self._buffer) and self._cut(events, final=final):
            pass
        del self._buffer[: self._start]
        self._base += self._start
        self._seen = max(0, self._seen - self._start)
        self._start = 0

    @abstractmethod
    def _cut(self, events: list[Event], *, final: bool) -> bool:
        """Judge what stands at `_start`: skip noise, accept or refuse a telegram. False if more bytes are needed."""

    @abstractmethod
    def _parse(self, raw: bytes, offset: int) -> Telegram:
        """Return the telegram in a complete frame.

        Raises:
            Refusal: it is none.
        """

    def _skip(self, events: list[Event], stop: int) -> None:
        """Count the bytes up to `stop` as noise."""
        self._noise += self._buffer[self._start : stop]
        self._start = stop
        while len(self._noise) >= MAX_NOISE_BYTES:
            end = self._base + self._start - len(self._noise) + MAX_NOISE_BYTES
            self._report_noise(events, MAX_NOISE_BYTES, end)

    def _flush_noise(self, events: list[Event]) -> None:
        if self._noise:
            self._report_noise(events, len(self._noise), self._base + self._start)

    def _report_noise(self, events: list[Event], length: int, end: int) -> None:
        raw = bytes(self._noise[:length])
        del self._noise[:length]
        sentence = f"{length} bytes outside of any telegram"
        events.append(Rejected(offset=end - length, raw=raw, reason=Reason.NOISE, sentence=sentence))

    def _refuse(self, events: list[Event], stop: int, reason: Reason, sentence: str) -> None:
        """Report the bytes up to `stop` as a telegram that is refused."""
        self._flush_noise(events)
        raw = bytes(self._buffer[self._start : stop])
        events.append(Rejected(offset=self._base + self._start, raw=raw, reason=reason, sentence=sentence))
        self._start = self._seen = stop

    def _accept(self, events: list[Event], stop: int) -> None:
        """Parse the frame up to `stop` and report it, or why it is refused."""
        try:
            telegram = self._parse(bytes(self._buffer[self._start : stop]), self._base + self._start)
        except Refusal as refusal:
            self._refuse(events, stop, refusal.reason, refusal.sentence)
            return
        self._flush_noise(events)
        events.append(telegram)
        self._start = self._seen = stop
