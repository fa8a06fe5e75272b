"""What happens on a bus and what is to be done about it: all that passes between its state machine and a driver."""

from dataclasses import dataclass
from typing import TypeAlias

from meter_io.bus.dialogue import Said, Send, Speed
from meter_io.errors import MeterError
from meter_io.reading import MeterId


@dataclass(frozen=True, slots=True)
class Opened:
    """The port is open."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The port could not be opened, or is gone."""

    error: MeterError


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes came."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Time:
    """The instant asked for by `wake_ms` has come."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open the port, by its stable name."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A meter was read, or pushed a telegram."""

    meter: MeterId
    said: Said
    began_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A round brought nothing.

    Attributes:
        meter: whose.
        error: why.
        failures: how many in a row.
        retry_ms: when it is tried again.
    """

    meter: MeterId
    error: MeterError
    failures: int
    retry_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The port is not usable."""

    error: MeterError
    retry_ms: int


Event: TypeAlias = Opened | Lost | Received | Time
Effect: TypeAlias = Open | Close | Send | Speed | Round | Failed | Broken
