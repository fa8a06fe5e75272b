"""The profiles that come with the package: complete, sourced, and read back from a foreign slave as encoded."""

import struct
from decimal import Decimal

import pytest

from meter_io import obis
from meter_io.bus.once import Once
from meter_io.guard import CounterGuard, GuardParams
from meter_io.modbus.pdu import Function
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.obis import IMPORT_TOTAL, Obis
from meter_io.ports.tcp_port import TcpPort
from meter_io.profiles import load
from meter_io.profiles.model import ModbusMap, Profile, SunSpecMap
from meter_io.profiles.registers import KINDS, Register
from meter_io.pulse import PulseInput
from meter_io.reading import Quality, Unit, Value
from meter_io.span import Span
from testbed.fleet.foreign_slaves import PYMODBUS, free_port, slave
from tests.meter_io.samples import METER, joules

PROFILES = {name: load.find(name) for name in load.shipped()}
MODBUS = {name: profile for name, profile in PROFILES.items() if isinstance(profile.form, ModbusMap)}
WANTED = {
    "eastron-sdm72d-m",
    "eastron-sdm120",
    "eastron-sdm230",
    "eastron-sdm630",
    "carlo-gavazzi-em24",
    "carlo-gavazzi-em24-e1",
    "carlo-gavazzi-em340",
    "schneider-iem3155",
    "abb-b23",
    "janitza-umg604",
    "siemens-pac2200",
    "sunspec-103",
    "sunspec-113",
    "sunspec-203",
    "sunspec-213",
    "sml",
    "p1-dsmr5",
}
FORMS = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d"}


def test_the_promised_profiles_are_there() -> None:
    assert set(PROFILES) >= WANTED
    assert len(PROFILES) >= 20


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_each_says_where_it_comes_from(profile: Profile) -> None:
    assert profile.source.document
    if profile.source.verified in {"two tables", "one table"}:
        assert profile.source.checked_against
    if profile.source.verified == "one table":
        assert profile.source.note, "an unconfirmed profile says so"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_each_can_be_told_from_a_wrong_meter(profile: Profile) -> None:
    if isinstance(profile.form, ModbusMap | SunSpecMap):
        assert profile.plausible
    elif isinstance(profile.form, PulseInput):
        assert profile.form.min_period_ns > 0, "more power than the connection carries is not counted"
    else:
        assert profile.form.identification.pattern


@pytest.mark.parametrize("profile", MODBUS.values(), ids=MODBUS)
def test_each_modbus_profile_has_what_is_traded(profile: Profile) -> None:
    form = profile.form
    assert isinstance(form, ModbusMap)
    given = {register.obis: register for _, register in form.registers}
    codes = set(given) | {total.obis for total in profile.totals}
    assert codes >= {obis.IMPORT_TOTAL, obis.EXPORT_TOTAL, obis.POWER_NET}
    assert given[obis.POWER_NET].unit is Unit.WATT
    for code, register in given.items():
        if (code.c, code.d) in {(1, 8), (2, 8)}:
            assert register.unit is Unit.WATT_HOUR
    assert all(block.count <= 125 for block in form.blocks)
    assert {plausible.obis for plausible in profile.plausible} <= codes


FACTS = {
    # Eastron SDM630 V2.0 section 1.2; SDM120 V2.5 p. 5; EM24 V4R0 p. 8 and p. 9
    "eastron-sdm630": {
        "1-0:31.7.0": 0x06,
        "1-0:16.7.0": 0x34,
        "1-0:14.7.0": 0x46,
        "1-0:1.8.0": 0x48,
        "1-0:2.8.0": 0x4A,
    },
    "eastron-sdm120": {"1-0:32.7.0": 0x00, "1-0:16.7.0": 0x0C, "1-0:14.7.0": 0x46, "1-0:1.8.0": 0x48},
    "eastron-sdm72d-m": {"1-0:16.7.0": 0x34, "1-0:1.8.0": 0x48, "1-0:2.8.0": 0x4A, "1-0:15.8.0": 0x156},
    "carlo-gavazzi-em24": {"1-0:16.7.0": 0x28, "1-0:14.7.0": 0x37, "1-0:1.8.0": 0x3E, "1-0:2.8.0": 0x5C},
    "carlo-gavazzi-em24-e1": {"1-0:14.7.0": 0x33, "1-0:1.8.0": 0x34, "1-0:2.8.0": 0x4E},
    "schneider-iem3155": {
        "1-0:16.7.0": 3060 - 1,
        "1-0:1.8.0": 3204 - 1,
        "1-0:2.8.0": 3208 - 1,
        "1-0:14.7.0": 3110 - 1,
    },
    "abb-b23": {"1-0:1.8.0": 0x5000, "1-0:2.8.0": 0x5004, "1-0:16.7.0": 0x5B14, "1-0:14.7.0": 0x5B2C},
    "janitza-umg604": {"1-0:32.7.0": 19_000, "1-0:16.7.0": 19_026, "1-0:1.8.0": 19_068, "1-0:2.8.0": 19_076},
    "siemens-pac2200": {
        "1-0:16.7.0": 65,
        "1-0:1.8.1": 801,
        "1-0:1.8.2": 805,
        "1-0:2.8.1": 809,
        "1-0:2.8.2": 813,
    },
}


@pytest.mark.parametrize("name", FACTS)
def test_registers_are_those_of_the_documents(name: str) -> None:
    form = MODBUS[name].form
    assert isinstance(form, ModbusMap)
    addresses = {str(register.obis): register.address for _, register in form.registers}
    assert {code: addresses[code] for code in FACTS[name]} == FACTS[name]


def test_the_em24_total_is_not_the_partial_counter() -> None:
    """A public table reads 0x0042, which can be reset by hand; the manual's total is 0x003E."""
    form = MODBUS["carlo-gavazzi-em24"].form
    assert isinstance(form, ModbusMap)
    assert 0x42 not in {register.address for _, register in form.registers}
    assert max(block.count for block in form.blocks) <= 11


def raw_for(register: Register, number: Decimal) -> int | float:
    """The number that a meter puts into a register to say `number`, by its profile's scale."""
    raw = number.scaleb(-register.exponent) / (register.factor or 1)
    if register.negate:
        raw = -raw
    return float(raw) if KINDS[register.kind].is_float else int(raw)


def cells_for(profile: Profile, numbers: dict[Obis, Decimal], *, little: bool) -> dict[int, int]:
    """Registers of a meter that says these numbers."""
    form = profile.form
    assert isinstance(form, ModbusMap)
    cells: dict[int, int] = {}
    for block in form.blocks:
        cells |= dict.fromkeys(range(block.address, block.address + block.count), 0)
    for _, register in form.registers:
        data = struct.pack(">" + FORMS[register.kind], raw_for(register, numbers[register.obis]))
        words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        for place, word in enumerate(reversed(words) if little else words):
            cells[register.address + place] = word
    return cells


LITTLE = {"carlo-gavazzi-em24", "carlo-gavazzi-em24-e1", "carlo-gavazzi-em340"}


def says(profile: Profile) -> dict[Obis, Decimal]:
    """A number for each register that every type and scale here can hold exactly."""
    form = profile.form
    assert isinstance(form, ModbusMap)
    numbers = {}
    for place, (_, register) in enumerate(form.registers):
        match register.unit:
            case Unit.WATT_HOUR:
                numbers[register.obis] = Decimal(4_096_000 * (place + 1))
            case Unit.WATT:
                numbers[register.obis] = Decimal(-500 * (place + 1))
            case Unit.VOLT:
                numbers[register.obis] = Decimal("230.5") + place
            case Unit.HERTZ:
                numbers[register.obis] = Decimal(50)
            case _:
                numbers[register.obis] = Decimal("1.5") + place
    return numbers


def test_a_foreign_slave_with_each_meter_s_registers_is_read_as_encoded() -> None:
    cells = {
        unit: cells_for(profile, says(profile), little=name in LITTLE)
        for unit, (name, profile) in enumerate(MODBUS.items(), start=1)
    }
    em24_e1 = 1 + list(MODBUS).index("carlo-gavazzi-em24-e1")
    cells[em24_e1][0x0304] = 1 << 12 | 8 << 8 | 3
    number = free_port()
    with slave(PYMODBUS, "tcp", str(number), cells):
        port = TcpPort("127.0.0.1", number)
        port.open()
        once, exchanges = Once(port=port, character_us=0), Exchanges(tcp=True)
        for unit, (name, profile) in enumerate(MODBUS.items(), start=1):
            meter = ModbusMeter(profile, unit=unit, exchanges=exchanges)
            said = once.converse(meter.begin(), reply_ms=3_000)
            for code, expected in says(profile).items():
                assert said.values[code].number == expected, (name, str(code))
        port.close()


def test_both_tariffs_make_the_pac2200_total() -> None:
    profile = MODBUS["siemens-pac2200"]
    form = profile.form
    assert isinstance(form, ModbusMap)
    numbers = says(profile)
    numbers[Obis.parse("1-0:1.8.1")], numbers[Obis.parse("1-0:1.8.2")] = Decimal(1_000), Decimal(234)
    cells = cells_for(profile, numbers, little=False)
    values: dict[Obis, Value] = {}
    for block in form.blocks:
        data = b"".join(
            cells[at].to_bytes(2, "big") for at in range(block.address, block.address + block.count)
        )
        values |= block.decode(data)
    assert profile.with_totals(dict(values))[obis.IMPORT_TOTAL].number == 1_234
    del values[Obis.parse("1-0:1.8.2")]
    assert obis.IMPORT_TOTAL not in profile.with_totals(values), "half a total is none"


def test_every_profile_reads_both_spaces_it_names() -> None:
    assert {function for profile in MODBUS.values() for function, _ in _registers(profile)} == set(Function)


def _registers(profile: Profile) -> tuple[tuple[Function, Register], ...]:
    assert isinstance(profile.form, ModbusMap)
    return profile.form.registers


def test_a_p1_counter_goes_round_at_its_nine_digits() -> None:
    """F9(3,3) of the P1 companion standard: after 999 999.999 kWh comes 0, which is no reset."""
    spec = load.find("p1-dsmr5").counter(IMPORT_TOTAL)
    guard = CounterGuard(METER, GuardParams(counters=(spec, None)))
    end_wh = 10**9
    qualities = []
    spans: list[Span] = []
    for place, wh in enumerate([end_wh - 20, end_wh - 10, 0, 10, 20, 30]):
        judged = guard.judge(joules(10_000 * place, wh * 3_600))
        qualities.append(judged.reading.quality)
        spans += judged.spans
    rolled = Quality.ROLLED_OVER
    assert qualities == [Quality.FIRST, Quality.GOOD, rolled, rolled, rolled, Quality.GOOD]
    assert sum(span.energy_j[0] or 0 for span in spans) == 50 * 3_600
