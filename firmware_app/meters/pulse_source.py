"""Edges of a pulse input, read in the background: a line of a GPIO chip, a file, a FIFO or stdin by its name."""

import os
import queue
import re
import select
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meter_io.errors import MeterError, PortError
from meter_io.pulse import Edge, PulseInput
from meter_io.pulse.edges import EdgeLines, EdgeSource, GpioEdges

IDLE_S: Final = 0.1
"""So long without an edge, and the present level counts as standing."""
_GPIO: Final = re.compile(r"(/dev/gpiochip[0-9]+):([0-9]{1,4})")
_FORMS: Final = (
    "pulses come from /dev/gpiochipN:LINE, a file or FIFO of lines 'NANOSECONDS LEVEL', or - for stdin"
)
_CHUNK: Final = 4_096
_WAITING: Final = 4_096
"""Edges that may wait to be counted, before the source has to."""


@contextmanager
def arrivals_at(port: str, settings: PulseInput, *, lasting: bool = False) -> "Iterator[Arrivals]":
    """Open a source by its name, and read it in the background until the end of the block.

    Args:
        lasting: a FIFO does not end with its writer, and none has to be there yet.

    Raises:
        PortError: it cannot be opened.
    """
    line = _GPIO.fullmatch(port)
    stop = threading.Event()
    if line is not None:
        yield Arrivals(GpioEdges(Path(line[1]), int(line[2]), pull_up=not settings.active_high), stop)
        return
    try:
        fd = os.dup(sys.stdin.fileno()) if port == "-" else os.open(port, _mode(port, lasting=lasting))
    except OSError as error:
        raise PortError(f"cannot read {port}: {error.strerror}", hint=_FORMS) from None
    arrivals = Arrivals(EdgeLines(_lines(fd, stop)), stop)
    try:
        yield arrivals
    finally:
        stop.set()
        arrivals.join()
        os.close(fd)


def _mode(port: str, *, lasting: bool) -> int:
    """How to open a file: a FIFO that lasts is opened for both ends, so that it never ends."""
    return os.O_RDWR if lasting and stat.S_ISFIFO(Path(port).stat().st_mode) else os.O_RDONLY


def _lines(fd: int, stop: threading.Event) -> Iterator[str]:
    """Yield the lines of a file, a FIFO or a pipe as they come; a source that says nothing can be left at any time."""
    held = b""
    while not stop.is_set():
        if not select.select([fd], [], [], IDLE_S)[0]:
            continue
        data = os.read(fd, _CHUNK)
        *lines, held = (held + data).split(b"\n")
        if held and (not data or len(held) > _CHUNK):
            lines, held = [*lines, held], b""
        yield from (line.decode("ascii", "replace") for line in lines)
        if not data:
            return


class Arrivals:
    """Edges of a source that blocks, read in a thread of its own."""

    def __init__(self, source: EdgeSource, stop: threading.Event) -> None:
        self._source = source
        self._stop = stop
        self._queue: queue.Queue[Edge | MeterError | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the source is left; it was told so."""
        self._thread.join()

    def _run(self) -> None:
        try:
            for edge in self._source.edges():
                self._put(edge)
        except MeterError as error:
            self._put(error)
        except OSError as error:
            self._put(MeterError(f"the source of pulses is gone: {error.strerror}", hint=_FORMS))
        self._put(None)

    def _put(self, item: Edge | MeterError | None) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=IDLE_S)
            except queue.Full:
                continue
            return

    def next(self, timeout_s: float) -> Edge | None:
        """Return the next edge; None if the source has ended.

        Raises:
            queue.Empty: nothing came in time.
            MeterError: the source failed.
        """
        item = self._queue.get(timeout=timeout_s)
        if isinstance(item, MeterError):
            raise item
        return item
