"""`gridlight decode`: what a meter said, out of captured bytes, so that a user can send us what it was."""

import argparse
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from firmware_app.console import CommandError, Console, Exit, Paint
from firmware_app.meters.keys import decryptor_of
from meter_io.framing import Framer
from meter_io.iec62056 import Iec62056Parser
from meter_io.p1 import P1Parser
from meter_io.reading import Value
from meter_io.sml import SmlParser
from meter_io.telegram import Event, Reason, Rejected, Telegram

_SCHEMA: Final = "gridlight.decode/1"
_MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_HEX: Final = re.compile(rb"\s*+(?:(?:0[xX])?[0-9A-Fa-f]{2}[\s,:;]*+)++")
_HEX_SAMPLE_BYTES: Final = 4096
_LEAST_HEX_BYTES: Final = 16
_MOSTLY: Final = 0.95


def run(args: argparse.Namespace) -> int:
    """Decode a capture; 1 if anything whole in it is refused, or nothing in it is a telegram."""
    console: Console = args.console
    data = _captured(args.file)
    events = list(_events(_parser(args, data), data))
    accepted = sum(isinstance(event, Telegram) for event in events)
    refused = sum(_is_failure(event) for event in events)
    document = {
        "protocol": args.protocol,
        "bytes": len(data),
        "accepted": accepted,
        "refused": refused,
        "telegrams": [_document(event, anonymous=args.anonymous) for event in events if not _is_noise(event)],
        "noise": [_place(event) for event in events if _is_noise(event)],
    }
    lines = [line for event in events for line in _lines(console, event, anonymous=args.anonymous)]
    summary = (
        f"{accepted} telegram{'' if accepted == 1 else 's'} accepted, {refused} refused, in {len(data)} bytes"
    )
    console.result(_SCHEMA, document, [*lines, summary])
    if not accepted and not refused:
        console.warn(f"no {args.protocol} telegram here: is it another protocol, or another speed or parity?")
    return Exit.OK if accepted and not refused else Exit.FAILED


def _captured(name: str) -> bytes:
    """Return the bytes of a capture, made of hex text if it is that."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_MAX_FILE_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CommandError(
            f"cannot read {name}: {error.strerror}",
            hint="timeout 10 cat PORT > capture.bin makes a file of what a meter says",
            code=Exit.USAGE,
        ) from None
    if len(data) > _MAX_FILE_BYTES:
        raise CommandError(
            f"{name} is too large: at most {_MAX_FILE_BYTES} bytes", hint=f"head -c 1000000 {name}"
        )
    return from_hex(data)


def from_hex(data: bytes) -> bytes:
    """Return the bytes that hex text stands for, or the data themselves where they are not clearly that."""
    sample = data[:_HEX_SAMPLE_BYTES]
    digits = re.sub(rb"(?:0[xX])|[^0-9A-Fa-f]", b"", sample)
    if len(digits) < 2 * _LEAST_HEX_BYTES or not sample.isascii() or _HEX.fullmatch(data) is None:
        return data
    return bytes.fromhex(re.sub(rb"0[xX]|[\s,:;]", b"", data).decode("ascii"))


def _parser(args: argparse.Namespace, data: bytes) -> Framer:
    if args.protocol == "sml":
        return SmlParser()
    if args.protocol == "p1":
        return P1Parser(decryptor_of(args.key_file))
    return Iec62056Parser(even_parity=_has_even_parity(data))


def _has_even_parity(data: bytes) -> bool:
    """Whether bytes are 7E1 characters that were read as 8N1: some have the eighth bit, nearly all are even."""
    even = sum(byte.bit_count() % 2 == 0 for byte in data)
    return not data.isascii() and even >= _MOSTLY * len(data)


def _events(parser: Framer, data: bytes) -> Iterator[Event]:
    yield from parser.feed(data)
    yield from parser.end()


def _is_failure(event: Event) -> bool:
    """Whether a whole telegram is refused; a capture that begins or ends within one is no fault of the meter."""
    return isinstance(event, Rejected) and event.reason not in (Reason.NOISE, Reason.INCOMPLETE)


def _is_noise(event: Event) -> bool:
    return isinstance(event, Rejected) and event.reason is Reason.NOISE


def _place(event: Event) -> dict[str, Any]:
    return {"offset": event.offset, "length": len(event.raw)}


def _document(event: Event, *, anonymous: bool) -> dict[str, Any]:
    place = _place(event)
    if isinstance(event, Rejected):
        return {**place, "ok": False, "error": {"reason": event.reason.value, "message": event.sentence}}
    document = {
        **place,
        "ok": True,
        "error": None,
        "model": event.model,
        "dialect": event.dialect,
        "meter_id": None if anonymous else event.meter_id or None,
        "meter_time_ms": event.meter_time_ms,
        "values": [
            {
                "obis": str(code),
                "value": _json_number(value.number),
                "unit": value.unit.value or None,
                "time_ms": event.times.get(code),
            }
            for code, value in event.values.items()
        ],
    }
    texts = [{"obis": str(code), "text": text} for code, text in event.texts.items()]
    return document if anonymous else {**document, "texts": texts}


def _json_number(number: Decimal) -> int | float:
    """Return a number as JSON has it: whole where it is whole, otherwise exact to 15 digits."""
    return int(number) if number == number.to_integral_value() else float(number)


def _lines(console: Console, event: Event, *, anonymous: bool) -> Iterator[str]:
    place = f"byte {event.offset}, {len(event.raw)} long"
    if isinstance(event, Rejected):
        word = console.paint(event.reason.value, Paint.RED if _is_failure(event) else Paint.YELLOW)
        yield f"{word}  {place}: {event.sentence}"
        return
    name = "" if anonymous or not event.meter_id else f"  {event.meter_id}"
    yield f"{console.paint('ok', Paint.GREEN)}  {place}: {event.model}{name}  ({event.dialect})"
    for code, value in event.values.items():
        yield f"  {code!s:<18} {_spelled(value):>24}"
    if not anonymous:
        for code, text in event.texts.items():
            yield f"  {code!s:<18} {text[:60]:>24}"


def _spelled(value: Value) -> str:
    return f"{value.number:,f} {value.unit.value}".replace(",", " ").rstrip()
