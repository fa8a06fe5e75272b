"""The simulated meter on a real pty, in real time, as slow as the speed that its reader has set."""

import heapq
import threading
import time
from pathlib import Path
from typing import Self

from testbed.fleet.virtual_meters.ends import PtyEnd
from tests.meter_io.encoders import with_even_parity
from tests.meter_io.iec62056.simulated_meter import Meter, garbled


class PtyMeter:
    """Runs in a thread of its own for as long as the context lasts.

    Attributes:
        meter: how it behaves.
        end: where the reader plugs in.
        speeds: every speed of the reader's that it noticed, changes only.
    """

    def __init__(self, meter: Meter, link: Path, *, parity: bool = True) -> None:
        self.meter = meter
        self.end = PtyEnd(link)
        self.speeds: list[int] = []
        self._coded = with_even_parity if parity else bytes
        self._due: list[tuple[float, int, bytes]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self.end.unplug()

    def _run(self) -> None:
        while not self._stop.is_set():
            data = self.end.read(0.005)
            baud = self.end.baud
            if self.speeds[-1:] != [baud]:
                self.speeds.append(baud)
            if data:
                plain = bytes(byte & 0x7F for byte in data)
                for later_ms, speed, said in self.meter.hear(garbled(plain, baud, self.meter.listens_at)):
                    began_s = time.monotonic() + len(data) * 10 / (baud or 300) + later_ms / 1000
                    for first in range(0, len(said), 8):
                        part = said[first : first + 8]
                        due_s = began_s + (first + len(part)) * 10 / speed
                        heapq.heappush(self._due, (due_s, speed, part))
            while self._due and self._due[0][0] <= time.monotonic():
                _, speed, said = heapq.heappop(self._due)
                self.end.write(self._coded(garbled(said, speed, self.end.baud)))
