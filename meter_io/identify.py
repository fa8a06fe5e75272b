"""Which profile fits a slave: by the code it carries, else by what its values look like. A mismatch is refused."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from meter_io.bus.dialogue import Said
from meter_io.bus.once import Once
from meter_io.errors import GarbledReply, NoReply, ProfileError, Refused
from meter_io.modbus.pdu import Function, ReadRequest
from meter_io.modbus.poll import Exchanges, ModbusMeter, ReadRound
from meter_io.obis import VOLTAGES
from meter_io.profiles.model import Identify, ModbusMap, Profile, SunSpecMap
from meter_io.sunspec.poll import BASES, MARK, SunSpecMeter

NOBODY: Final = frozenset((10, 11))
"""Exceptions by which a gateway says that the slave behind it does not answer."""
_ANSWERS: Final = (GarbledReply, NoReply, ProfileError, Refused)
"""What a slave can do wrong; a port that is gone is not the slave's."""


class _Registers(ReadRound):
    """Reads one request and keeps the bytes."""

    def __init__(self, exchanges: Exchanges, request: ReadRequest) -> None:
        super().__init__(exchanges, [request])
        self.answer = b""

    def read(self, request: ReadRequest, answer: bytes) -> None:  # noqa: ARG002 - there is one request only
        """Keep them."""
        self.answer = answer

    def finished(self) -> Said:
        """Nothing more to say."""
        return Said("", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well a profile fits a slave.

    Attributes:
        profile: which.
        by_code: the slave carries the code of this model.
        said: what it said under this profile.
        why_not: why it is not this model, empty where it may be.
    """

    profile: Profile
    by_code: bool = False
    said: Said | None = None
    why_not: str = ""

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Larger fits better: by code, then by the part of its phases that have volts, then by their number."""
        wanted = [code for code in VOLTAGES if self._has(code)]
        good = [code for code in wanted if self._in_range(code)]
        return self.by_code, len(good) / len(wanted) if wanted else 0.0, len(good)

    def _has(self, code: object) -> bool:
        return self.said is not None and code in self.said.values

    def _in_range(self, code: object) -> bool:
        volts = next((bound for bound in self.profile.plausible if bound.obis == VOLTAGES[0]), None)
        if self.said is None or volts is None or volts.low is None or volts.high is None:
            return False
        number = next(value.number for known, value in self.said.values.items() if known == code)
        return volts.low <= number <= volts.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Slave:
    """Asks one slave.

    Attributes:
        once: how.
        exchanges: framing.
        unit: its address.
        reply_ms: longest wait for each answer.
    """

    once: Once
    exchanges: Exchanges
    unit: int
    reply_ms: int

    def registers(self, function: Function, address: int, count: int, *, repeat: bool = True) -> bytes:
        """Return registers; `repeat`: ask once more where the answer was garbled.

        Raises:
            MeterError: it refused, was garbled, or did not answer.
        """
        request = ReadRequest(unit=self.unit, function=function, address=address, count=count)
        dialogue = _Registers(self.exchanges, request)
        self.once.converse(dialogue, reply_ms=self.reply_ms, repeat=repeat)
        return dialogue.answer

    def call(self) -> None:
        """Hear whether anything answers at this address: a refusal is an answer, too.

        Raises:
            MeterError: nothing does, or something that cannot be understood.
        """
        try:
            self.registers(Function.HOLDING, 0, 1, repeat=False)
        except Refused as error:
            if error.code in NOBODY:
                raise NoReply(f"slave {self.unit} did not answer the gateway") from error

    def has_sunspec(self) -> bool:
        """Whether the slave carries the mark of a SunSpec map.

        Raises:
            PortError: the port is gone.
        """
        for base in BASES:
            with suppress(*_ANSWERS):
                if self.registers(Function.HOLDING, base, 2) == MARK:
                    return True
        return False

    def fit(self, profile: Profile) -> Fit:
        """Try a profile on this slave.

        Raises:
            PortError: the port is gone, which says nothing about the profile.
        """
        try:
            if isinstance(profile.form, ModbusMap):
                return self._fit_modbus(profile, profile.form)
            if isinstance(profile.form, SunSpecMap):
                meter = SunSpecMeter(profile, unit=self.unit, exchanges=self.exchanges)
                said = self.once.converse(meter.begin(), reply_ms=self.reply_ms)
                complaints = profile.complaints(said.values)
                return Fit(profile=profile, by_code=True, said=said, why_not="; ".join(complaints))
        except _ANSWERS as error:
            return Fit(profile=profile, why_not=error.sentence)
        return Fit(profile=profile, why_not=f"{profile.protocol} is not asked for over Modbus")

    def _fit_modbus(self, profile: Profile, form: ModbusMap) -> Fit:
        for identify in form.identify:
            complaint = self._complaint(identify)
            if complaint:
                return Fit(profile=profile, why_not=complaint)
        meter = ModbusMeter(profile, unit=self.unit, exchanges=self.exchanges)
        said = self.once.converse(meter.begin(), reply_ms=self.reply_ms)
        complaints = profile.complaints(said.values)
        by_code = bool(form.identify)
        return Fit(profile=profile, by_code=by_code, said=said, why_not="; ".join(complaints))

    def _complaint(self, identify: Identify) -> str:
        return identify.complaint(self.registers(identify.function, identify.address, identify.words))


def require(slave: Slave, profile: Profile) -> Fit:
    """Return the fit of a profile that fits.

    Raises:
        ProfileError: it does not; the sentence says why.
        MeterError: the slave does not answer.
    """
    slave.call()
    fit = slave.fit(profile)
    if fit.why_not:
        raise ProfileError(
            f"slave {slave.unit} is no {profile.title}: {fit.why_not}",
            hint="gridlight scan finds the profile that fits",
        )
    return fit


def best(slave: Slave, profiles: Iterable[Profile]) -> tuple[list[Fit], list[Fit]]:
    """Try profiles; return those that may be right, best first, and those that are not.

    Once one is right by the code that the slave carries, those that only look right are not.
    """
    known = list(profiles)
    if any(isinstance(profile.form, SunSpecMap) for profile in known) and not slave.has_sunspec():
        known = [profile for profile in known if not isinstance(profile.form, SunSpecMap)]
    fits = [slave.fit(profile) for profile in known]
    right = sorted((fit for fit in fits if not fit.why_not), key=lambda fit: fit.rank, reverse=True)
    if right and right[0].by_code:
        right = [fit for fit in right if fit.by_code]
    return right, [fit for fit in fits if fit.why_not]
