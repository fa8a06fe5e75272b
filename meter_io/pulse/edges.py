"""Where edges come from: a GPIO line of the board, or lines of text from another program.

A pulse that software has to notice by looking is lost when it looks away (users lose half of theirs so), hence both
sources give edges with the time at which something faster than Python noticed them.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol

from meter_io.errors import GarbledReply, MeterError, PortError
from meter_io.pulse.counter import Edge

_LINE: Final = re.compile(r"([0-9]{1,19})[ \t]+([01])\s*")
_MAX_LINE: Final = 64
_CONSUMER: Final = "gridlight-pulse"


class EdgeSource(Protocol):
    """Gives edges as they happen."""

    def edges(self) -> Iterator[Edge]:
        """Yield edges, waiting for each; ends when the source does.

        Raises:
            MeterError: the source cannot be used, or says something else.
        """
        ...


class EdgeLines:
    """Edges from text, one in a line: nanoseconds, a blank, the new level as 0 or 1."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Read from an open text file, a pipe, or a list."""
        self._lines = lines

    def edges(self) -> Iterator[Edge]:
        """Yield the edges; empty lines and lines that begin with # are passed over."""
        for number, line in enumerate(self._lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line) if len(line) <= _MAX_LINE else None
            if match is None:
                raise GarbledReply(
                    f"line {number} is {line[:_MAX_LINE]!r}, expected nanoseconds and 0 or 1, such as '1200300400 1'",
                    hint="the source of pulses is a line of a GPIO chip, or text of this form",
                )
            yield Edge(int(match[1]), match[2] == "1")


class GpioEdges:
    """Edges of a GPIO line, time-stamped by the kernel through its character device. Needs libgpiod 2 for Python."""

    def __init__(self, chip: Path, line: int, *, pull_up: bool = True) -> None:
        """Name the line.

        Args:
            chip: such as `/dev/gpiochip0`.
            line: its number on that chip.
            pull_up: switch on the board's pull-up, as an S0 output against ground needs.
        """
        self._chip = chip
        self._line = line
        self._pull_up = pull_up

    def edges(self) -> Iterator[Edge]:
        """Yield edges for as long as the line is there."""
        gpiod = _gpiod()
        settings = gpiod.LineSettings(
            edge_detection=gpiod.line.Edge.BOTH,
            bias=gpiod.line.Bias.PULL_UP if self._pull_up else gpiod.line.Bias.AS_IS,
        )
        try:
            request = gpiod.request_lines(str(self._chip), consumer=_CONSUMER, config={self._line: settings})
        except OSError as error:
            raise self._unusable(error) from error
        with request:
            while True:
                try:
                    events = request.read_edge_events()
                except OSError as error:
                    raise self._unusable(error) from error
                for event in events:
                    yield Edge(event.timestamp_ns, event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE)

    def _unusable(self, error: OSError) -> PortError:
        return PortError(
            f"line {self._line} of {self._chip} cannot be used: {error.strerror or error}",
            hint="gpioinfo lists the lines; the user has to be in the group gpio",
        )


def _gpiod() -> ModuleType:
    try:
        import gpiod
    except ImportError:
        gpiod = None
    if gpiod is None or not hasattr(gpiod, "request_lines"):
        raise MeterError(
            "counting pulses on a GPIO line needs the Python package of libgpiod 2, which is not installed",
            hint="apt install python3-libgpiod",
        )
    module: ModuleType = gpiod
    return module
