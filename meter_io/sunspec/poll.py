"""A SunSpec device on a bus: find the map, walk the chain of models, then read one model with its scale factors.

The model's id and length are read again with every round, so that a device that rearranges its map after an update
is noticed before a value is believed.

    BASE   "SunS" at 40000, 50000, 0, and one register before and after   -> CHAIN
    CHAIN  id and length of one model after the other, at most 64         -> NAME or READ
    NAME   maker and model, where the device has the common model 1       -> READ
    READ   the wanted model, in one request
"""

import struct
from typing import Final

from meter_io.bus.dialogue import Ask, Said
from meter_io.errors import GarbledReply, MeterError, ProfileError, Refused
from meter_io.modbus.exchange import Exchange
from meter_io.modbus.pdu import Function, ReadRequest
from meter_io.modbus.poll import Exchanges
from meter_io.printable import printable
from meter_io.profiles.model import Profile, SunSpecMap
from meter_io.sunspec.decode import values_of
from meter_io.sunspec.models import MODELS

BASES: Final = (40_000, 50_000, 0, 39_999, 40_001, 49_999, 50_001, 1)
"""Where a map may begin; off by one where a maker counted registers from 1."""
MARK: Final = b"SunS"
_END: Final = 0xFFFF
_COMMON: Final = 1
_MAX_MODELS: Final = 64
_MAX_LENGTH: Final = 4_096
_HEADER: Final = struct.Struct(">HH")


class SunSpecMeter:
    """A device with a SunSpec profile; remembers where its model is."""

    def __init__(self, profile: Profile, *, unit: int, exchanges: Exchanges) -> None:
        """Bind a profile to an address.

        Raises:
            ProfileError: it is not a SunSpec profile.
        """
        if not isinstance(profile.form, SunSpecMap):
            raise ProfileError(f"{profile.name} is a profile for {profile.protocol}, not for SunSpec")
        self.profile = profile
        self.form = profile.form
        self.unit = unit
        self.exchanges = exchanges
        self.found: tuple[int, int, int] | None = None
        """Model, address of its id, length; None until it was found."""
        self.device = profile.models[0]
        """Maker and model, as the device says."""

    def begin(self) -> "SunSpecRound":
        """Return the dialogue of one round."""
        return SunSpecRound(self)


class SunSpecRound:
    """One round: discovery where it is needed, then the model."""

    def __init__(self, meter: SunSpecMeter) -> None:
        self._meter = meter
        self._bases = iter(BASES)
        self._seen: dict[int, tuple[int, int]] = {}
        self._at = 0
        self._step = "read" if meter.found else "base"
        self._exchange: Exchange = self._next_base() if meter.found is None else self._model()

    def begin(self) -> Ask:
        """Return the present question."""
        return Ask(self._exchange.data, self._exchange.reply_size)

    def again(self) -> Ask:
        """Return the present question once more."""
        self._exchange = self._exchange_for(self._request)
        return self.begin()

    def expired(self) -> MeterError:
        """What to report when the present question was not answered in time."""
        return self._exchange.expired()

    def receive(self, data: bytes) -> Ask | Said | None:
        """Take what came."""
        try:
            answer = self._exchange.feed(data)
        except Refused:
            if self._step != "base":
                raise
            answer = b""  # no such registers: not here
        if answer is None:
            return None
        if self._step == "base":
            self._exchange = self._next_base() if answer != MARK else self._chain(self._at + 2)
        elif self._step == "chain":
            self._exchange = self._walk(answer)
        elif self._step == "name":
            self._meter.device = " ".join(_text(part) for part in (answer[:32], answer[32:])).strip()
            self._exchange = self._model()
        else:
            return self._said(answer)
        return self.begin()

    # --- discovery --------------------------------------------------------------------------------------------

    def _next_base(self) -> Exchange:
        base = next(self._bases, None)
        if base is None:
            raise ProfileError(
                f"slave {self._meter.unit} has no SunSpec map",
                hint="switch SunSpec on in the device's menu, or scan for another profile: gridlight scan",
            )
        self._at = base
        return self._exchange_at(base, 2)

    def _chain(self, address: int) -> Exchange:
        self._step = "chain"
        self._at = address
        if address + 2 > 0x10000:
            raise GarbledReply("the chain of SunSpec models leads beyond the last register")
        return self._exchange_at(address, 2)

    def _walk(self, header: bytes) -> Exchange:
        """Look at one link of the chain."""
        model, length = _HEADER.unpack(header)
        if model != _END:
            if len(self._seen) >= _MAX_MODELS or length > _MAX_LENGTH or model in {0, 0x8000}:
                raise GarbledReply(f"the chain of SunSpec models is broken at {self._at}: {header.hex(' ')}")
            if model in self._seen:  # a second device of the kind: the first one is meant
                self._seen[-self._at] = (self._at, length)
            else:
                self._seen[model] = (self._at, length)
            return self._chain(self._at + 2 + length)
        for wanted in self._meter.form.models:
            if wanted in self._seen:
                self._meter.found = (wanted, *self._seen[wanted])
                return self._name() if _COMMON in self._seen else self._model()
        models = ", ".join(str(number) for number in self._seen if number >= 0)
        wanted_models = " or ".join(map(str, self._meter.form.models))
        raise ProfileError(
            f"slave {self._meter.unit} has the SunSpec models {models}, not {wanted_models}",
            hint="choose the profile for a model it has: gridlight profiles sunspec",
        )

    # --- the model --------------------------------------------------------------------------------------------

    def _name(self) -> Exchange:
        self._step = "name"
        return self._exchange_at(self._seen[_COMMON][0] + 2, 32)

    def _model(self) -> Exchange:
        self._step = "read"
        if self._meter.found is None:
            raise ProfileError("no SunSpec model was found")
        model, address, length = self._meter.found
        reach = MODELS[model].reach
        if reach > 2 + length:
            self._meter.found = None
            raise ProfileError(
                f"the device's SunSpec model {model} has {length} registers, fewer than the standard's {reach - 2}"
            )
        return self._exchange_at(address, reach)

    def _said(self, answer: bytes) -> Said:
        if self._meter.found is None:
            raise ProfileError("no SunSpec model was found")
        model, address, length = self._meter.found
        if _HEADER.unpack_from(answer) != (model, length):
            self._meter.found = None
            raise GarbledReply(f"SunSpec model {model} is no longer at {address}: the map is looked for anew")
        values = values_of(MODELS[model], answer, negate_power=self._meter.form.negate_power)
        profile = self._meter.profile
        return Said(self._meter.device, profile.with_totals(values))

    # --- requests ---------------------------------------------------------------------------------------------

    def _exchange_at(self, address: int, count: int) -> Exchange:
        return self._exchange_for(
            ReadRequest(unit=self._meter.unit, function=Function.HOLDING, address=address, count=count)
        )

    def _exchange_for(self, request: ReadRequest) -> Exchange:
        self._request = request
        return self._meter.exchanges.of(request)


def _text(registers: bytes) -> str:
    return printable(registers.decode("ascii", "replace").strip(" \0"))
