"""A Modbus meter on a bus: each round reads its blocks one after the other."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from decimal import Decimal

from meter_io.bus.dialogue import Ask, Said
from meter_io.errors import MeterError, ProfileError
from meter_io.modbus.exchange import Exchange, RtuExchange, TcpExchange
from meter_io.modbus.pdu import ReadRequest
from meter_io.obis import Obis
from meter_io.profiles.model import ModbusMap, Profile, Quirk
from meter_io.reading import Value


class Exchanges:
    """Makes exchanges in the framing of a port, with a new transaction number each."""

    def __init__(self, *, tcp: bool) -> None:
        self._tcp = tcp
        self._transaction = 0

    def of(self, request: ReadRequest) -> Exchange:
        """Return the exchange for a request."""
        if not self._tcp:
            return RtuExchange(request)
        self._transaction += 1
        return TcpExchange(request, self._transaction)


class ReadRound(ABC):
    """Reads a row of requests; what the bytes mean is left to a subclass."""

    def __init__(self, exchanges: Exchanges, requests: Sequence[ReadRequest]) -> None:
        self._exchanges = exchanges
        self._waiting: Iterator[ReadRequest] = iter(requests)
        self._request: ReadRequest = next(self._waiting)
        self._exchange: Exchange = exchanges.of(self._request)

    def begin(self) -> Ask:
        """Return the first question."""
        return Ask(self._exchange.data, self._exchange.reply_size)

    def again(self) -> Ask:
        """Return the present question once more."""
        return self._ask(self._request)

    def expired(self) -> MeterError:
        """What to report when the present question was not answered in time."""
        return self._exchange.expired()

    def receive(self, data: bytes) -> Ask | Said | None:
        """Take what came."""
        answer = self._exchange.feed(data)
        if answer is None:
            return None
        self.read(self._request, answer)
        request = next(self._waiting, None)
        return self.finished() if request is None else self._ask(request)

    @abstractmethod
    def read(self, request: ReadRequest, answer: bytes) -> None:
        """Take the registers of one request."""

    @abstractmethod
    def finished(self) -> Said:
        """Return the result once all are read."""

    def _ask(self, request: ReadRequest) -> Ask:
        self._request = request
        self._exchange = self._exchanges.of(request)
        return self.begin()


class ModbusMeter:
    """A meter with a Modbus profile; makes the rounds."""

    def __init__(self, profile: Profile, *, unit: int, exchanges: Exchanges) -> None:
        """Bind a profile to an address.

        Raises:
            ProfileError: it is not a Modbus profile.
        """
        if not isinstance(profile.form, ModbusMap):
            raise ProfileError(f"{profile.name} is a profile for {profile.protocol}, not for Modbus")
        self._profile = profile
        self._map = profile.form
        self._exchanges = exchanges
        self._requests = [
            ReadRequest(unit=unit, function=block.function, address=block.address, count=block.count)
            for block in profile.form.blocks
        ]
        self._identity = _identity_requests(profile.form, unit)
        self._quirks: tuple[Quirk, ...] | None = () if not profile.quirks else None
        self.firmware: tuple[int, ...] | None = None

    def begin(self) -> "ModbusRound":
        """Return the dialogue of one round; the first one also asks for the firmware where that matters."""
        extra = self._identity if self._quirks is None else []
        return ModbusRound(self, [*extra, *self._requests])

    def learn(self, request: ReadRequest, answer: bytes) -> bool:
        """Take the firmware's version; return whether this request asked for it."""
        register = self._map.firmware
        if self._quirks is not None or register is None or request not in self._identity:
            return False
        self.firmware = register.version(answer)
        return True

    def settle_quirks(self) -> tuple[Quirk, ...]:
        """Return what is different with this meter.

        Raises:
            ProfileError: this firmware is not to be read.
        """
        if self._quirks is None:
            model = self._profile.models[0]
            self._quirks = tuple(
                quirk for quirk in self._profile.quirks if quirk.concerns(model, self.firmware)
            )
        for quirk in self._quirks:
            if quirk.refuse:
                version = ".".join(map(str, self.firmware)) if self.firmware else "unknown"
                raise ProfileError(f"{self._profile.title}, firmware {version}: {quirk.refuse}")
        return self._quirks

    @property
    def exchanges(self) -> Exchanges:
        """Of the port."""
        return self._exchanges

    @property
    def profile(self) -> Profile:
        """Of the meter."""
        return self._profile


def _identity_requests(form: ModbusMap, unit: int) -> list[ReadRequest]:
    if form.firmware is None:
        return []
    firmware = form.firmware
    return [ReadRequest(unit=unit, function=firmware.function, address=firmware.address, count=1)]


class ModbusRound(ReadRound):
    """One round with a Modbus meter."""

    def __init__(self, meter: ModbusMeter, requests: Sequence[ReadRequest]) -> None:
        super().__init__(meter.exchanges, requests)
        self._meter = meter
        form = meter.profile.form
        self._blocks = iter(form.blocks if isinstance(form, ModbusMap) else ())
        self._values: dict[Obis, Value] = {}

    def read(self, request: ReadRequest, answer: bytes) -> None:
        """Take the registers of one block."""
        if not self._meter.learn(request, answer):
            self._values.update(next(self._blocks).decode(answer))

    def finished(self) -> Said:
        """Apply quirks and sums."""
        for quirk in self._meter.settle_quirks():
            for code in quirk.drop:
                self._values.pop(code, None)
            for code in quirk.negate:
                value = self._values.get(code)
                if value is not None:
                    self._values[code] = Value(Decimal(0) - value.number, value.unit)
        profile = self._meter.profile
        return Said(profile.models[0], profile.with_totals(self._values))
