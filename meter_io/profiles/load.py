"""Profiles from files: the shipped ones by name, a user's own by path."""

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_args

from meter_io.errors import ProfileError
from meter_io.iec62056.handshake import Answer, is_address
from meter_io.iec62056.handshake import Timing as AskTiming
from meter_io.modbus.pdu import MAX_REGISTERS, Function
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, Obis
from meter_io.ports.address import Line
from meter_io.profiles.model import (
    Asking,
    FirmwareRegister,
    Identify,
    ModbusMap,
    Plausible,
    Profile,
    Protocol,
    Quirk,
    Source,
    SunSpecMap,
    TelegramForm,
    Timing,
    Total,
    Verified,
    is_condition,
)
from meter_io.profiles.registers import KINDS, UNITS, Register, WordOrder, blocks_of
from meter_io.profiles.table import File, Table, nearest
from meter_io.pulse.counter import PulseInput
from meter_io.sunspec.models import MODELS

SCHEMA: Final = "gridlight.profile/1"
_DATA: Final = Path(__file__).parent / "data"
_MAX_BYTES: Final = 64 * 1024
_FUNCTIONS: Final[Mapping[str, Function]] = {"holding": Function.HOLDING, "input": Function.INPUT}
_PROTOCOLS: Final[Mapping[str, Protocol]] = {word: word for word in get_args(Protocol)}
_VERIFIED: Final[Mapping[str, Verified]] = {word: word for word in get_args(Verified)}
_ORDERS: Final[Mapping[str, WordOrder]] = {word: word for word in get_args(WordOrder)}


_MODES: Final = {word: word for word in "ABCD"}
_ANSWERS: Final = {answer.value: answer for answer in Answer}
_DELAYS: Final = {
    "before_answer_ms": 0,
    "before_change_ms": 0,
    "reply_ms": 50,
    "readout_ms": 1_000,
    "pause_ms": 0,
}
"""Delays of a handshake and their least values; meanings as in `meter_io.iec62056.handshake`."""


def shipped() -> list[str]:
    """Names of the profiles that come with the package, sorted."""
    return sorted(path.stem for path in _DATA.glob("*.toml"))


def path_of(name: str) -> Path:
    """File of a shipped profile."""
    return _DATA / f"{name}.toml"


def find(name_or_path: str) -> Profile:
    """Return a shipped profile by its name, or the one in a file where the text names a file.

    Raises:
        ProfileError: there is none, or it is wrong.
    """
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        return read(Path(name_or_path))
    names = shipped()
    if name_or_path not in names:
        raise ProfileError(
            f"there is no profile {name_or_path!r}.{nearest(name_or_path, names)}", hint="gridlight profiles"
        )
    return read(path_of(name_or_path))


def read(path: Path) -> Profile:
    """Return the profile in a file.

    Raises:
        ProfileError: it cannot be read, or is wrong; the sentence names file, line and key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"cannot read {path}: {error.strerror}", hint="gridlight profiles") from error
    if len(data) > _MAX_BYTES:
        raise ProfileError(f"{path} is larger than a profile can be ({_MAX_BYTES} bytes)")
    try:
        text = data.decode("utf-8")
        tables = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(
            f"{path.name} is no TOML: {error}", hint="docs/meters.md shows a profile"
        ) from error
    return parse(path.stem, tables, File(path.name, text))


def parse(name: str, tables: Mapping[str, Any], file: File) -> Profile:
    """Return the profile that parsed TOML describes."""
    top = Table(file, "", tables)
    top.choice("schema", {SCHEMA: SCHEMA})
    protocol = top.choice("protocol", _PROTOCOLS)
    models = top.texts("models")
    line, bauds = _line(top.table("line", required=protocol not in {"sunspec", "pulse"}))
    form: ModbusMap | SunSpecMap | TelegramForm | PulseInput
    if protocol == "modbus":
        form, timing = _modbus(top)
    elif protocol == "sunspec":
        form, timing = _sunspec(top)
    elif protocol == "pulse":
        form, timing = _pulse(top.table("pulse")), Timing()
    else:
        form, timing = _telegram(top.table("telegram"), asked=protocol == "iec62056-21"), Timing()
    given = tuple(register.obis for _, register in form.registers) if isinstance(form, ModbusMap) else ()
    profile = Profile(
        name=name,
        title=top.text("title"),
        protocol=protocol,
        models=models,
        firmware=top.text("firmware", "all"),
        note=top.text("note", ""),
        source=_source(top.table("source")),
        line=line,
        bauds=bauds,
        timing=timing,
        form=form,
        totals=tuple(_total(table, given) for table in top.tables("total")),
        plausible=tuple(_plausible(table) for table in top.tables("plausible")),
        quirks=tuple(_quirk(table, models) for table in top.tables("quirk")),
    )
    top.done()
    return profile


def _source(table: Table) -> Source:
    source = Source(
        document=table.text("document"),
        revision=table.text("revision", ""),
        page=table.text("page", ""),
        checked_against=table.texts("checked_against", ()),
        verified=table.choice("verified", _VERIFIED),
        note=table.text("note", ""),
    )
    table.done()
    return source


def _line(table: Table) -> tuple[Line, tuple[int, ...]]:
    line = Line(
        baud=table.integer("baud", 50, 4_000_000, 9_600),
        parity=table.choice("parity", {"N": "N", "E": "E", "O": "O"}, "N"),
        stop_bits=table.integer("stop_bits", 1, 2, 1),
        data_bits=table.integer("data_bits", 7, 8, 8),
    )
    bauds = table.integers("bauds", 50, 4_000_000, ())
    table.done()
    return line, bauds


def _timing(table: Table) -> Timing:
    return Timing(
        reply_ms=table.integer("reply_ms", 50, 30_000, 1_000),
        gap_ms=table.integer("gap_ms", 0, 1_000, 5),
        turnaround_ms=table.integer("turnaround_ms", 0, 5_000, 0),
        post_open_ms=table.integer("post_open_ms", 0, 30_000, 0),
        late_ms=table.integer("late_ms", 0, 60_000, 2_000),
    )


def _modbus(top: Table) -> tuple[ModbusMap, Timing]:
    table = top.table("modbus")
    function = table.choice("function", _FUNCTIONS)
    address = table.integer("address", 0, 255, 1)
    word_order = table.choice("word_order", _ORDERS, "big")
    max_registers = table.integer("max_registers", 1, MAX_REGISTERS)
    read_across = table.flag("read_across")
    absent = table.texts("absent", ())
    timing = _timing(table)
    table.done()
    defaults = dict(_absent_pattern(table, text) for text in absent)
    rows = top.tables("register")
    if not rows:
        raise top.wrong("register", "a Modbus profile needs at least one [[register]]")
    registers = tuple(_register(row, function, defaults) for row in rows)
    codes = [register.obis for _, register in registers]
    for place, code in enumerate(codes):
        if code in codes[:place]:
            raise rows[place].wrong("obis", f"{code} is given twice")
    try:
        blocks = blocks_of(
            registers, word_order=word_order, max_registers=max_registers, read_across=read_across
        )
    except ValueError as error:
        raise top.wrong("register", str(error)) from None
    firmware = top.table("firmware_register", required=False)
    form = ModbusMap(
        address=address,
        registers=registers,
        blocks=blocks,
        identify=tuple(_identify(row, function) for row in top.tables("identify")),
        firmware=_firmware(firmware, function) if firmware.filled else None,
    )
    return form, timing


def _absent_pattern(table: Table, text: str) -> tuple[str, int]:
    """Read `u32 0xFFFFFFFF`: a pattern that means "not available" in every register of a kind."""
    kind, _, pattern = text.partition(" ")
    if kind not in KINDS or not re.fullmatch(r"0x[0-9A-Fa-f]{1,16}", pattern):
        raise table.wrong("absent", f'wants patterns such as "u32 0xFFFFFFFF", got {text!r}')
    return kind, int(pattern, 16)


def _register(row: Table, function: Function, absent: Mapping[str, int]) -> tuple[Function, Register]:
    kind = row.choice("type", {kind: kind for kind in KINDS})
    unit, exponent = row.choice("unit", UNITS)
    scale = row.decimal("scale", 1)
    if scale is None or not scale:
        raise row.wrong("scale", "must not be 0")
    sign, digits, power = scale.normalize().as_tuple()
    plain = digits == (1,) and not sign and isinstance(power, int)
    patterns = row.integers("absent", 0, (1 << 64) - 1, ())
    absent_from = row.integer("absent_from", -1, (1 << 64) - 1, -1)
    register = Register(
        obis=row.obis("obis"),
        address=row.integer("address", 0, 0xFFFF),
        kind=kind,
        unit=unit,
        exponent=exponent + (power if plain and isinstance(power, int) else 0),
        factor=None if plain else scale,
        negate=row.flag("negate"),
        absent=frozenset((*patterns, *((absent[kind],) if kind in absent else ()))),
        absent_from=None if absent_from < 0 else absent_from,
    )
    if register.address + register.words > 0x10000:
        raise row.wrong("address", f"{kind} reaches beyond register 65535")
    space = row.choice("function", _FUNCTIONS, _word_of(function))
    row.done()
    return space, register


def _word_of(function: Function) -> str:
    return next(word for word, known in _FUNCTIONS.items() if known is function)


def _identify(row: Table, function: Function) -> Identify:
    identify = Identify(
        function=row.choice("function", _FUNCTIONS, _word_of(function)),
        address=row.integer("address", 0, 0xFFFF),
        words=row.integer("words", 1, 32, 1),
        codes=row.integers("codes", 0, (1 << 64) - 1, ()),
        starts_with=row.texts("starts_with", ()),
    )
    if bool(identify.codes) == bool(identify.starts_with):
        raise row.wrong("codes", "an [[identify]] has either codes or starts_with")
    row.done()
    return identify


def _firmware(table: Table, function: Function) -> FirmwareRegister:
    firmware = FirmwareRegister(
        function=table.choice("function", _FUNCTIONS, _word_of(function)),
        address=table.integer("address", 0, 0xFFFF),
        bits=table.integers("bits", 1, 16),
    )
    if sum(firmware.bits) != 16:
        raise table.wrong("bits", f"the parts of a version fill 16 bits, got {sum(firmware.bits)}")
    table.done()
    return firmware


def _sunspec(top: Table) -> tuple[SunSpecMap, Timing]:
    table = top.table("sunspec")
    models = table.integers("models", 1, 65_000)
    unknown = [model for model in models if model not in MODELS]
    if unknown or not models:
        raise table.wrong("models", f"known models are {', '.join(map(str, MODELS))}, got {list(models)}")
    form = SunSpecMap(
        address=table.integer("address", 0, 255, 1),
        models=models,
        negate_power=table.flag("negate_power"),
    )
    timing = _timing(table)
    table.done()
    return form, timing


def _telegram(table: Table, *, asked: bool) -> TelegramForm:
    pattern = table.text("identification", ".*")
    try:
        identification = re.compile(pattern)
    except re.error as error:
        raise table.wrong("identification", f"is no regular expression: {error}") from None
    form = TelegramForm(
        identification=identification,
        silence_ms=table.integer("silence_s", 1, 3_600, 30) * 1_000,
        asking=_asking(table) if asked else None,
    )
    table.done()
    return form


def _pulse(table: Table) -> PulseInput:
    try:
        form = PulseInput(
            pulses_per_kwh=table.integer("pulses_per_kwh", 1, 1_000_000),
            max_power_w=table.integer("max_power_w", 1, 10_000_000),
            active_high=table.flag("active_high"),
            debounce_ms=table.integer("debounce_ms", 0, 10_000, 3),
            min_pulse_ms=table.integer("min_pulse_ms", 0, 10_000, 20),
            max_pulse_ms=table.integer("max_pulse_ms", 1, 60_000, 2_000),
            total=table.choice("counts", {"import": IMPORT_TOTAL, "export": EXPORT_TOTAL}, "import"),
        )
    except ValueError as error:
        raise table.wrong("debounce_ms", str(error)) from None
    table.done()
    return form


def _asking(table: Table) -> Asking | None:
    """Read how a meter of modes A to C is asked, its answer decides which of them it is; None for mode D."""
    mode = table.choice("mode", _MODES, "C")
    words = table.texts("answers", tuple(_ANSWERS))
    unknown = [word for word in words if word not in _ANSWERS]
    if unknown or not words:
        raise table.wrong("answers", f"are some of {', '.join(_ANSWERS)}, got {list(words)}")
    default = AskTiming()
    delays = {
        name: table.integer(name, low, 600_000, getattr(default, name)) for name, low in _DELAYS.items()
    }
    address = table.text("address", "")
    if not is_address(address):
        raise table.wrong("address", f"has up to 32 characters, none of ! / ?, got {address!r}")
    answers = tuple(_ANSWERS[word] for word in words)
    asking = Asking(timing=AskTiming(**delays), answers=answers, address=address)
    return None if mode == "D" else asking


def _total(table: Table, given: tuple[Obis, ...]) -> Total:
    total = Total(obis=table.obis("obis"), of=table.obises("of"))
    if len(total.of) < 2 or total.obis in given or not set(total.of) <= set(given):
        raise table.wrong("of", "a total is a new code, the sum of two or more of the registers")
    table.done()
    return total


def _plausible(table: Table) -> Plausible:
    plausible = Plausible(
        obis=table.obis("obis"),
        low=table.decimal("min", None),
        high=table.decimal("max", None),
        sum_of=table.obises("sum_of", ()),
        within=table.decimal("within", 0) or Decimal(0),
    )
    if (plausible.low is None) != (plausible.high is None) or bool(plausible.sum_of) == (
        plausible.low is not None
    ):
        raise table.wrong("min", "a [[plausible]] has min and max, or sum_of")
    table.done()
    return plausible


def _quirk(table: Table, models: tuple[str, ...]) -> Quirk:
    quirk = Quirk(
        models=table.texts("models"),
        firmware=table.text("firmware"),
        negate=table.obises("negate", ()),
        drop=table.obises("drop", ()),
        refuse=table.text("refuse", ""),
    )
    if not set(quirk.models) <= set(models):
        raise table.wrong("models", f"are among the profile's own ({', '.join(models)}), got {quirk.models}")
    if not is_condition(quirk.firmware):
        raise table.wrong("firmware", f'is "*" or a condition such as "<1.8.3", got {quirk.firmware!r}')
    if not (quirk.negate or quirk.drop or quirk.refuse):
        raise table.wrong("models", "a quirk negates, drops or refuses something")
    table.done()
    return quirk
