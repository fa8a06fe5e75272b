"""IEC 62056-21 data messages out of a byte stream.

In modes A to C the identification comes alone and the data follow as STX, data block, `!`, ETX and a check character.
In mode D identification, an empty line, the data block and `!` come in one piece, without a check. Source: IEC
62056-21, clause 6.
"""

from collections.abc import Mapping
from typing import Final

from meter_io.checksum import BAD_PARITY, block_check, without_parity
from meter_io.datasets import Contents, code_of, data_sets, quantity
from meter_io.framing import MAX_TELEGRAM_BYTES, Framer
from meter_io.iec62056.identification import MAX_LINE_BYTES, Identification, Mode
from meter_io.obis import Obis
from meter_io.reading import Unit
from meter_io.telegram import Event, Reason, Refusal, Rejected, Telegram

_STX: Final = 0x02
_ETX: Final = 0x03
_SLASH: Final = 0x2F
_REQUEST: Final = b"/?"
_METER_IDS: Final = (Obis(1, 0, 0, 0, 0), Obis(1, 0, 96, 1, 0), Obis(1, 0, 0, 0, 9), Obis(1, 0, 96, 1, 255))


class Iec62056Parser(Framer):
    """Telegrams out of the bytes of an IEC 62056-21 meter's optical port."""

    def __init__(
        self, *, even_parity: bool = False, units: Mapping[Obis, tuple[Unit, int]] | None = None
    ) -> None:
        """Begin before an identification.

        Args:
            even_parity: the bytes are 7E1 read as 8N1: the eighth bit is checked and taken away. What is reported
                as `raw` is without it.
            units: unit and power of ten of values that the meter sends without a unit, from its profile.
        """
        super().__init__()
        self._even_parity = even_parity
        self._units = units or {}
        self._identified: tuple[int, bytes] | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes as they come from the line and return what they complete."""
        return super().feed(without_parity(data) if self._even_parity else data)

    def end(self) -> list[Event]:
        """Say that the line fell silent or the file ended."""
        events = super().end()
        self._forget(events)
        return events

    def _forget(self, events: list[Event]) -> None:
        """Report an identification that nothing followed."""
        if self._identified is not None:
            offset, raw = self._identified
            sentence = "an identification, and no data after it"
            events.append(Rejected(offset=offset, raw=raw, reason=Reason.INCOMPLETE, sentence=sentence))
            self._identified = None

    def _cut(self, events: list[Event], *, final: bool) -> bool:
        first = self._buffer[self._start]
        if first == _STX:
            return self._cut_checked(events, final=final)
        if first == _SLASH:
            return self._cut_identified(events, final=final)
        found = [at for mark in (_STX, _SLASH) if (at := self._buffer.find(mark, self._start)) >= 0]
        self._skip(events, min(found) if found else len(self._buffer))
        self._seen = self._start
        return bool(found)

    def _cut_checked(self, events: list[Event], *, final: bool) -> bool:
        """Cut a data message of modes A to C."""
        buffer, start = self._buffer, self._start
        self._seen = max(self._seen, start + 1)
        limit = start + MAX_TELEGRAM_BYTES
        end = buffer.find(_ETX, self._seen, limit - 1)
        again = buffer.find(_STX, self._seen, end if end >= 0 else limit)
        if again >= 0:
            self._refuse(events, again, Reason.INCOMPLETE, "another data message began before this one ended")
            return True
        if 0 <= end < len(buffer) - 1:
            self._accept(events, end + 2)
            return True
        self._seen = end if end >= 0 else min(len(buffer), limit - 1)
        return self._wait(events, limit, final=final)

    def _cut_identified(self, events: list[Event], *, final: bool) -> bool:
        """Cut a telegram of mode D, or set an identification aside until its data come."""
        buffer, start = self._buffer, self._start
        newline = buffer.find(b"\n", start, start + MAX_LINE_BYTES)
        if newline < 0:
            if len(buffer) - start < MAX_LINE_BYTES and not final:
                return False
            self._skip(events, start + 1)
            return True
        if buffer.startswith(_REQUEST, start):
            self._skip(events, newline + 1)
            return True
        if len(buffer) < newline + 3 and not final:
            return False
        if buffer.startswith(b"\r\n", newline + 1):
            return self._cut_pushed(events, newline + 3, final=final)
        self._set_aside(events, newline + 1)
        return True

    def _set_aside(self, events: list[Event], stop: int) -> None:
        line = bytes(self._buffer[self._start : stop])
        try:
            Identification.parse(line)
        except Refusal as refusal:
            self._refuse(events, stop, refusal.reason, refusal.sentence)
            return
        self._flush_noise(events)
        self._forget(events)
        self._identified = self._base + self._start, line
        self._start = self._seen = stop

    def _cut_pushed(self, events: list[Event], block: int, *, final: bool) -> bool:
        """Cut a telegram of mode D, whose data block begins at `block`."""
        buffer, start = self._buffer, self._start
        limit = start + MAX_TELEGRAM_BYTES
        self._seen = max(self._seen, block)
        end = buffer.find(b"!", self._seen, limit - 2)
        again = buffer.find(_SLASH, self._seen, end if end >= 0 else limit)
        if again >= 0:
            self._refuse(events, again, Reason.INCOMPLETE, "another telegram began before this one ended")
            return True
        if end >= 0 and (len(buffer) >= end + 3 or final):
            self._accept(events, min(end + 3, len(buffer)))
            return True
        self._seen = end if end >= 0 else min(len(buffer), limit - 2)
        return self._wait(events, limit, final=final)

    def _wait(self, events: list[Event], limit: int, *, final: bool) -> bool:
        """Wait for more bytes, unless there are too many or none will come."""
        if len(self._buffer) >= limit:
            sentence = f"no end of telegram within {MAX_TELEGRAM_BYTES} bytes"
            self._refuse(events, limit, Reason.TOO_LONG, sentence)
            return True
        if final:
            self._refuse(events, len(self._buffer), Reason.INCOMPLETE, "the telegram broke off")
        return final

    def _parse(self, raw: bytes, offset: int) -> Telegram:
        if BAD_PARITY in raw:
            at = raw.index(BAD_PARITY)
            raise Refusal(Reason.PARITY, f"a character of wrong parity, byte {at} of the telegram")
        if not raw.isascii():
            raise Refusal(
                Reason.PARITY, "a character of eight bits: the line is 7E1, read it with even parity"
            )
        if raw[0] == _STX:
            return self._parse_checked(raw, offset)
        head, _, block = raw.partition(b"\r\n\r\n")
        if not block.endswith(b"!\r\n"):
            raise Refusal(Reason.STRUCTURE, f"the telegram ends with {block[-4:]!r}, expected !, CR and LF")
        return self._telegram(raw, offset, Identification.parse(head + b"\r\n"), Mode.D, block[:-3])

    def _parse_checked(self, raw: bytes, offset: int) -> Telegram:
        stated, expected = raw[-1], block_check(raw[1:-1])
        if stated != expected:
            raise Refusal(Reason.CHECKSUM, f"the check character is {stated:02x}, expected {expected:02x}")
        block = raw[1:-2]
        if not block.endswith(b"!\r\n"):
            raise Refusal(Reason.STRUCTURE, f"the data end with {block[-4:]!r}, expected !, CR and LF")
        identification = None
        if self._identified is not None:
            offset, line = self._identified
            identification, raw = Identification.parse(line), line + raw
        mode = identification.mode if identification else None
        telegram = self._telegram(raw, offset, identification, mode, block[:-3])
        self._identified = None
        return telegram

    def _telegram(
        self, raw: bytes, offset: int, identification: Identification | None, mode: Mode | None, block: bytes
    ) -> Telegram:
        contents = self._read(block.decode("ascii"))
        ids = (contents.texts[code] for code in _METER_IDS if contents.texts.get(code))
        return Telegram(
            offset=offset,
            raw=raw,
            model=identification.model if identification else "unknown",
            meter_id=next(ids, ""),
            dialect=f"IEC 62056-21 mode {mode.value}" if mode else "IEC 62056-21",
            values=contents.values,
            texts=contents.texts,
        )

    def _read(self, block: str) -> Contents:
        """Return what the data sets say; those with a code of the manufacturer's own are left out."""
        contents = Contents()
        for name, groups in data_sets(block):
            code = code_of(name) if name else None
            if code is None:
                continue
            value = quantity(groups[0])
            if value is not None:
                contents.add(code, value)
            elif len(groups) == 1 and not contents.add_units_from(self._units, code, groups[0]):
                contents.add(code, groups[0])
        return contents
