"""What the bus knows of a protocol: rounds of questions and answers, or somebody who talks without being asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

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


class Listener(Protocol):
    """A meter that pushes telegrams."""

    def feed(self, data: bytes) -> list[Said | MeterError]:
        """Take what came; return the telegrams that are complete, and what was wrong with others."""
