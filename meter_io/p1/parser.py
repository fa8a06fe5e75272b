"""P1 telegrams out of a byte stream, plain or encrypted.

A plain one is `/` and an identification, an empty line, lines of data sets, and `!` with a checksum. Source: DSMR P1
companion standard 5.0.2, section 6.
"""

import re
from typing import Final

from meter_io.checksum import crc_arc
from meter_io.datasets import Contents, code_of, data_sets, number, quantity
from meter_io.framing import MAX_TELEGRAM_BYTES, Framer
from meter_io.obis import Obis
from meter_io.p1.cipher import OVERHEAD_BYTES, TAG, Decryptor, frame_bytes
from meter_io.p1.dialects import EQUIPMENT_IDS, TIMESTAMP, Checksum, Dialect, dialect_of
from meter_io.p1.times import utc_ms
from meter_io.printable import printable
from meter_io.reading import Unit, Value
from meter_io.telegram import Event, Reason, Refusal, Telegram

_ENDING: Final = re.compile(rb"![0-9A-F]{0,4}(?:\r\n|\n)|![0-9A-F]{4}\r?\Z")
"""The second form is that of a file that ends without its line end."""
_END_BYTES: Final = 7
"""`!`, four digits, carriage return and line feed."""
_MAX_IDENTIFICATION: Final = 64
_MARK: Final = re.compile(rb"[/!]")
_M_BUS_UNITS: Final = {"m3": (Unit.CUBIC_METRE, 0), "GJ": (Unit.JOULE, 9), "kWh": (Unit.WATT_HOUR, 3)}
_FAILURES: Final = 7
"""Group D of `96.7.x`, counters of power failures: numbers without a unit."""


class P1Parser(Framer):
    """Telegrams out of the bytes of a P1 port."""

    def __init__(self, decryptor: Decryptor | None = None) -> None:
        """Begin between two telegrams.

        Args:
            decryptor: for meters that encrypt. Without it an encrypted telegram is refused, saying so.
        """
        super().__init__()
        self._decryptor = decryptor

    def _cut(self, events: list[Event], *, final: bool) -> bool:
        first = self._buffer[self._start]
        if first == ord("/"):
            return self._cut_plain(events, final=final)
        if first == TAG:
            return self._cut_encrypted(events, final=final)
        slash, tag = self._buffer.find(b"/", self._start), self._buffer.find(TAG, self._start)
        found = [at for at in (slash, tag) if at >= 0]
        self._skip(events, min(found) if found else len(self._buffer))
        self._seen = self._start
        return bool(found)

    def _cut_plain(self, events: list[Event], *, final: bool) -> bool:
        buffer, start = self._buffer, self._start
        limit = start + MAX_TELEGRAM_BYTES
        mark = _MARK.search(buffer, max(self._seen, start + 1))
        if mark is not None and mark.start() + _END_BYTES <= limit:
            at = mark.start()
            if buffer[at] == ord("/"):
                self._refuse(events, at, Reason.INCOMPLETE, "another telegram began before this one ended")
                return True
            self._seen = at
            if final or len(buffer) >= at + _END_BYTES or buffer.find(b"\n", at) >= 0:
                return self._finish(events, at)
        elif len(buffer) >= limit:
            sentence = f"no end of telegram within {MAX_TELEGRAM_BYTES} bytes"
            self._refuse(events, limit, Reason.TOO_LONG, sentence)
            return True
        else:
            self._seen = len(buffer)
        if final:
            self._refuse(events, len(buffer), Reason.INCOMPLETE, "the telegram broke off")
        return final

    def _finish(self, events: list[Event], at: int) -> bool:
        """Judge the end of a telegram, whose exclamation mark is at `at`."""
        ending = _ENDING.match(self._buffer, at)
        if ending is None:
            found = bytes(self._buffer[at : at + _END_BYTES])
            sentence = f"the telegram ends with {found!r}, expected ! and four hexadecimal digits"
            self._refuse(events, at + 1, Reason.STRUCTURE, sentence)
        else:
            self._accept(events, ending.end())
        return True

    def _cut_encrypted(self, events: list[Event], *, final: bool) -> bool:
        buffer, start = self._buffer, self._start
        head = bytes(buffer[start : start + OVERHEAD_BYTES])
        if len(head) < OVERHEAD_BYTES and not final:
            return False
        length = frame_bytes(head)
        if length is None or length > MAX_TELEGRAM_BYTES:
            self._skip(events, start + 1)
            self._seen = self._start
            return True
        if len(buffer) - start >= length:
            self._accept(events, start + length)
            return True
        if final:
            self._refuse(events, len(buffer), Reason.INCOMPLETE, "the encrypted telegram broke off")
        return final

    def _parse(self, raw: bytes, offset: int) -> Telegram:
        if raw[0] != TAG:
            return _read(raw, raw, offset)
        if self._decryptor is None:
            raise Refusal(Reason.KEY, "the telegram is encrypted and no key was given")
        plain = self._decryptor.decrypt(raw)
        end = plain.rfind(b"!")
        if not plain.startswith(b"/") or end < 0 or _ENDING.fullmatch(plain, end) is None:
            raise Refusal(Reason.STRUCTURE, "what was encrypted is no P1 telegram")
        return _read(plain, raw, offset)


def _read(plain: bytes, raw: bytes, offset: int) -> Telegram:
    """Read a plain telegram; `raw` is what came over the line."""
    if not plain.isascii():
        raise Refusal(Reason.STRUCTURE, "a character that is not ASCII")
    end = plain.rindex(b"!")
    stated = plain[end + 1 :].rstrip(b"\r\n").decode("ascii")
    _check(plain[: end + 1], stated)
    head, separator, block = plain[1:end].decode("ascii").partition("\r\n")
    if not separator or len(head) > _MAX_IDENTIFICATION:
        raise Refusal(
            Reason.STRUCTURE, f"no line end within {_MAX_IDENTIFICATION} characters of identification"
        )
    contents, stamps = _contents(block)
    dialect = dialect_of(head, contents.texts, contents.values)
    _check_presence(dialect, stated)
    times = {code: utc_ms(stamp, dialect.winter_offset_s) for code, stamp in stamps.items()}
    ids = (contents.texts[code] for code in EQUIPMENT_IDS if contents.texts.get(code))
    return Telegram(
        offset=offset,
        raw=raw,
        model=printable(head),
        meter_id=next(ids, ""),
        dialect=dialect.name,
        values=contents.values,
        texts=contents.texts,
        times={code: time for code, time in times.items() if time is not None},
        meter_time_ms=utc_ms(contents.texts.get(TIMESTAMP, ""), dialect.winter_offset_s),
    )


def _check(covered: bytes, stated: str) -> None:
    """Compare the checksum, where there is one."""
    if stated and int(stated, 16) != (expected := crc_arc(covered)):
        hint = "" if b"\r\n" in covered else "; the lines end in LF alone, the capture was changed"
        raise Refusal(Reason.CHECKSUM, f"the checksum is {stated}, expected {expected:04X}{hint}")


def _check_presence(dialect: Dialect, stated: str) -> None:
    """Refuse a telegram whose checksum is not there although its dialect has one."""
    if dialect.checksum is Checksum.ABSENT:
        return
    if not stated or (len(stated) < 4 and dialect.checksum is Checksum.REQUIRED):
        raise Refusal(
            Reason.CHECKSUM, f"{dialect.name} has a checksum of four digits, got {stated or 'none'}"
        )


def _contents(block: str) -> tuple[Contents, dict[Obis, str]]:
    """Return what the data sets say, and the times that some values carry."""
    contents = Contents()
    stamps: dict[Obis, str] = {}
    old_gas: tuple[Obis, list[str]] | None = None
    for name, groups in data_sets(block):
        if not name:
            _add_old_gas(contents, stamps, old_gas, groups)
            old_gas = None
            continue
        code = code_of(name)
        if code is None:
            raise Refusal(Reason.STRUCTURE, f"no OBIS code: {name!r}")
        if len(groups) == 1:
            _add(contents, code, groups[0])
        elif len(groups) == 2 and (value := quantity(groups[1])) is not None:
            contents.add(code, value)
            stamps[code] = groups[0]
        elif code.c == 24 and code.d == 3 and len(groups) == 6:
            old_gas = (code, groups)
    return contents, stamps


def _add(contents: Contents, code: Obis, text: str) -> None:
    value = quantity(text)
    if value is not None:
        contents.add(code, value)
    elif ((code.a == 1 and 0 < code.c < 96) or (code.c == 96 and code.d == _FAILURES)) and (
        plain := number(text)
    ) is not None:
        contents.add(code, Value(plain, Unit.NONE))
    else:
        contents.add(code, text)


def _add_old_gas(
    contents: Contents, stamps: dict[Obis, str], begun: tuple[Obis, list[str]] | None, groups: list[str]
) -> None:
    """Take up the value of a sub-meter in DSMR 2.2 and 3.0: the time and the unit stand a line before it."""
    if begun is None or len(groups) != 1:
        raise Refusal(Reason.STRUCTURE, f"a value without a code: {groups[0][:40]!r}")
    code, (stamp, _, _, _, target, unit) = begun
    plain, known, named = number(groups[0]), _M_BUS_UNITS.get(unit), code_of(target)
    if plain is None or known is None or named is None:
        raise Refusal(Reason.STRUCTURE, f"{code} is {groups[0][:40]!r} {unit[:8]!r} of {target[:20]!r}")
    contents.add(named, Value(plain.scaleb(known[1]), known[0]))
    stamps[named] = stamp
