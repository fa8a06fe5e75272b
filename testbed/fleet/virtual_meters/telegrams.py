"""What a parser of telegrams says, as a bus wants to hear it."""

from meter_io.bus.dialogue import Said
from meter_io.errors import GarbledReply, MeterError
from meter_io.framing import Framer
from meter_io.reading import MeterId, Moment, TimeBasis
from meter_io.telegram import Telegram, sample

_SOMEBODY = MeterId("")
_SOMETIME = Moment(utc_ms=None, monotonic_ms=0, basis=TimeBasis.MONOTONIC)


class TelegramListener:
    """Feeds a parser."""

    def __init__(self, parser: Framer) -> None:
        self._parser = parser

    def feed(self, data: bytes) -> list[Said | MeterError]:
        """Take what came; return telegrams, totals summed up where the meter sends tariffs, and what was wrong."""
        heard: list[Said | MeterError] = []
        for event in self._parser.feed(data):
            if isinstance(event, Telegram):
                said = sample(event, meter=_SOMEBODY, moment=_SOMETIME)
                heard.append(Said(said.model, said.values))
            else:
                heard.append(GarbledReply(event.sentence))
        return heard
