"""What the bus knows of a protocol: rounds of questions and answers, or somebody who talks without being asked."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from meter_io.errors import MeterError
from meter_io.obis import Obis
from meter_io.reading import Value


@dataclass(frozen=True, slots=True)
class Ask:
    """The next bytes to send in a round.

    Attributes:
        data: what goes out.
        reply_size: bytes expected back, for the time they need on the line.
    """

    data: bytes
    reply_size: int


@dataclass(frozen=True, slots=True)
class Said:
    """What a meter said in one round or one telegram, nothing judged.

    Attributes:
        model: as the meter gave it, or as its profile names it.
        values: by OBIS code; what the meter marks as not available is absent.
    """

    model: str
    values: Mapping[Obis, Value]


class Dialogue(Protocol):
    """One round with one slave. Made anew for every round, so nothing of a failed one is left over."""

    def begin(self) -> Ask:
        """Return the first question."""

    def receive(self, data: bytes) -> Ask | Said | None:
        """Take what came: the next question, the result of the round, or None while an answer is incomplete.

        Raises:
            GarbledReply: an answer came that must not be believed; the bus may ask `again`.
            MeterError: the round is over.
        """

    def again(self) -> Ask:
        """Return the present question once more."""

    def expired(self) -> MeterError:
        """What to report when the present question was not answered in time."""


@dataclass(frozen=True, slots=True)
class Send:
    """Throw away what waits to be read, then send."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Speed:
    """Go on at another speed, at once: everything sent has left the port.

    Attributes:
        baud: the speed; None is the line's own.
    """

    baud: int | None


Step: TypeAlias = Send | Speed | Said | MeterError


class Talk(ABC):
    """One round with a slave that has pauses and speeds of its own. Made anew for every round.

    Every method returns what to do, in order. What the meter said, or an error, is the end of the round; only the
    line's own speed may be set after it.

    Attributes:
        wake_ms: when `elapse` is wanted, if nothing comes before.
    """

    wake_ms: int

    @abstractmethod
    def start(self, now_ms: int) -> list[Step]:
        """Begin."""

    @abstractmethod
    def receive(self, data: bytes, now_ms: int) -> list[Step]:
        """Take what came."""

    @abstractmethod
    def elapse(self, now_ms: int) -> list[Step]:
        """Take notice of the time."""


class Listener(Protocol):
    """A meter that pushes telegrams."""

    def feed(self, data: bytes) -> list[Said | MeterError]:
        """Take what came; return the telegrams that are complete, and what was wrong with others."""
