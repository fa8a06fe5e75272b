"""Telegram parsers as listeners on a bus."""

import re

from meter_io.bus.dialogue import Said
from meter_io.errors import GarbledReply, MeterError, ProfileError
from meter_io.framing import Framer
from meter_io.reading import MeterId, Moment, TimeBasis
from meter_io.telegram import Event, Reason, Telegram, sample

_EXPECTED = frozenset((Reason.NOISE, Reason.INCOMPLETE))
"""What any line brings when somebody begins to listen in the middle of a telegram."""
_UNTIMED = Moment(utc_ms=None, monotonic_ms=0, basis=TimeBasis.MONOTONIC)


class TelegramListener:
    """Hears one kind of meter, and refuses the telegrams of others."""

    def __init__(self, framer: Framer, identification: re.Pattern[str]) -> None:
        self._framer = framer
        self._identification = identification

    def feed(self, data: bytes) -> list[Said | MeterError]:
        """Take what came; return complete telegrams, and what was wrong with others."""
        heard = [self._judged(event) for event in self._framer.feed(data)]
        return [item for item in heard if item is not None]

    def _judged(self, event: Event) -> Said | MeterError | None:
        if isinstance(event, Telegram):
            name = event.model or event.meter_id
            if not self._identification.search(name):
                return ProfileError(
                    f"the meter calls itself {name!r}; the profile is for {self._identification.pattern}",
                    hint="gridlight scan finds the profile",
                )
            values = sample(event, meter=MeterId("listened"), moment=_UNTIMED).values
            return Said(name, values)
        if event.reason in _EXPECTED:
            return None
        return GarbledReply(
            f"a telegram was refused: {event.sentence}", hint="gridlight doctor looks at the wiring"
        )
