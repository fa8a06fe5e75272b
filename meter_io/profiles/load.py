"""Profiles from files: the shipped ones by name, a user's own by path.

What every profile has is read here; what depends on the protocol, in `polled` and `telegrams`.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_args

from meter_io.errors import ProfileError
from meter_io.guard.params import CounterSpec
from meter_io.obis import Obis
from meter_io.ports.address import Line
from meter_io.profiles.model import (
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
from meter_io.profiles.polled import modbus, sunspec
from meter_io.profiles.table import File, Table, nearest
from meter_io.profiles.telegrams import pulse, telegram
from meter_io.pulse.counter import PulseInput
from meter_io.reading import JOULES_PER_WH, Unit

SCHEMA: Final = "gridlight.profile/1"
_DATA: Final = Path(__file__).parent / "data"
_MAX_BYTES: Final = 64 * 1024
_PROTOCOLS: Final[Mapping[str, Protocol]] = {word: word for word in get_args(Protocol)}
_VERIFIED: Final[Mapping[str, Verified]] = {word: word for word in get_args(Verified)}
_MOST_J: Final = 1 << 62
_WH: Final = {"Wh": 1, "kWh": 1_000, "MWh": 1_000_000}


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
        raise ProfileError(
            f"{path} is larger than a profile can be ({_MAX_BYTES} bytes)",
            hint="docs/meters.md shows a profile",
        )
    try:
        text = data.decode("utf-8-sig")
        tables = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(
            f"{path.name} is no TOML: {error}", hint="docs/meters.md shows a profile"
        ) from error
    except (ValueError, RecursionError) as error:  # thousands of digits, thousands of brackets
        raise ProfileError(
            f"{path.name} is no profile: a number or a nesting in it is beyond all measure",
            hint="docs/meters.md shows a profile",
        ) from error
    return parse(path.stem, tables, File(path.name, text))


def parse(name: str, tables: Mapping[str, Any], file: File) -> Profile:
    """Return the profile that parsed TOML describes."""
    top = Table(file, "", tables)
    top.choice("schema", {SCHEMA: SCHEMA})
    protocol = top.choice("protocol", _PROTOCOLS)
    models = top.texts("models")
    if not models:
        raise top.wrong("models", "names at least one model")
    line, bauds = _line(top.table("line", required=protocol not in {"sunspec", "pulse"}))
    form: ModbusMap | SunSpecMap | TelegramForm | PulseInput
    if protocol == "modbus":
        form, timing = modbus(top)
    elif protocol == "sunspec":
        form, timing = sunspec(top)
    elif protocol == "pulse":
        form, timing = pulse(top.table("pulse")), Timing()
    else:
        form, timing = telegram(top.table("telegram"), asked=protocol == "iec62056-21"), Timing()
    units = (
        {register.obis: register.unit for _, register in form.registers}
        if isinstance(form, ModbusMap)
        else {}
    )
    totals = _totals(top.tables("total"), units)
    known = frozenset((*units, *(total.obis for total in totals))) if units else None
    versioned = isinstance(form, ModbusMap) and form.firmware is not None
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
        totals=totals,
        counters=_counters(top.tables("counter"), known),
        plausible=tuple(_plausible(table, known) for table in top.tables("plausible")),
        quirks=tuple(_quirk(table, models, known, versioned=versioned) for table in top.tables("quirk")),
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


def _totals(tables: list[Table], units: Mapping[Obis, Unit]) -> tuple[Total, ...]:
    """Read the sums; `units` are those of the registers."""
    totals: list[Total] = []
    for table in tables:
        total = Total(obis=table.obis("obis"), of=table.obises("of"))
        taken = total.obis in units or total.obis in [earlier.obis for earlier in totals]
        if (
            len(total.of) < 2
            or len(set(total.of)) < len(total.of)
            or taken
            or not set(total.of) <= set(units)
        ):
            raise table.wrong(
                "of", "a total is a new code, the sum of two or more of the registers, each once"
            )
        if len({units[part] for part in total.of}) > 1:
            raise table.wrong("of", "the parts of a total have one unit")
        table.done()
        totals.append(total)
    return tuple(totals)


def _counters(tables: list[Table], known: frozenset[Obis] | None) -> dict[Obis, CounterSpec]:
    """Read what the maker's document states of energy counters: smallest step, and where they begin anew."""
    counters: dict[Obis, CounterSpec] = {}
    for table in tables:
        code = _known(table, "obis", table.obis("obis"), known)
        joules = table.choice("unit", _WH) * JOULES_PER_WH
        step, end = table.decimal("step", None), table.decimal("end", None)
        if code in counters or (step is None and end is None):
            raise table.wrong("obis", "a [[counter]] is a code of its own, with step, end, or both")
        try:
            counters[code] = CounterSpec(
                codes=(code,),
                resolution_j=JOULES_PER_WH if step is None else _whole_j(step * joules),
                modulus_j=None if end is None else _whole_j(end * joules),
            )
        except ValueError as error:
            raise table.wrong("step" if end is None else "end", str(error)) from None
        table.done()
    return counters


def _whole_j(joules: Decimal) -> int:
    if joules != joules.to_integral_value() or not 1 <= joules <= _MOST_J:
        raise ValueError(f"a whole number of joules up to 2^62, got {joules:f}")
    return int(joules)


def _known(table: Table, key: str, code: Obis, known: frozenset[Obis] | None) -> Obis:
    """Return a code; a profile with registers knows all that there are."""
    if known is not None and code not in known:
        raise table.wrong(key, f"{code} is no register and no total of this profile")
    return code


def _plausible(table: Table, known: frozenset[Obis] | None) -> Plausible:
    plausible = Plausible(
        obis=_known(table, "obis", table.obis("obis"), known),
        low=table.decimal("min", None),
        high=table.decimal("max", None),
        sum_of=tuple(_known(table, "sum_of", code, known) for code in table.obises("sum_of", ())),
        within=table.decimal("within", 0) or Decimal(0),
    )
    low, high = plausible.low, plausible.high
    if (low is None) != (high is None) or bool(plausible.sum_of) == (low is not None):
        raise table.wrong("min", "a [[plausible]] has min and max, or sum_of")
    if low is not None and high is not None and low > high:
        raise table.wrong("min", f"is at most max, got {low} and {high}")
    table.done()
    return plausible


def _quirk(table: Table, models: tuple[str, ...], known: frozenset[Obis] | None, *, versioned: bool) -> Quirk:
    quirk = Quirk(
        models=table.texts("models"),
        firmware=table.text("firmware"),
        negate=tuple(_known(table, "negate", code, known) for code in table.obises("negate", ())),
        drop=tuple(_known(table, "drop", code, known) for code in table.obises("drop", ())),
        refuse=table.text("refuse", ""),
    )
    if not set(quirk.models) <= set(models):
        raise table.wrong("models", f"are among the profile's own ({', '.join(models)}), got {quirk.models}")
    if not is_condition(quirk.firmware):
        raise table.wrong("firmware", f'is "*" or a condition such as "<1.8.3", got {quirk.firmware!r}')
    if quirk.firmware != "*" and not versioned:
        raise table.wrong("firmware", "nobody can tell without a [firmware_register]")
    if not (quirk.negate or quirk.drop or quirk.refuse):
        raise table.wrong("models", "a quirk negates, drops or refuses something")
    table.done()
    return quirk
