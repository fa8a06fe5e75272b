"""Looking for meters on a port of which nothing is known: who pushes telegrams, who answers, and what it is.

The time it may take is known beforehand: `Plan.at_most_s`. A bus has one speed and parity, so once a slave answered,
the remaining addresses are asked with its setting and no other is tried.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from meter_io.bus.driver import monotonic_ms
from meter_io.bus.once import DRAIN_MS, Once
from meter_io.errors import GarbledReply, LineRefused, MeterError, PortError
from meter_io.framing import Framer
from meter_io.identify import Fit, Slave, best
from meter_io.modbus.poll import Exchanges
from meter_io.p1 import P1Parser
from meter_io.ports.address import Line, Parity, PortAddress
from meter_io.ports.port import Port, port_at
from meter_io.profiles.model import Profile
from meter_io.sml import SmlParser
from meter_io.telegram import Event, Reason, Telegram

BAUDS: Final = (9_600, 19_200, 2_400, 38_400, 115_200)
"""As meters are delivered, most frequent first."""
PARITIES: Final[tuple[Parity, ...]] = ("N", "E")


class Pushing(NamedTuple):
    """What pushes telegrams at one setting of the line, and how long one may have to be waited for."""

    protocol: Literal["sml", "p1"]
    profile: str
    line: Line
    listen_s: float


PUSHING: Final = (
    Pushing("sml", "sml", Line(baud=9_600), 5.5),  # every 1 to 5 s
    Pushing("p1", "p1-dsmr5", Line(baud=115_200), 10.5),  # DSMR 4 and encrypted ports: every 10 s
    Pushing("p1", "p1-dsmr22", Line(baud=9_600, parity="E", data_bits=7), 10.5),
)
_PROBE_BYTES: Final = 8 + 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to try on one port.

    Attributes:
        address: of the port.
        lines: settings in order; one, not looked at, behind TCP.
        units: addresses in order.
        reply_ms: longest wait for the beginning of an answer.
        listen: whether to wait for telegrams first.
    """

    address: PortAddress
    lines: tuple[Line, ...]
    units: tuple[int, ...]
    reply_ms: int
    listen: bool = True

    @property
    def is_serial(self) -> bool:
        """Whether settings of a line matter."""
        return self.address.kind == "serial"

    @property
    def steps(self) -> int:
        """How many addresses are asked at most."""
        return len(self.lines) * len(self.units)

    @property
    def at_most_s(self) -> int:
        """Longest that the search for slaves can take; identifying each slave found takes a few seconds more."""
        asking_ms = sum(
            len(self.units) * (self.reply_ms + DRAIN_MS + _PROBE_BYTES * line.character_us // 1000)
            for line in self.lines
        )
        listening_s = sum(pushing.listen_s for pushing in PUSHING) if self.listen and self.is_serial else 0
        return int(asking_ms // 1000 + listening_s) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A meter, or something that answers.

    Attributes:
        address: of the port.
        line: how it is set.
        unit: the slave's address; None where a meter pushes.
        model: as it calls itself, or as its profile does; empty if unknown.
        right: profiles that may be right, best first, as names.
        sure: the first one is right by the meter's own code or telegram.
        refused: profiles that were tried and are not right, with why.
    """

    address: PortAddress
    line: Line
    unit: int | None
    model: str
    right: tuple[str, ...]
    sure: bool
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something on the way: progress, or what was strange."""

    text: str
    steps: int = 0
    kind: Literal["progress", "warning"] = "progress"


def survey(
    plan: Plan,
    profiles: list[Profile],
    *,
    open_port: Callable[[PortAddress, Line], Port] = port_at,
    clock_ms: Callable[[], int] = monotonic_ms,
) -> Iterator[Found | Noted]:
    """Look for meters, telling what is found as it is found.

    Raises:
        PortError: the port cannot be used.
    """
    if plan.listen and plan.is_serial:
        heard = yield from _listen(plan, open_port, clock_ms)
        if heard:
            return
    for line in plan.lines:
        port = open_port(plan.address, line)
        try:
            port.open()
        except LineRefused as error:
            yield Noted(text=error.sentence, steps=len(plan.units), kind="warning")
            continue
        try:
            found = yield from _ask_all(plan, line, port, profiles)
        finally:
            port.close()
        if found:
            return


def _listen(
    plan: Plan, open_port: Callable[[PortAddress, Line], Port], clock_ms: Callable[[], int]
) -> Generator[Found | Noted, None, bool]:
    """Wait for telegrams; return whether there were any."""
    for protocol, profile, line, listen_s in PUSHING:
        parser: Framer = SmlParser() if protocol == "sml" else P1Parser(None)
        yield Noted(text=f"{line}, listening for {protocol.upper()} telegrams")
        port = open_port(plan.address, line)
        port.open()
        try:
            end_ms = clock_ms() + int(1_000 * listen_s)
            while (left_ms := end_ms - clock_ms()) > 0:
                for event in parser.feed(port.receive(left_ms / 1_000)):
                    model = _model_of(event)
                    if model:
                        yield Found(
                            address=plan.address,
                            line=line,
                            unit=None,
                            model=model,
                            right=(profile,),
                            sure=True,
                        )
                        return True
        finally:
            port.close()
    return False


def _model_of(event: Event) -> str:
    """What pushed a telegram, an empty string where it is none. Encrypted ones tell no more than that they are."""
    if isinstance(event, Telegram):
        return event.model
    return "an encrypted P1 port, which needs --key-file" if event.reason is Reason.KEY else ""


def _ask_all(
    plan: Plan, line: Line, port: Port, profiles: list[Profile]
) -> Generator[Found | Noted, None, bool]:
    """Call every address with one setting; return whether anybody answered."""
    once = Once(port=port, character_us=line.character_us if plan.is_serial else 0)
    exchanges = Exchanges(tcp=plan.address.frames_tcp)
    found = False
    for unit in plan.units:
        yield Noted(text=f"{line if plan.is_serial else plan.address.text}, address {unit}", steps=1)
        slave = Slave(once=once, exchanges=exchanges, unit=unit, reply_ms=plan.reply_ms)
        try:
            slave.call()
        except PortError:
            raise
        except GarbledReply as error:
            yield Noted(text=f"{line}, address {unit}: {error.sentence}", kind="warning")
            continue
        except MeterError:
            continue
        found = True
        patient = Slave(once=once, exchanges=exchanges, unit=unit, reply_ms=max(plan.reply_ms, 600))
        yield Noted(text=f"{line}, address {unit} answers: which model?")
        right, wrong = best(patient, profiles)
        yield _found(plan, line, unit, right, wrong)
    return found


def _found(plan: Plan, line: Line, unit: int, right: list[Fit], wrong: list[Fit]) -> Found:
    first = right[0] if right else None
    return Found(
        address=plan.address,
        line=line,
        unit=unit,
        model=first.said.model if first is not None and first.said is not None else "",
        right=tuple(fit.profile.name for fit in right),
        sure=first is not None and first.by_code,
        refused=tuple((fit.profile.name, fit.why_not) for fit in wrong),
    )
