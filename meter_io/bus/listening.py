"""Telegram parsers as listeners on a bus."""

import re
from typing import Final

from meter_io.bus.dialogue import Said
from meter_io.errors import GarbledReply, MeterError, ProfileError, Refused
from meter_io.framing import Framer
from meter_io.telegram import Event, Reason, Telegram, completed

_EXPECTED: Final = frozenset({Reason.NOISE, Reason.INCOMPLETE})
"""What any line brings when somebody begins to listen in the middle of a telegram."""
_HINTS: Final = {
    Reason.KEY: "ask the grid operator for the key of the port",
    Reason.AUTHENTICATION: "check both keys: encryption and authentication",
    Reason.REPLAY: "if it stays, somebody else sends on this line",
    Reason.UNSUPPORTED: "gridlight decode shows what it sends; tell us its model and firmware",
}
"""What to do about telegrams whose bytes are sound, and which are yet not to be used."""


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
            return Said(name, completed(event.values))
        if event.reason in _EXPECTED:
            return None
        sentence = f"a telegram was refused: {event.sentence}"
        if event.reason in _HINTS:
            return Refused(sentence, hint=_HINTS[event.reason])
        return GarbledReply(sentence, hint="gridlight doctor looks at the wiring")
