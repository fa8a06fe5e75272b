"""The data sets of IEC 62056-21, which DSMR P1 took over: a code, then values in parentheses, each maybe with a unit.

`1-0:1.8.1(001581.123*kWh)` is one. Source: IEC 62056-21, clause 6; DSMR P1 companion standard 5.0.2, section 6.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from meter_io.obis import Obis
from meter_io.reading import Unit, Value
from meter_io.telegram import Reason, Refusal

_DATA_SET: Final = re.compile(r"([0-9A-Z:.*&-]{0,24})((?:\([ -'*-~]*\))+)")
"""Printable characters only: what a meter says is shown on a terminal, which obeys some of the others."""
_QUANTITY: Final = re.compile(r"([+-]?[0-9]{1,20}(?:\.[0-9]{1,12})?)\*([A-Za-z0-9]{1,8})")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,12})?")
_LETTERS: Final = {"C": "96", "F": "97", "L": "98", "P": "99"}
"""Letters that stand for a group of a code. Source: IEC 62056-61."""
_MAX_CODES: Final = 1_024

_UNITS: Final = {
    "wh": (Unit.WATT_HOUR, 0),
    "kwh": (Unit.WATT_HOUR, 3),
    "mwh": (Unit.WATT_HOUR, 6),
    "w": (Unit.WATT, 0),
    "kw": (Unit.WATT, 3),
    "mw": (Unit.WATT, 6),
    "varh": (Unit.VAR_HOUR, 0),
    "kvarh": (Unit.VAR_HOUR, 3),
    "var": (Unit.VAR, 0),
    "kvar": (Unit.VAR, 3),
    "vah": (Unit.VOLT_AMPERE_HOUR, 0),
    "kvah": (Unit.VOLT_AMPERE_HOUR, 3),
    "va": (Unit.VOLT_AMPERE, 0),
    "kva": (Unit.VOLT_AMPERE, 3),
    "v": (Unit.VOLT, 0),
    "kv": (Unit.VOLT, 3),
    "a": (Unit.AMPERE, 0),
    "hz": (Unit.HERTZ, 0),
    "m3": (Unit.CUBIC_METRE, 0),
    "j": (Unit.JOULE, 0),
    "mj": (Unit.JOULE, 6),
    "gj": (Unit.JOULE, 9),
    "deg": (Unit.DEGREE, 0),
    "c": (Unit.CELSIUS, 0),
}
"""Units in lower case, because meters disagree on theirs (`kWh`, `KWH`); no two of them differ in case alone, since a
meter has no milliwatts."""

_codes: dict[str, Obis | None] = {}


class DataSet(NamedTuple):
    """One code with the contents of its parentheses. An empty code belongs to the data set before."""

    code: str
    groups: list[str]


def data_sets(block: str) -> Iterator[DataSet]:
    """Yield the data sets of a data block, line by line.

    Raises:
        Refusal: some line is something else.
    """
    for line in block.split("\r\n"):
        position = 0
        while position < len(line):
            match = _DATA_SET.match(line, position)
            if match is None:
                raise Refusal(Reason.STRUCTURE, f"no data set: {line[position : position + 60]!r}")
            position = match.end()
            yield DataSet(match[1], match[2][1:-1].split(")("))


def code_of(text: str) -> Obis | None:
    """Return the OBIS code that a data set begins with, or None if it is of another kind. Common ones are made once."""
    try:
        return _codes[text]
    except KeyError:
        code = _parse_code(text)
        if len(_codes) < _MAX_CODES:
            _codes[text] = code
        return code


def _parse_code(text: str) -> Obis | None:
    if text[:1] in _LETTERS or ".F" in text:
        text = ".".join(_LETTERS.get(group, group) for group in text.split("."))
    try:
        return Obis.parse(text)
    except ValueError:
        return None


def quantity(text: str) -> Value | None:
    """Return a number with its unit, scaled to the plain unit, or None for anything else, such as an unknown unit."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    unit = _UNITS.get(match[2].lower())
    if unit is None:
        return None
    number = Decimal(match[1])
    return Value(number.scaleb(unit[1]) if unit[1] else number, unit[0])


def number(text: str) -> Decimal | None:
    """Return a number without a unit, or None."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@dataclass(slots=True)
class Contents:
    """What the data sets of one telegram say. No code may say two things."""

    values: dict[Obis, Value] = field(default_factory=dict)
    texts: dict[Obis, str] = field(default_factory=dict)

    def add(self, code: Obis, said: Value | str) -> None:
        """Take up a value or text.

        Raises:
            Refusal: the telegram says something else under this code.
        """
        kept: Value | str
        if isinstance(said, Value):
            kept = self.values.setdefault(code, said)
            same = kept is said or kept == said
        else:
            kept = self.texts.setdefault(code, said)
            same = kept == said
        if not same:
            raise Refusal(Reason.CONTRADICTION, f"two values for {code}: {_shown(kept)} and {_shown(said)}")

    def add_units_from(self, units: Mapping[Obis, tuple[Unit, int]], code: Obis, text: str) -> bool:
        """Take up a number whose unit the meter leaves out because its manual states it. False if it is no number."""
        plain = number(text)
        if plain is None or code not in units:
            return False
        unit, scale = units[code]
        self.add(code, Value(plain.scaleb(scale), unit))
        return True


def _shown(said: Value | str) -> str:
    return f"{said.number} {said.unit.value}" if isinstance(said, Value) else repr(said[:40])
