"""What a telegram parser reports: a telegram, or bytes that are none and why. The same two events for every protocol.

A telegram says what the meter said, with nothing judged and nothing added. `sample` makes the shared reading model's
`Sample` of it, and there a total that the meter gives as tariffs alone becomes one number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias

from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, POWER_EXPORT, POWER_IMPORT, POWER_NET, Obis
from meter_io.reading import MeterId, Moment, Sample, Unit, Value

TARIFFS: Final = 4
"""Tariff registers that are summed to a total which the meter does not send."""


class Reason(Enum):
    """Why bytes are not a telegram."""

    NOISE = "noise"
    """Bytes outside of any telegram: line noise, an echo, the rest of a telegram whose beginning was missed."""
    INCOMPLETE = "incomplete"
    """The telegram broke off: another one began in it, or the line fell silent."""
    TOO_LONG = "too-long"
    """No end within the longest telegram that the protocol can have."""
    CHECKSUM = "checksum"
    """The checksum is wrong, or absent where this kind of meter sends one."""
    PARITY = "parity"
    """A character has the wrong parity: damaged, or the line is not 7E1."""
    STRUCTURE = "structure"
    """The grammar of the protocol does not allow this, although the checksum is right."""
    CONTRADICTION = "contradiction"
    """One telegram gives two values for one quantity."""
    UNSUPPORTED = "unsupported"
    """A telegram of the protocol that carries no meter values, or is protected in a way that is not supported."""
    KEY = "key"
    """Encrypted, and no key is at hand, or decryption is not installed."""
    AUTHENTICATION = "authentication"
    """Encrypted, and the tag does not fit: a wrong key, damage, or forgery."""
    REPLAY = "replay"
    """Encrypted under a counter that was seen before, or by another meter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """One telegram that passed every check of its protocol.

    Attributes:
        offset: where it began, bytes since the parser was made.
        raw: all its bytes as they came; an encrypted one stays encrypted here.
        model: what the telegram says of the kind of meter.
        meter_id: what it says of this one meter: a serial number or server id, empty where it says none.
        dialect: protocol and version.
        values: numbers by OBIS code, in plain units.
        texts: what is no number: identifications, tariff names, messages.
        times: UTC milliseconds of values that carry a time of their own, such as those of a gas meter.
        meter_time_ms: UTC milliseconds by the meter's clock; None if it sends none, or one without its offset.
    """

    offset: int
    raw: bytes
    model: str
    meter_id: str
    dialect: str
    values: Mapping[Obis, Value]
    texts: Mapping[Obis, str] = field(default_factory=dict)
    times: Mapping[Obis, int] = field(default_factory=dict)
    meter_time_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Bytes that are no telegram.

    Attributes:
        offset: where they began, bytes since the parser was made.
        raw: the bytes.
        reason: what kind of defect it is.
        sentence: what was found, with got and expected where there is a value.
    """

    offset: int
    raw: bytes
    reason: Reason
    sentence: str


Event: TypeAlias = Telegram | Rejected


class Refusal(Exception):
    """Raised inside a parser where a telegram is refused; it becomes a `Rejected` and never leaves its parser."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason: Final = reason
        self.sentence: Final = sentence


def completed(values: Mapping[Obis, Value]) -> dict[Obis, Value]:
    """Return the values of a telegram with what follows from them.

    A total of active energy is the sum of the tariffs 1 to 4 where the meter sends tariffs alone (DSMR does); net power
    is import less export where it sends these two. Nothing that the meter sends is replaced.
    """
    whole = dict(values)
    for total in (IMPORT_TOTAL, EXPORT_TOTAL):
        if total not in whole:
            tariffs = [Obis(total.a, total.b, total.c, total.d, number) for number in range(1, TARIFFS + 1)]
            parts = [whole[tariff] for tariff in tariffs if tariff in whole]
            if parts and all(part.unit is Unit.WATT_HOUR for part in parts):
                whole[total] = Value(_sum(part.number for part in parts), Unit.WATT_HOUR)
    drawn, fed = whole.get(POWER_IMPORT), whole.get(POWER_EXPORT)
    if POWER_NET not in whole and drawn is not None and fed is not None:
        whole[POWER_NET] = Value(drawn.number - fed.number, drawn.unit)
    return whole


def sample(telegram: Telegram, *, meter: MeterId, moment: Moment) -> Sample:
    """Return what a telegram said as a sample of the shared model, `completed`.

    Args:
        telegram: an accepted one.
        meter: the name of the meter on this board.
        moment: when it was measured, by the caller's judgement of the meter's clock.
    """
    return Sample(meter=meter, moment=moment, model=telegram.model, values=completed(telegram.values))


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    return sum(numbers, Decimal(0))
