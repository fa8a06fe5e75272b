"""The messages in an SML file: what a list response says, and that all the others are well formed.

Source: SML 1.04, section 5 (SML_GetList.Res); units: IEC 62056-62, the unit table of DLMS.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from meter_io.checksum import crc_kermit, crc_x25
from meter_io.obis import Obis
from meter_io.reading import Unit, Value
from meter_io.sml.quirks import KNOWN_MODELS, KnownModel, Quirk, known_model
from meter_io.sml.tlv import END_OF_MESSAGE, LIST, expect_list, head, item, malformed, scalar
from meter_io.telegram import Reason, Refusal

_GET_LIST_RESPONSE: Final = 0x0701
_UNITS: Final = {
    8: Unit.DEGREE,
    9: Unit.CELSIUS,
    13: Unit.CUBIC_METRE,
    25: Unit.JOULE,
    27: Unit.WATT,
    28: Unit.VOLT_AMPERE,
    29: Unit.VAR,
    30: Unit.WATT_HOUR,
    31: Unit.VOLT_AMPERE_HOUR,
    32: Unit.VAR_HOUR,
    33: Unit.AMPERE,
    35: Unit.VOLT,
    44: Unit.HERTZ,
    255: Unit.NONE,
    None: Unit.NONE,
}
_POWERS: Final = frozenset(
    {Obis(1, 0, 16, 7, 0), Obis(1, 0, 36, 7, 0), Obis(1, 0, 56, 7, 0), Obis(1, 0, 76, 7, 0)}
)
"""Codes that `Quirk.UNSIGNED_POWER` is about."""
_MAX_CODES: Final = 512

_codes: dict[bytes, Obis] = {}


def _obis(name: bytes, position: int) -> Obis:
    """Return the code of six bytes; the common ones are made once."""
    code = _codes.get(name)
    if code is None:
        if len(name) != 6:
            raise malformed(position, f"an object name of {len(name)} bytes, expected 6")
        code = Obis.from_bytes(name)
        if len(_codes) < _MAX_CODES:
            _codes[name] = code
    return code


@dataclass(slots=True)
class Contents:
    """What the list responses of one SML file say."""

    models: tuple[KnownModel, ...]
    kermit: bool
    server_id: bytes | None = None
    model: KnownModel | None = None
    values: dict[Obis, Value] = field(default_factory=dict)
    texts: dict[Obis, str] = field(default_factory=dict)

    @property
    def quirks(self) -> frozenset[Quirk]:
        """What the meter is known for."""
        return self.model.quirks if self.model else frozenset()


def read_file(data: bytes, *, kermit: bool, models: tuple[KnownModel, ...] = KNOWN_MODELS) -> Contents:
    """Read all messages of an SML file: the payload of one transport frame, without escapes and padding.

    Args:
        data: the messages.
        kermit: whether the checksum of the frame is a CRC-16/Kermit. Which meter sent it, and whether that one may,
            is only known at the end.
        models: whose defects are made up for.

    Raises:
        Refusal: some message is malformed, its checksum is wrong, or there is no list response.
    """
    contents = Contents(models=models, kermit=kermit)
    position = 0
    try:
        while position < len(data):
            position = _message(data, position, contents)
    except IndexError:
        raise malformed(len(data), "the data ends within a message") from None
    if contents.server_id is None:
        raise Refusal(Reason.UNSUPPORTED, "no list response: the telegram carries no meter values")
    if contents.kermit and Quirk.KERMIT_CHECKSUM not in contents.quirks:
        raise Refusal(
            Reason.CHECKSUM, "a CRC-16/Kermit, which this model is not known for; expected CRC-16/X.25"
        )
    return contents


def _message(data: bytes, begin: int, contents: Contents) -> int:
    """Read one message and return the position behind it."""
    position = expect_list(data, begin, 6, "a message")
    for what in ("transaction id", "group number", "abort flag"):
        value, after = scalar(data, position)
        if not isinstance(value, bytes if what == "transaction id" else int):
            raise malformed(position, f"the {what} is {value!r}")
        position = after
    position = expect_list(data, position, 2, "a message body")
    tag, position = scalar(data, position)
    if tag == _GET_LIST_RESPONSE:
        position = _get_list_response(data, position, contents)
    else:
        _, position = item(data, position)
    stop = position
    checksum, position = scalar(data, position)
    if data[position] != END_OF_MESSAGE:
        raise malformed(position, f"0x{data[position]:02x} where the message ends, expected 0x00")
    _check(data[begin:stop], checksum, contents)
    return position + 1


def _check(message: bytes, checksum: object, contents: Contents) -> None:
    if not isinstance(checksum, int):
        raise Refusal(Reason.STRUCTURE, f"the checksum of a message is {checksum!r}")
    expected = crc_x25(message)
    swapped = (checksum & 0xFF) << 8 | checksum >> 8  # the number's bytes stand in the order they are sent in
    if swapped == expected:
        return
    if swapped != crc_kermit(message):
        raise Refusal(Reason.CHECKSUM, f"the checksum of a message is {swapped:04x}, expected {expected:04x}")
    contents.kermit = True


def _get_list_response(data: bytes, position: int, contents: Contents) -> int:
    position = expect_list(data, position, 7, "a list response")
    _, position = _octets(data, position, "the client id")
    server_id, position = _octets(data, position, "the server id")
    if server_id is None or contents.server_id not in (None, server_id):
        raise malformed(position, "no server id" if server_id is None else "lists of two different meters")
    contents.server_id = server_id
    contents.model = known_model(server_id, contents.models)
    _, position = _octets(data, position, "the list name")
    position = _time(data, position, contents)
    kind, count, after = head(data, position)
    if kind != LIST:
        raise malformed(position, f"0x{data[position]:02x} where the values begin, expected a list")
    position = after
    for _ in range(count):
        position = _entry(data, position, contents)
    _, position = _octets(data, position, "the signature")
    return _time(data, position, contents)


def _octets(data: bytes, position: int, what: str) -> tuple[bytes | None, int]:
    value, after = scalar(data, position)
    if value is None or isinstance(value, bytes):
        return value, after
    raise malformed(position, f"{what} is {value!r}, expected octets")


def _time(data: bytes, position: int, contents: Contents) -> int:
    """Read an optional time and return the position behind it. Meters send seconds of operation, which date nothing."""
    if data[position] & 0x70 == LIST:
        value, after = item(data, position)
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):
            return after
        raise malformed(position, "a time that is no pair of kind and value")
    bare, after = scalar(data, position)
    if bare is None or (isinstance(bare, int) and Quirk.BARE_TIME in contents.quirks):
        return after
    raise malformed(position, f"a time of {bare!r}, expected a list of kind and value")


def _entry(data: bytes, position: int, contents: Contents) -> int:
    """Read one value of the list and return the position behind it."""
    position = expect_list(data, position, 7, "a value")
    name, after = scalar(data, position)
    if not isinstance(name, bytes):
        raise malformed(position, f"the object name is {name!r}, expected octets")
    code = _obis(name, position)
    _, position = scalar(data, after)  # status word
    if data[position] == 0x01:
        position += 1
    else:
        position = _time(data, position, contents)
    unit, position = scalar(data, position)
    scaler, begin = scalar(data, position)
    number, position = scalar(data, begin)
    _, after = _octets(data, position, "the signature of a value")
    if isinstance(number, bool) or number is None:
        if number is None:
            raise malformed(begin, f"{code} has no value")
        _add(contents.texts, code, "yes" if number else "no")
    elif isinstance(number, bytes):
        _add(contents.texts, code, _text(number))
    else:
        if code in _POWERS and position - begin <= 3 and Quirk.UNSIGNED_POWER in contents.quirks:
            number &= 0xFF if position - begin == 2 else 0xFFFF
        _add_number(contents, code, number, unit, scaler, begin)
    return after


def _add_number(
    contents: Contents, code: Obis, number: int, unit: object, scaler: object, position: int
) -> None:
    if scaler is None:
        scaler = 0
    if not isinstance(scaler, int) or not -128 <= scaler <= 127:
        raise malformed(position, f"the scaler of {code} is {scaler!r}, expected -128 to 127")
    value = Decimal(number).scaleb(scaler) if scaler else Decimal(number)
    if not (unit is None or isinstance(unit, int)):
        raise malformed(position, f"the unit of {code} is {unit!r}")
    known = _UNITS.get(unit)
    if known is None:
        _add(contents.texts, code, f"{value} in unit {unit}")
        return
    kept = contents.values.setdefault(code, Value(value, known))
    if kept.number != value or kept.unit is not known:
        raise Refusal(Reason.CONTRADICTION, f"two values for {code}: {kept.number} and {value}")


def _add(texts: dict[Obis, str], code: Obis, text: str) -> None:
    kept = texts.setdefault(code, text)
    if kept != text:
        raise Refusal(Reason.CONTRADICTION, f"two values for {code}: {kept!r} and {text!r}")


def _text(octets: bytes) -> str:
    """Return octets as text if they are printable ASCII, otherwise in hex."""
    if octets and all(32 <= byte < 127 for byte in octets):
        return octets.decode("ascii")
    return octets.hex()
