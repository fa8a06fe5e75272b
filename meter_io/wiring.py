"""A profile at a port: everything that is needed to read one meter, put together."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meter_io.bus.once import Once
from meter_io.bus.scheduler import Bus
from meter_io.bus.slave import Poll, Pushing
from meter_io.bus.timing import BusTiming
from meter_io.errors import ProfileError
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.ports.address import Line, PortAddress
from meter_io.ports.port import Port, port_at
from meter_io.profiles.model import Profile, TelegramForm
from meter_io.pulse.counter import PulseInput
from meter_io.reading import MeterId
from meter_io.sunspec.poll import SunSpecMeter

if TYPE_CHECKING:
    from meter_io.asker import TelegramAsker
    from meter_io.listener import TelegramListener
    from meter_io.p1 import Decryptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """One meter at one port.

    Attributes:
        profile: of its model.
        address: of the port.
        line: how the serial line is set; not looked at behind TCP.
        unit: the slave's address; not looked at where a meter pushes telegrams.
    """

    profile: Profile
    address: PortAddress
    line: Line
    unit: int

    @property
    def where(self) -> str:
        """The place, for people."""
        if isinstance(self.profile.form, PulseInput):
            return self.address.text
        line = f" {self.line}" if self.address.kind == "serial" else ""
        unit = "" if isinstance(self.profile.form, TelegramForm) else f" id {self.unit}"
        return f"{self.address.text}{line}{unit}"

    @property
    def character_us(self) -> int:
        """One character on the line; 0 behind TCP."""
        return self.line.character_us if self.address.kind == "serial" else 0

    @property
    def timing(self) -> BusTiming:
        """Delays of the bus, from profile and line: never less than 3.5 characters between frames."""
        timing = self.profile.timing
        serial = self.address.kind == "serial"
        silence_ms = -(-max(1_750, 7 * self.character_us // 2) // 1000)
        return BusTiming(
            character_us=self.character_us,
            post_open_ms=timing.post_open_ms,
            gap_ms=max(timing.gap_ms, silence_ms) if serial else 0,
            turnaround_ms=timing.turnaround_ms,
            late_ms=timing.late_ms,
            drop_on_garbage=not serial,
        )

    def port(self) -> Port:
        """The port, closed."""
        line = replace(self.line, data_bits=8, parity="N") if self._sees_7_bits_as_8 else self.line
        return port_at(self.address, line)

    @property
    def _sees_7_bits_as_8(self) -> bool:
        """Whether 7-bit characters pass the port as 8N1: many adapters cannot do 7, none tells a wrong parity."""
        seven = self.line.data_bits == 7
        return seven and self.profile.protocol == "iec62056-21" and self.address.kind == "serial"

    @property
    def _parity_is_ours(self) -> bool:
        return self._sees_7_bits_as_8 and self.line.parity == "E"

    def once(self, port: Port) -> Once:
        """How single rounds are carried out on an open port."""
        return Once(port=port, character_us=self.character_us)

    def meter(self, exchanges: Exchanges) -> ModbusMeter | SunSpecMeter:
        """What makes the rounds of a polled meter.

        Raises:
            ProfileError: the meter is not polled.
        """
        if self.profile.protocol == "sunspec":
            return SunSpecMeter(self.profile, unit=self.unit, exchanges=exchanges)
        return ModbusMeter(self.profile, unit=self.unit, exchanges=exchanges)

    def bus(
        self, meter: MeterId, *, interval_ms: int, now_ms: int, decryptor: "Decryptor | None" = None
    ) -> Bus:
        """A bus that reads this meter alone.

        Args:
            meter: its name.
            interval_ms: from one round to the next, where it is asked.
            now_ms: now, on the clock of the bus.
            decryptor: for a P1 port that encrypts.

        Raises:
            ProfileError: the meter cannot be read at this kind of port.
        """
        form = self.profile.form
        if not isinstance(form, TelegramForm):
            polled = self.meter(Exchanges(tcp=self.address.frames_tcp))
            reply_ms = self.profile.timing.reply_ms
            poll = Poll(meter=meter, begin=polled.begin, interval_ms=interval_ms, reply_ms=reply_ms)
        elif form.asking is not None:
            asker = self._asker()
            poll = Poll(
                meter=meter,
                begin=asker.begin,
                interval_ms=interval_ms,
                reply_ms=asker.reply_ms,
                rest_ms=asker.rest_ms,
            )
        else:
            pushing = Pushing(meter=meter, listener=self.listener(decryptor), silence_ms=form.silence_ms)
            return Bus([], timing=self.timing, now_ms=now_ms, pushing=pushing)
        return Bus([poll], timing=self.timing, now_ms=now_ms)

    def listener(self, decryptor: "Decryptor | None" = None) -> "TelegramListener":
        """What makes telegrams of the bytes of a meter that pushes.

        Raises:
            ProfileError: the meter does not push.
        """
        from meter_io.listener import TelegramListener  # noqa: PLC0415 - parsers only where needed

        return TelegramListener(self.profile, decryptor, even_parity=self._parity_is_ours)

    def _asker(self) -> "TelegramAsker":
        from meter_io.asker import TelegramAsker  # noqa: PLC0415 - parsers only where needed

        if self.address.kind != "serial":
            raise ProfileError(
                f"{self.profile.title} changes its speed, which needs a serial port, not {self.address.text}",
                hint="gridlight scan lists the serial ports here",
            )
        return TelegramAsker(self.profile, even_parity=self._parity_is_ours)
