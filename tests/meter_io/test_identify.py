"""A port that is lost says nothing about a meter: it ends the search instead of refusing every profile."""

import pytest

from meter_io.bus.once import Once
from meter_io.errors import PortError
from meter_io.identify import Slave, best, require
from meter_io.modbus.crc import crc16
from meter_io.modbus.poll import Exchanges
from meter_io.profiles import load


class DyingPort:
    """Answers the first questions with zeros, then is unplugged."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self._asked = b""

    def open(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def set_speed(self, baud: int | None) -> None:
        """Nothing to do."""

    def send(self, data: bytes) -> None:
        if self.answers == 0:
            raise PortError("the port is gone")
        self.answers -= 1
        self._asked = data

    def receive(self, timeout_s: float) -> bytes:
        unit, function = self._asked[:2]
        size = 2 * int.from_bytes(self._asked[4:6], "big")
        body = bytes((unit, function, size)) + bytes(size)
        return body + crc16(body).to_bytes(2, "little")


def slave(answers: int) -> Slave:
    once = Once(port=DyingPort(answers), character_us=0)
    return Slave(once=once, exchanges=Exchanges(tcp=False), unit=1, reply_ms=50)


@pytest.mark.parametrize(
    ("profile", "answers"), [("eastron-sdm630", 1), ("abb-b23", 1), ("sunspec-103", 1), ("sunspec-103", 3)]
)
def test_a_lost_port_is_not_a_wrong_profile(profile: str, answers: int) -> None:
    with pytest.raises(PortError, match="gone"):
        require(slave(answers), load.find(profile))


@pytest.mark.parametrize("answers", [0, 3, 8])
def test_a_lost_port_ends_the_identification(answers: int) -> None:
    with pytest.raises(PortError, match="gone"):
        best(slave(answers), [load.find("sunspec-103"), load.find("eastron-sdm630")])
