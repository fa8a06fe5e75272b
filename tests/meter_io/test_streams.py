"""The promises about streams are worth testing only if a framer that breaks one is caught."""

import pytest

from meter_io.framing import MAX_HELD_BYTES
from meter_io.p1 import P1Parser
from meter_io.sml import SmlParser
from meter_io.telegram import Event
from tests.meter_io.encoders import DSMR5, p1_telegram
from tests.meter_io.streams import (
    assert_cutting_changes_nothing,
    assert_every_byte_is_accounted_for,
    at_once,
    in_pieces,
)

TELEGRAM = p1_telegram("XYZ5\\2TEST", DSMR5)


class Forgetful(P1Parser):
    """Takes every call for a new stream."""

    def feed(self, data: bytes) -> list[Event]:
        self._buffer.clear()
        return super().feed(data)


class Swallowing(P1Parser):
    """Keeps noise to itself."""

    def _flush_noise(self, events: list[Event]) -> None:
        self._noise.clear()


class Hoarding(SmlParser):
    """Waits for an end for ever."""

    def _cut(self, events: list[Event], *, final: bool) -> bool:
        return False


def test_a_framer_that_depends_on_the_cuts_is_caught() -> None:
    assert_cutting_changes_nothing(P1Parser, TELEGRAM, [100])
    with pytest.raises(AssertionError):
        assert_cutting_changes_nothing(Forgetful, TELEGRAM, [100])


def test_a_framer_that_loses_bytes_is_caught() -> None:
    data = b"noise" + TELEGRAM
    assert_every_byte_is_accounted_for(at_once(P1Parser(), data), data)
    with pytest.raises(AssertionError):
        assert_every_byte_is_accounted_for(at_once(Swallowing(), data), data)


def test_a_framer_that_keeps_everything_is_caught() -> None:
    data = bytes(2 * MAX_HELD_BYTES)
    in_pieces(SmlParser(), data, [1])
    with pytest.raises(AssertionError):
        in_pieces(Hoarding(), data, [1])
