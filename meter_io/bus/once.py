"""One round with one slave on an open port that nobody else uses: for scanning, checking and trying out."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from meter_io.bus.dialogue import Ask, Dialogue, Said
from meter_io.bus.driver import monotonic_ms
from meter_io.errors import GarbledReply, NoReply
from meter_io.ports.port import Port

LEAST_GAP_S: Final = 0.001_75
"""Silence before a frame above 19200 baud, below it is 3.5 characters: MODBUS over Serial Line V1.02, 2.5.1.1."""
_PAUSE_S: Final = 0.005
DRAIN_MS: Final = 300
"""A longest frame at 9600 baud."""


@dataclass(slots=True, kw_only=True)
class Once:
    """How a single round is carried out.

    Attributes:
        port: open.
        character_us: one character on the line; 0 behind TCP.
        clock_ms: monotonic.
        clock_s: monotonic, for the silence between frames.
        pause: waits, seconds.
    """

    port: Port
    character_us: int
    clock_ms: Callable[[], int] = monotonic_ms
    clock_s: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    _heard_s: float = field(default=math.inf, init=False)
    """When bytes last came; never yet while infinite."""

    def converse(self, dialogue: Dialogue, *, reply_ms: int, repeat: bool = True) -> Said:
        """Carry out a round.

        Args:
            dialogue: fresh.
            reply_ms: longest wait for the beginning of each answer.
            repeat: whether a garbled answer is asked for once more.

        Raises:
            MeterError: the round failed.
        """
        ask = dialogue.begin()
        repeated = not repeat
        while True:
            try:
                step = self._question(dialogue, ask, reply_ms)
            except GarbledReply:
                if repeated:
                    raise
                repeated, ask = True, dialogue.again()
                self._until_silent()
                continue
            if isinstance(step, Said):
                return step
            ask = step

    def _question(self, dialogue: Dialogue, ask: Ask, reply_ms: int) -> Ask | Said:
        self._keep_silence()
        self.port.send(ask.data)
        line_ms = (len(ask.data) + ask.reply_size) * self.character_us // 1000
        end_ms = self.clock_ms() + reply_ms + line_ms
        while (left_ms := end_ms - self.clock_ms()) > 0:
            data = self.port.receive(left_ms / 1000)
            self._heard_s = self.clock_s()
            step = dialogue.receive(data) if data else None
            if step is not None:
                return step
        error = dialogue.expired()
        if not isinstance(error, NoReply):
            self._until_silent()
        raise error

    def _keep_silence(self) -> None:
        """Wait until the line has been silent for a gap: what passed since the last byte counts."""
        if self.character_us:
            gap_s = max(LEAST_GAP_S, 3.5e-6 * self.character_us)
            passed_s = self.clock_s() - self._heard_s
            if passed_s < gap_s:
                self.pause(gap_s - max(0.0, passed_s))

    def _until_silent(self) -> None:
        """Let the rest of something unreadable pass, within bounds."""
        end_ms = self.clock_ms() + DRAIN_MS
        while self.clock_ms() < end_ms and self.port.receive(_PAUSE_S + self.character_us * 4 / 1e6):
            self._heard_s = self.clock_s()
