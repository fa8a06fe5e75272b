"""SML's transport protocol, version 1: escape sequences around a file of messages.

A frame is `1b1b1b1b 01010101`, the messages, up to three bytes of padding, `1b1b1b1b 1a`, the number of padding bytes
and a checksum over all before it. Four `1b` in the messages are sent twice.

Source: SML 1.04 (transport protocol version 1).
"""

from collections.abc import Mapping
from typing import Final

from meter_io.checksum import crc_kermit, crc_x25
from meter_io.framing import MAX_TELEGRAM_BYTES, Framer
from meter_io.obis import Obis
from meter_io.sml.messages import read_file
from meter_io.sml.quirks import KNOWN_MODELS, KnownModel, spelled
from meter_io.telegram import Event, Reason, Refusal, Telegram

_ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
_BEGIN: Final = b"\x01\x01\x01\x01"
_START: Final = _ESCAPE + _BEGIN
_END: Final = 0x1A
_SEQUENCE_BYTES: Final = 8
_MANUFACTURER: Final = (Obis(1, 0, 96, 50, 1, 1), Obis(129, 129, 199, 130, 3))
"""Where meters give their manufacturer: the newer and the older code."""


class SmlParser(Framer):
    """Telegrams out of the bytes of an SML meter's optical port."""

    def __init__(self, models: tuple[KnownModel, ...] = KNOWN_MODELS) -> None:
        """Begin between two telegrams.

        Args:
            models: whose defects are made up for.
        """
        super().__init__()
        self._models = models

    def _cut(self, events: list[Event], *, final: bool) -> bool:
        buffer, start = self._buffer, self._start
        if not buffer.startswith(_START, start):
            return self._seek(events, final=final)
        self._seen = max(self._seen, start + len(_START))
        limit = start + MAX_TELEGRAM_BYTES
        while True:
            at = buffer.find(_ESCAPE, self._seen)
            stop = at + _SEQUENCE_BYTES
            if at >= 0 and stop <= min(len(buffer), limit):
                if not self._escape(events, at, stop):
                    continue
                return True
            if len(buffer) >= limit:
                self._refuse(
                    events, limit, Reason.TOO_LONG, f"no end of telegram within {MAX_TELEGRAM_BYTES} bytes"
                )
                return True
            if final:
                self._refuse(events, len(buffer), Reason.INCOMPLETE, "the telegram broke off")
                return True
            self._seen = at if at >= 0 else max(self._seen, len(buffer) - len(_ESCAPE) + 1)
            return False

    def _seek(self, events: list[Event], *, final: bool) -> bool:
        """Skip noise up to a start sequence. False if more bytes are needed."""
        buffer = self._buffer
        at = buffer.find(_START, self._start)
        if at >= 0:
            self._skip(events, at)
            self._seen = at
            return True
        keep = 0 if final else len(_START) - 1
        self._skip(events, max(self._start, len(buffer) - keep))
        return False

    def _escape(self, events: list[Event], at: int, stop: int) -> bool:
        """Judge an escape sequence within a frame. True if it ended the frame, one way or another."""
        buffer = self._buffer
        if buffer[at + 4] == _END:
            self._accept(events, stop)
            return True
        sequence = buffer[at + 4 : stop]
        if sequence == _ESCAPE:
            self._seen = stop
            return False
        if sequence == _BEGIN:
            self._refuse(events, at, Reason.INCOMPLETE, "another telegram began before this one ended")
        else:
            sentence = f"the escape sequence {sequence.hex()} is not known"
            self._refuse(events, at + 1, Reason.STRUCTURE, sentence)
        return True

    def _parse(self, raw: bytes, offset: int) -> Telegram:
        checksum = int.from_bytes(raw[-2:], "little")
        expected = crc_x25(raw[:-2])
        kermit = checksum != expected
        if kermit and checksum != crc_kermit(raw[:-2]):
            raise Refusal(Reason.CHECKSUM, f"the checksum is {checksum:04x}, expected {expected:04x}")
        padding = raw[-3]
        body = raw[len(_START) : len(raw) - _SEQUENCE_BYTES]
        payload = body[: len(body) - padding]
        if padding > 3 or padding > len(body) or any(body[len(payload) :]):
            raise Refusal(Reason.STRUCTURE, f"{padding} bytes of padding, expected at most 3, all zero")
        messages = payload.replace(_ESCAPE + _ESCAPE, _ESCAPE)
        contents = read_file(messages, kermit=kermit, models=self._models)
        server_id = contents.server_id or b""
        return Telegram(
            offset=offset,
            raw=raw,
            model=contents.model.name if contents.model else _manufacturer(server_id, contents.texts),
            meter_id=spelled(server_id),
            dialect="SML 1.04",
            values=contents.values,
            texts=contents.texts,
        )


def _manufacturer(server_id: bytes, texts: Mapping[Obis, str]) -> str:
    """Return the three letters of the manufacturer: from the list where it is given, otherwise from the server id."""
    for code in _MANUFACTURER:
        if code in texts:
            return texts[code]
    letters = server_id[2:5]
    return letters.decode("ascii") if letters.isalpha() and letters.isupper() else "unknown"
