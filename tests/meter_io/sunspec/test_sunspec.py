"""SunSpec: finding the map, walking the chain, scale factors of the moment, values that are not there."""

import itertools
import struct
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io import obis
from meter_io.bus.dialogue import Ask, Said
from meter_io.errors import GarbledReply, MeterError, ProfileError, Refused
from meter_io.modbus.crc import crc16
from meter_io.modbus.poll import Exchanges
from meter_io.profiles import load
from meter_io.profiles.registers import KINDS
from meter_io.sunspec.decode import values_of
from meter_io.sunspec.models import MODELS, SIZES
from meter_io.sunspec.poll import SunSpecMeter, SunSpecRound
from testbed.fleet.foreign_slaves import PYMODBUS, free_port, slave


class Device:
    """A slave in memory, answering from its registers; refuses where it has none."""

    def __init__(self, registers: Mapping[int, int]) -> None:
        self.registers = dict(registers)
        self.questions = 0

    def answer(self, question: bytes) -> bytes:
        self.questions += 1
        unit, function, address, count = struct.unpack(">BBHH", question[:6])
        wanted = range(address, address + count)
        if all(at in self.registers for at in wanted):
            words = b"".join(self.registers[at].to_bytes(2, "big") for at in wanted)
            body = bytes((unit, function, len(words))) + words
        else:
            body = bytes((unit, function | 0x80, 2))
        return body + crc16(body).to_bytes(2, "little")


def converse(device: Device, dialogue: SunSpecRound) -> Said:
    """Carry out a round in memory."""
    step: Ask | Said | None = dialogue.begin()
    while isinstance(step, Ask):
        step = dialogue.receive(device.answer(step.data))
    assert step is not None
    return step


def words(*numbers: int) -> list[int]:
    """Numbers as registers."""
    return [number & 0xFFFF for number in numbers]


def image(base: int, models: list[tuple[int, list[int]]]) -> dict[int, int]:
    """A device's registers: the mark, the chain, the end."""
    cells = [*struct.unpack(">HH", b"SunS")]
    for model, body in models:
        cells += [model, len(body), *body]
    cells += [0xFFFF, 0]
    return {base + place: cell for place, cell in enumerate(cells)}


def common(maker: str, model: str) -> tuple[int, list[int]]:
    """Model 1."""
    text = maker.encode().ljust(32, b"\0") + model.encode().ljust(32, b"\0") + b"\0" * 66
    return 1, list(struct.unpack(">65H", text[:130]))


def inverter(**changes: int) -> tuple[int, list[int]]:
    """Model 103 at noon: 4.3 A on each phase, 230 V, 2967 W, 49.98 Hz, 14 382 417 Wh."""
    fields = {
        "power": 2967,
        "power_scale": 0,
        "energy_high": 219,
        "energy_low": 30033,
        "voltage": 2301,
        **changes,
    }
    body = [0] * 50
    body[0:5] = words(129, 43, 43, 43, -1)
    body[8:12] = words(fields["voltage"], 2302, 2299, -1)
    body[12:14] = words(fields["power"], fields["power_scale"])
    body[14:16] = words(4998, -2)
    body[22:25] = words(fields["energy_high"], fields["energy_low"], 0)
    return 103, body


def sunspec(name: str = "sunspec-103") -> SunSpecMeter:
    """A device to read."""
    return SunSpecMeter(load.find(name), unit=1, exchanges=Exchanges(tcp=False))


@pytest.mark.parametrize("base", [40_000, 50_000, 0, 39_999, 40_001, 1])
def test_the_map_is_found_wherever_it_begins_and_remembered(base: int) -> None:
    device = Device(image(base, [common("Fronius", "Symo 8.2-3-M"), inverter()]))
    meter = sunspec()
    said = converse(device, meter.begin())
    assert said.model == "Fronius Symo 8.2-3-M"
    assert said.values[obis.POWER_NET].number == -2967, "what an inverter feeds in is negative"
    assert said.values[obis.EXPORT_TOTAL].number == 219 * 65536 + 30033
    assert said.values[obis.VOLTAGES[0]].number == Decimal("230.1")
    assert said.values[obis.CURRENTS[2]].number == Decimal("4.3")
    assert said.values[obis.FREQUENCY].number == Decimal("49.98")
    before = device.questions
    converse(device, meter.begin())
    assert device.questions - before == 1, "values and scale factors in one request"


def test_scale_factors_are_those_of_the_moment() -> None:
    """abeggled/openbridgeserver#1255: DCW_SF between -2 and 0 in one day."""
    device = Device(image(40_000, [inverter(power=29_67, power_scale=0)]))
    meter = sunspec()
    assert converse(device, meter.begin()).values[obis.POWER_NET].number == -2967
    device.registers.update(image(40_000, [inverter(power=2967, power_scale=-2)]))
    assert converse(device, meter.begin()).values[obis.POWER_NET].number == Decimal("-29.67")


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"power": 0x8000}, obis.POWER_NET),
        ({"power_scale": 0x8000}, obis.POWER_NET),
        ({"voltage": 0xFFFF}, obis.VOLTAGES[0]),
        ({"energy_high": 0, "energy_low": 0}, obis.EXPORT_TOTAL),
        ({"energy_high": 0xFFFF, "energy_low": 0xFFFF}, obis.EXPORT_TOTAL),
        ({"energy_high": 0x8000, "energy_low": 0}, obis.EXPORT_TOTAL),
    ],
)
def test_what_is_not_implemented_is_absent_and_never_zero(
    changes: dict[str, int], missing: obis.Obis
) -> None:
    said = converse(Device(image(40_000, [inverter(**changes)])), sunspec().begin())
    assert missing not in said.values
    assert len(said.values) == 8


@pytest.mark.parametrize("pattern", [0x7FC00000, 0x7FBFFF80, 0xFFC00000, 0x7F800000, 0xFF800000])
def test_floats_that_are_no_numbers_are_absent(pattern: int) -> None:
    """pysunspec#74, #100: 0x7FBFFF80 is seen as NaN."""
    registers = bytearray(2 * MODELS[213].reach)
    struct.pack_into(">I", registers, 2 * 28, pattern)
    struct.pack_into(">f", registers, 2 * 68, 12_345.5)
    values = values_of(MODELS[213], bytes(registers), negate_power=False)
    assert obis.POWER_NET not in values
    assert values[obis.IMPORT_TOTAL].number == Decimal("12345.5")


def test_the_sign_of_a_meter_is_the_profile_s() -> None:
    registers = bytearray(2 * MODELS[203].reach)
    struct.pack_into(">h", registers, 2 * 18, 500)
    struct.pack_into(">I", registers, 2 * 46, 777)
    plain = values_of(MODELS[203], bytes(registers), negate_power=False)
    turned = values_of(MODELS[203], bytes(registers), negate_power=True)
    assert plain[obis.POWER_NET].number == 500
    assert turned[obis.POWER_NET].number == -500
    assert turned[obis.IMPORT_TOTAL].number == 777, "counters have no sign"
    assert plain[obis.POWERS[1]].number == 0


def test_an_absurd_scale_factor_is_refused() -> None:
    with pytest.raises(GarbledReply, match="scale factor"):
        converse(Device(image(40_000, [inverter(power_scale=77)])), sunspec().begin())


def test_a_rearranged_map_is_noticed_before_a_value_is_believed() -> None:
    device = Device(image(40_000, [inverter()]))
    meter = sunspec()
    converse(device, meter.begin())
    device.registers = image(40_000, [common("Fronius", "Symo, updated"), inverter()])
    with pytest.raises(GarbledReply, match="no longer"):
        converse(device, meter.begin())
    assert converse(device, meter.begin()).model == "Fronius Symo, updated"


@pytest.mark.parametrize(
    ("cells", "error", "words_of_it"),
    [
        ({}, ProfileError, "no SunSpec map"),
        (image(40_000, [common("Maker", "Meter"), (203, [0] * 105)]), ProfileError, "models 1, 203, not 103"),
        (image(40_000, [(103, [0] * 10)]), ProfileError, "fewer than the standard's"),
        (image(40_000, [(0, [])]), GarbledReply, "broken"),
        (image(40_000, [(64_001 + place, [0]) for place in range(65)]), GarbledReply, "broken"),
        ({40_000: 0x5375, 40_001: 0x6E53, 40_002: 100, 40_003: 4_096}, Refused, "no register"),
    ],
    ids=["none", "another model", "too short", "model 0", "endless", "cut off"],
)
def test_devices_that_are_not_what_was_asked_for(
    cells: dict[int, int], error: type[MeterError], words_of_it: str
) -> None:
    device = Device(cells)
    with pytest.raises(error, match=words_of_it):
        converse(device, sunspec().begin())
    assert device.questions < 80, "bounded"


@given(st.dictionaries(st.integers(39_990, 40_100), st.integers(0, 0xFFFF)), st.binary(max_size=200))
def test_any_device_ends_in_values_or_an_own_error(cells: dict[int, int], chain: bytes) -> None:
    chain = chain[: len(chain) // 2 * 2]
    cells = {**cells, **image(40_000, [])}
    cells.update({40_002 + place: word for place, (word,) in enumerate(struct.iter_unpack(">H", chain))})
    device = Device(cells)
    try:
        said = converse(device, sunspec().begin())
    except MeterError as error:
        assert error.sentence
    else:
        assert said.values.keys() <= {point.code for point in MODELS[103].points}
    assert device.questions < 100


def test_every_table_stays_within_one_request_and_its_own_registers() -> None:
    for number, model in MODELS.items():
        assert model.reach <= 125, number
        spans = sorted((point.offset, point.offset + SIZES[point.kind]) for point in model.points)
        assert spans[0][0] >= 2
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans)), number
        scales = {point.scale for point in model.points if point.scale}
        assert not scales & {at for start, end in spans for at in range(start, end)}, number
    assert {"f32", "u64"} <= set(KINDS)


def test_it_is_read_over_tcp_from_pymodbus() -> None:
    from meter_io.bus.once import Once
    from meter_io.ports.tcp_port import TcpPort

    number = free_port()
    cells = dict.fromkeys(range(39_990, 40_300), 0) | image(40_000, [common("SMA", "STP"), inverter()])
    with slave(PYMODBUS, "tcp", str(number), {1: cells}):
        port = TcpPort("127.0.0.1", number)
        port.open()
        meter = SunSpecMeter(load.find("sunspec-103"), unit=1, exchanges=Exchanges(tcp=True))
        said = Once(port=port, character_us=0).converse(meter.begin(), reply_ms=2_000)
        port.close()
    assert said.model == "SMA STP"
    assert said.values[obis.POWER_NET].number == -2967


def test_a_name_that_a_terminal_would_obey_is_shown_harmless() -> None:
    device = Device(image(40_000, [common("Evil\x1b[2J", "X\x07"), inverter()]))
    meter = SunSpecMeter(load.find("sunspec-103"), unit=1, exchanges=Exchanges(tcp=False))
    assert converse(device, meter.begin()).model == "Evil?[2J X?"
