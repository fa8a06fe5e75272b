"""A meter of IEC 62056-21 behind a simulated line, in virtual time. Written from the standard, not from our reader."""

from collections.abc import Callable
from dataclasses import dataclass, field

from meter_io.iec62056.handshake import Effect, End, Handshake, Report, Send, SetBaud, Wake
from meter_io.telegram import Telegram
from tests.meter_io.encoders import iec_data

BAUDS = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
BAUDS_B = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
DATA = iec_data(["F.F(00000000)", "1.8.0(000123.456*kWh)", "2.8.0(000001.000*kWh)"])


def garbled(data: bytes, sent_at: int, heard_at: int) -> bytes:
    """What a port hears that is set to another speed than the sender."""
    if sent_at == heard_at:
        return data
    return bytes((byte * 37 ^ 0x55) & 0x7F | 0x40 for byte in data)[: max(1, len(data) * heard_at // sent_at)]


@dataclass(kw_only=True)
class Meter:
    """One meter. `settles_ms` after the acknowledgement's last character it changes its speed, if at all, and talks.

    Attributes:
        character: offered speed, `0`-`6` for mode C, `A`-`F` for B, anything else for A.
        obeys: whether it changes to the speed agreed on.
        reacts_ms: before it answers.
        settles_ms: between acknowledgement and its own change of speed.
        damages: how many readouts it damages first.
        dumb: whether it never answers.
    """

    character: str = "5"
    obeys: bool = True
    reacts_ms: int = 200
    settles_ms: int = 100
    damages: int = 0
    dumb: bool = False
    listens_at: int = 300
    """After a readout it is back at its first speed."""
    heard: bytearray = field(default_factory=bytearray)
    acknowledged: list[bytes] = field(default_factory=list)

    def hear(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Take bytes; return what it says later: after so many milliseconds, at this speed, these bytes."""
        self.heard += data
        if self.dumb:
            return []
        if self.heard.endswith(b"/?!\r\n"):
            self.heard.clear()
            identification = f"/ABC{self.character}TEST\r\n".encode("ascii")
            if self.character in BAUDS:
                return [(self.reacts_ms, 300, identification)]
            baud = BAUDS_B.get(self.character, 300)
            return [(self.reacts_ms, 300, identification), (self.reacts_ms + 900, baud, self._readout())]
        if self.heard[:1] == b"\x06" and self.heard.endswith(b"\r\n"):
            message = bytes(self.heard)
            self.acknowledged.append(message)
            self.heard.clear()
            speed = BAUDS[message[2:3].decode("ascii")] if self.obeys else 300
            return [(self.settles_ms + self.reacts_ms, speed, self._readout())]
        return []

    def _readout(self) -> bytes:
        if self.damages:
            self.damages -= 1
            return DATA[:20] + bytes([DATA[20] ^ 1]) + DATA[21:]
        return DATA


@dataclass(kw_only=True)
class Line:
    """Plays a handshake against a meter and records what happened.

    Attributes:
        echo: whether the optical head hears itself.
        noise: what is heard with every piece.
        seam: turns what is sent and heard as another line setting would.
    """

    meter: Meter
    echo: bool = False
    noise: bytes = b""
    seam: Callable[[bytes], bytes] = bytes
    now_ms: int = 0
    baud: int = 0
    wake_ms: int | None = None
    telegrams: list[Telegram] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    ended: End | None = None
    coming: list[tuple[int, int, bytes]] = field(default_factory=list)

    def run(self, handshake: Handshake, limit_ms: int = 600_000) -> None:
        """Play until the handshake ends; fail if it never does."""
        self._carry_out(handshake.start(self.now_ms))
        while self.ended is None:
            self.coming.sort(key=lambda item: item[0])
            times = [at for at, _, _ in self.coming[:1]] + ([] if self.wake_ms is None else [self.wake_ms])
            assert times, "the handshake waits for nothing"
            self.now_ms = max(self.now_ms, min(times))
            assert self.now_ms < limit_ms, "the handshake does not end"
            if self.coming and self.coming[0][0] <= self.now_ms:
                _, baud, data = self.coming.pop(0)
                self._carry_out(
                    handshake.receive(self.noise + self.seam(garbled(data, baud, self.baud)), self.now_ms)
                )
            else:
                self._carry_out(handshake.elapse(self.now_ms))

    def _carry_out(self, effects: list[Effect]) -> None:
        assert self.ended is None, "nothing comes after the end"
        for effect in effects:
            match effect:
                case Send(data):
                    self._transmit(data)
                case SetBaud(baud):
                    self.baud = baud
                case Wake(at_ms):
                    self.wake_ms = at_ms
                case Report(event):
                    self.telegrams += [event] if isinstance(event, Telegram) else []
                case End():
                    self.ended = effect

    def _transmit(self, data: bytes) -> None:
        plain = bytes(byte & 0x7F for byte in data)
        self.sent.append(plain)
        gone_ms = self.now_ms + len(data) * 10_000 // self.baud
        if self.echo:
            self.coming.append((gone_ms, self.baud, plain))
        for later_ms, baud, said in self.meter.hear(garbled(plain, self.baud, self.meter.listens_at)):
            began_ms = gone_ms + later_ms
            for first in range(0, len(said), 8):
                part = said[first : first + 8]
                self.coming.append((began_ms + (first + len(part)) * 10_000 // baud, baud, part))
