"""How fast telegrams are parsed, beside the libraries that people use, on the same bytes in one run.

What both find is compared first: a time counts only where the numbers agree. Ours is timed with everything it does in
the field: incremental framing, every checksum, the whole grammar, scaled values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final, TypeAlias

from meter_io.checksum import crc_arc
from meter_io.framing import Framer
from meter_io.obis import Obis
from meter_io.p1 import P1Parser
from meter_io.reading import Unit
from meter_io.sml import SmlParser
from meter_io.telegram import Event, Telegram
from testbed.bench.section import DisagreementError, Options, Section, Step, at_least

SUMMARY: Final = "Telegrams of meters, parsed beside smllib and dsmr-parser on the same bytes."
ASKED_RATIO: Final = 1.0
"""No slower than the fastest of the others."""
_CASES: Final = 3
_P1_TELEGRAMS: Final = 50
_P1_LINES: Final = (
    "1-3:0.2.8(50)",
    "0-0:1.0.0(261122013000W)",
    "0-0:96.1.1(4530303434303037)",
    *(f"1-0:{code}.8.{tariff}(00{code}{tariff}30.115*kWh)" for code in (1, 2) for tariff in (1, 2)),
    "0-0:96.14.0(0001)",
    "1-0:1.7.0(00.111*kW)",
    "1-0:2.7.0(00.000*kW)",
    "0-0:96.7.21(00005)",
    "0-0:96.7.9(00003)",
    "1-0:99.97.0(1)(0-0:96.7.19)(190326095015W)(0000002014*s)",
    *(f"1-0:{phase}2.{kind}.0(00001)" for kind in (32, 36) for phase in (3, 5, 7)),
    "0-0:96.13.0()",
    *(f"1-0:{phase}2.7.0(229.{phase}*V)" for phase in (3, 5, 7)),
    *(f"1-0:{phase}1.7.0(00{phase}*A)" for phase in (3, 5, 7)),
    *(f"1-0:{phase}{way}.7.0(00.05{phase}*kW)" for way in (1, 2) for phase in (2, 4, 6)),
    "0-1:24.1.0(003)",
    "0-1:96.1.0(4730303339303031)",
    "0-1:24.2.1(261122010000W)(00246.138*m3)",
)
_UNITS: Final = {"kWh": 1_000, "kW": 1_000, "V": 1, "A": 1, "m3": 1}

Found: TypeAlias = "list[dict[Obis, Decimal]]"
"""The numbers of each telegram, by code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A parser: `parse` is timed, `numbers` turns what it gave into what can be compared."""

    name: str
    parse: Callable[[bytes], Any]
    numbers: Callable[[Any], Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsingTiming:
    """One stream, parsed by us and by another."""

    case: str
    other: str
    bytes_: int
    telegrams: int
    ours_s: float
    """Median over the repeats."""
    other_s: float

    @property
    def ratio(self) -> float:
        """How many times as long the other takes."""
        return self.other_s / self.ours_s

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "case": self.case,
            "other": self.other,
            "bytes": self.bytes_,
            "telegrams": self.telegrams,
            "ours_s": round(self.ours_s, 7),
            "other_s": round(self.other_s, 7),
            "ratio": round(self.ratio, 3),
        }


def steps(options: Options) -> int:
    """How many cases there are, where all their bytes and the other parsers are at hand."""
    del options
    return _CASES


def measure(options: Options, step: Step) -> Section:
    """Measure all cases.

    Raises:
        DisagreementError: the parsers read different numbers.
    """
    timings = []
    for timing in measure_parsing(_dumps(), repeats=9 if options.quick else 51):
        step(f"{timing.case}, {timing.other}")
        timings.append(timing)
    lines = [
        f"{timing.case:<12} {timing.telegrams:>4} telegrams of {timing.bytes_ // timing.telegrams:>4} bytes:"
        f" {timing.ours_s / timing.telegrams * 1e6:>7.1f} us each,"
        f" {timing.other_s / timing.telegrams * 1e6:>7.1f} us by {timing.other}"
        for timing in timings
    ]
    aims = [
        at_least(
            f"parsing {timing.case} beside {timing.other}",
            "times as fast",
            asked=ASKED_RATIO,
            measured=timing.ratio,
        )
        for timing in timings
    ]
    return Section(document={"cases": [timing.document() for timing in timings]}, lines=lines, aims=aims)


def _dumps() -> Path:
    return Path(os.environ.get("GRIDLIGHT_SHARED") or "../shared") / "vectors" / "sml"


def measure_parsing(dumps: Path, *, repeats: int) -> Iterator[ParsingTiming]:
    """Measure every case whose bytes and whose other parser are at hand.

    Args:
        dumps: folder of SML dumps; without it SML is left out, because telegrams of our own making prove little.
        repeats: runs of which the median counts, ours and the other's in turn.

    Raises:
        DisagreementError: the parsers read different numbers.
    """
    streams = [path.read_bytes() for path in sorted(dumps.glob("*.bin"))]
    streams = [stream for stream in streams if _is_sound(stream)]
    for other in _smllib() if streams else ():
        yield _compared("SML dumps", streams, _ours(SmlParser), other, repeats)
    for other in _dsmr_parser():
        yield _compared("DSMR 5", [_p1_stream()], _ours(P1Parser), other, repeats)


def _compared(
    case: str, streams: list[bytes], ours: Contender, other: Contender, repeats: int
) -> ParsingTiming:
    found = [ours.numbers(ours.parse(stream)) for stream in streams]
    if found != [other.numbers(other.parse(stream)) for stream in streams]:
        raise DisagreementError(f"{case}: {other.name} reads other numbers than we do")
    times: dict[str, list[float]] = {ours.name: [], other.name: []}
    for _ in range(repeats):
        for contender in (ours, other):
            began = perf_counter()
            for stream in streams:
                contender.parse(stream)
            times[contender.name].append(perf_counter() - began)
    return ParsingTiming(
        case=case,
        other=other.name,
        bytes_=sum(map(len, streams)),
        telegrams=sum(map(len, found)),
        ours_s=median(times[ours.name]),
        other_s=median(times[other.name]),
    )


def _ours(make: Callable[[], Framer]) -> Contender:
    def numbers(events: list[Event]) -> Found:
        telegrams = [event.values for event in events if isinstance(event, Telegram)]
        return [
            {code: value.number for code, value in values.items() if value.unit is not Unit.NONE}
            for values in telegrams
        ]

    return Contender(name="gridlight", parse=lambda stream: make().feed(stream), numbers=numbers)


def _is_sound(stream: bytes) -> bool:
    """Whether all whole telegrams of a dump are valid and of models without quirks, so that both can agree."""
    telegrams = [event for event in SmlParser().feed(stream) if isinstance(event, Telegram)]
    plain = [event for event in SmlParser(models=()).feed(stream) if isinstance(event, Telegram)]
    return bool(telegrams) and [event.values for event in telegrams] == [event.values for event in plain]


def _smllib() -> Iterator[Contender]:
    """Yield smllib twice: reading whole messages, and its short cut that looks for values without reading the rest."""
    try:
        from smllib.reader import SmlStreamReader  # noqa: PLC0415 - a comparison, not a dependency
        from smllib.sml.list_entry import SmlListEntry  # noqa: PLC0415
        from smllib.sml.response_get_list import SmlGetListResponse  # noqa: PLC0415
    except ImportError:
        return

    def frames(stream: bytes) -> Iterator[Any]:
        reader = SmlStreamReader()
        reader.add(stream)
        while (frame := reader.get_frame()) is not None:
            yield frame

    def numbers(telegrams: list[list[SmlListEntry]]) -> Found:
        return [
            {
                Obis.from_bytes(bytes.fromhex(str(entry.obis))): Decimal(entry.value).scaleb(
                    entry.scaler or 0
                )
                for entry in entries
                if isinstance(entry.value, int)
            }
            for entries in telegrams
        ]

    def whole(stream: bytes) -> list[list[SmlListEntry]]:
        bodies = [[message.message_body for message in frame.parse_frame()] for frame in frames(stream)]
        return [
            [entry for body in each if isinstance(body, SmlGetListResponse) for entry in body.val_list]
            for each in bodies
        ]

    def values_alone(stream: bytes) -> list[list[SmlListEntry]]:
        return [frame.get_obis() for frame in frames(stream)]

    yield Contender(name="smllib", parse=whole, numbers=numbers)
    yield Contender(name="smllib's short cut", parse=values_alone, numbers=numbers)


def _p1_stream() -> bytes:
    covered = "\r\n".join(["/XYZ5\\2BENCH", "", *_P1_LINES, "!"]).encode("ascii")
    return (covered + f"{crc_arc(covered):04X}\r\n".encode("ascii")) * _P1_TELEGRAMS


def _dsmr_parser() -> Iterator[Contender]:
    try:
        from dsmr_parser.clients.telegram_buffer import TelegramBuffer  # noqa: PLC0415 - a comparison
        from dsmr_parser.parsers import TelegramParser  # noqa: PLC0415
        from dsmr_parser.telegram_specifications import V5  # noqa: PLC0415
    except ImportError:
        return
    rules = TelegramParser(V5)
    names = {rule["obis_reference"].replace("\\", ""): rule["value_name"] for rule in V5["objects"]}
    codes = {
        Obis.parse(text): names.get(f"^d-d:{text.partition(':')[2]}.+?rn")
        for text, _, rest in (line.partition("(") for line in _P1_LINES)
        if any(f"*{unit})" in rest for unit in _UNITS)
    }

    def parse(stream: bytes) -> list[Any]:
        buffer = TelegramBuffer()
        buffer.append(stream.decode("ascii"))
        return [rules.parse(text, throw_ex=True) for text in buffer.get_all()]

    def numbers(telegrams: list[Any]) -> Found:
        return [
            {
                code: item.value * _UNITS[item.unit]
                for code, name in codes.items()
                for item in [getattr(telegram, name) if name else telegram.MBUS_DEVICES[0].MBUS_METER_READING]
                if item.unit in _UNITS
            }
            for telegram in telegrams
        ]

    yield Contender(name="dsmr-parser", parse=parse, numbers=numbers)
