"""Virtual meters without I/O: the truth, what they show of it, and that independent parsers understand them."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser
from hypothesis import given
from hypothesis import strategies as st
from smllib.reader import SmlStreamReader

import meter_io.profiles
from meter_io.bus.dialogue import Ask, Said
from meter_io.checksum import with_even_parity, without_parity
from meter_io.errors import MeterError
from meter_io.framing import Framer
from meter_io.iec62056 import Iec62056Parser
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, POWER_NET
from meter_io.p1 import P1Parser
from meter_io.profiles.load import find, shipped
from meter_io.profiles.model import ModbusMap
from meter_io.reading import MeterId, Moment, TimeBasis
from meter_io.sml import SmlParser
from meter_io.telegram import Telegram, sample
from testbed.fleet.virtual_meters import iec62056, p1, sml
from testbed.fleet.virtual_meters.checksums import modbus
from testbed.fleet.virtual_meters.display import BACK_STEP_WH, Display, Shown
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.iec62056 import IDENTIFICATION, Iec62056Meter
from testbed.fleet.virtual_meters.line import LATE_MS, FaultyLine
from testbed.fleet.virtual_meters.modbus_slave import Layout, ModbusSlave
from testbed.fleet.virtual_meters.script import Fault, Script
from testbed.fleet.virtual_meters.speaker import Emission

START_MS = 1_799_971_200_000
SHOWN = Shown(4_711_234, 815_067, -1_234, current_ma=1_788)
PROFILES = Path(meter_io.profiles.__file__).parent / "data"
MODBUS = [name for name in shipped() if isinstance(find(name).form, ModbusMap)]


def display(*faults: str, modulus_wh: int | None = None) -> Display:
    """A meter with faults written as on the command line."""
    household = Household.synthetic(4, start_ms=START_MS, days=2, pv_w=6_000)
    return Display(household=household, script=Script(map(Fault.parse, faults)), modulus_wh=modulus_wh)


# -- the truth -------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 40 * 86_400_000), min_size=2, max_size=20))
def test_energy_never_falls_and_repeats_exactly(instants: list[int]) -> None:
    household = Household.synthetic(7, start_ms=START_MS, days=2)
    flows = [household.at(START_MS + at) for at in sorted(instants)]
    for earlier, later in pairwise(flows):
        assert later.import_j >= earlier.import_j
        assert later.export_j >= earlier.export_j
    whole = household.at(START_MS + 2 * 86_400_000)
    assert whole.import_j == sum(max(0, net) for net in household.net_j)
    again = household.at(START_MS + 2 * 86_400_000 + instants[0])
    assert again.import_j == whole.import_j + household.at(START_MS + instants[0]).import_j


def test_a_battery_moves_energy_and_makes_none() -> None:
    with_battery = Household.synthetic(5, start_ms=START_MS, days=4)
    without = Household.synthetic(5, start_ms=START_MS, days=4, battery=False)
    gained_j = sum(without.net_j) - sum(with_battery.net_j)
    assert gained_j < 0  # a tenth of what it stores is lost
    assert sum(net for net in with_battery.net_j if net > 0) < sum(net for net in without.net_j if net > 0)
    assert all(net != 0 for net in with_battery.net_j)


# -- what is shown ---------------------------------------------------------------------------------------------------


def test_each_accident_shows_itself_and_passes() -> None:
    at_ms = START_MS + 50_000_000
    honest = display().shown(at_ms)
    cases = {
        "false-zero": honest._replace(import_wh=0, export_wh=0),
        "back-step": honest._replace(
            import_wh=honest.import_wh - BACK_STEP_WH, export_wh=honest.export_wh - BACK_STEP_WH
        ),
        "jump": honest._replace(import_wh=honest.import_wh + 777_000, export_wh=honest.export_wh + 777_000),
        "scaled": honest._replace(import_wh=honest.import_wh * 1_000, export_wh=honest.export_wh * 1_000),
        "wrong-sign": honest._replace(power_w=-honest.power_w),
    }
    for name, expected in cases.items():
        broken = display(f"{name}@49990+20")
        assert broken.shown(at_ms) == expected, name
        assert broken.honest(at_ms) == honest
        assert broken.shown(at_ms + 20_000) == display().shown(at_ms + 20_000)


def test_a_frozen_counter_catches_up_and_a_reset_one_does_not() -> None:
    frozen, reset = display("frozen@100+1000"), display("reset@100")
    at_ms = START_MS + 900_000
    assert frozen.shown(at_ms)[:2] == display().shown(START_MS + 100_000)[:2]
    assert frozen.shown(at_ms + 300_000) == display().shown(at_ms + 300_000)
    flow, then = (reset.household.at(START_MS + since) for since in (900_000, 100_000))
    assert reset.shown(at_ms).import_wh == (flow.import_j - then.import_j) // 3_600
    assert reset.honest(at_ms) == reset.shown(at_ms)


def test_a_register_goes_round() -> None:
    assert display(modulus_wh=65_536).shown(START_MS).import_wh == 4_711_000 % 65_536


# -- telegrams, read by others and by us -----------------------------------------------------------------------------


def said(parser: Framer, data: bytes) -> tuple[Decimal, Decimal, Decimal]:
    """Import, export and power as our parser finds them."""
    (event,) = parser.feed(data)
    assert isinstance(event, Telegram), event
    moment = Moment(utc_ms=None, monotonic_ms=0, basis=TimeBasis.MONOTONIC)
    values = sample(event, meter=MeterId("it"), moment=moment).values
    return values[IMPORT_TOTAL].number, values[EXPORT_TOTAL].number, values[POWER_NET].number


EXPECTED = (Decimal(4_711_234), Decimal(815_067), Decimal(-1_234))


def test_p1_as_dsmr_parser_reads_it() -> None:
    data = p1.telegram(SHOWN, START_MS, "E1")
    theirs = TelegramParser(telegram_specifications.V5).parse(data.decode("ascii"))
    assert theirs.ELECTRICITY_USED_TARIFF_1.value + theirs.ELECTRICITY_USED_TARIFF_2.value == Decimal(
        "4711.234"
    )
    assert theirs.CURRENT_ELECTRICITY_DELIVERY.value == Decimal("1.234")
    assert theirs.P1_MESSAGE_TIMESTAMP.value == datetime.fromtimestamp(START_MS / 1_000, UTC)
    assert said(P1Parser(), data) == EXPECTED


def test_sml_as_smllib_reads_it() -> None:
    data = sml.sml_file(SHOWN, sml.SERVER_ID, 3, 1_000)
    reader = SmlStreamReader()
    reader.add(data)
    frame = reader.get_frame()
    assert frame is not None
    theirs = {str(entry.obis): entry.get_value() for entry in frame.get_obis()}
    assert theirs["0100010800ff"] == pytest.approx(4_711_234)
    assert theirs["0100100700ff"] == -1_234
    assert said(SmlParser(), data) == EXPECTED


def test_iec_62056_21_as_our_parser_reads_it() -> None:
    data = iec62056.data_message(SHOWN, "00000001")
    assert said_iec(data) == EXPECTED


def said_iec(data: bytes) -> tuple[Decimal, Decimal, Decimal]:
    (event,) = Iec62056Parser().feed(data)
    assert isinstance(event, Telegram), event
    return tuple(event.values[code].number for code in (IMPORT_TOTAL, EXPORT_TOTAL, POWER_NET))  # type: ignore[return-value]


def test_local_time_of_the_netherlands() -> None:
    def at(*when: int) -> str:
        return p1.local_time(int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000)  # type: ignore[arg-type, misc]

    assert at(2026, 3, 29, 0, 59, 59) == "260329015959W"
    assert at(2026, 3, 29, 1, 0, 0) == "260329030000S"
    assert at(2026, 10, 25, 0, 59, 59) == "261025025959S"
    assert at(2026, 10, 25, 1, 0, 0) == "261025020000W"


def test_mode_c_waits_to_be_told_and_then_does_not_wait_for_ever() -> None:
    meter = Iec62056Meter(display())
    assert meter.speak(START_MS) == []
    assert meter.hear(b"\x06050\r\n", START_MS) == []  # nobody was named
    assert meter.hear(b"/?99!\r\n", START_MS) == []  # another meter
    assert meter.hear(b"/?", START_MS) == []
    (named,) = meter.hear(b"!\r\n", START_MS)
    assert named == Emission(START_MS + 200, with_even_parity(IDENTIFICATION))
    (data,) = meter.hear(b"\x06050\r\n", START_MS + 400)
    assert data.at_ms > START_MS + 400 + 200 + 250  # sent, and the pause before the change of speed over
    assert without_parity(data.data).startswith(b"\x02F.F(00)")
    meter.hear(b"/?00000001!\r\n", START_MS)
    assert meter.wake_ms == START_MS + 1_500
    assert meter.speak(START_MS + 1_500)[0].data[:1] == b"\x82"
    assert meter.wake_ms is None


@pytest.mark.parametrize("name", MODBUS)
def test_every_modbus_profile_reads_what_a_slave_of_its_layout_shows(name: str) -> None:
    profile = find(name)
    shown = display()
    slave = ModbusSlave(shown, Layout.of_profile(PROFILES / f"{name}.toml"), address=7)
    dialogue = ModbusMeter(profile, unit=7, exchanges=Exchanges(tcp=False)).begin()
    at_ms = START_MS + 45_000_000
    step: Ask | Said | None = dialogue.begin()
    while isinstance(step, Ask):
        (reply,) = slave.hear(step.data, at_ms)
        step = dialogue.receive(reply.data)
    assert isinstance(step, Said)
    honest = shown.shown(at_ms)
    coarsest = Decimal(100)  # of all profiles: a tenth of a kilowatt hour
    assert abs(step.values[IMPORT_TOTAL].number - honest.import_wh) <= coarsest
    assert abs(step.values[POWER_NET].number - honest.power_w) <= 1
    if EXPORT_TOTAL in step.values:
        assert abs(step.values[EXPORT_TOTAL].number - honest.export_wh) <= coarsest


def test_a_slave_answers_only_what_is_whole_and_its_own() -> None:
    slave = ModbusSlave(display(), Layout.of_profile(PROFILES / "eastron-sdm630.toml"), address=7)

    def asked(body: str) -> list[Emission]:
        data = bytes.fromhex(body)
        return slave.hear(data + modbus(data).to_bytes(2, "little"), START_MS)

    assert asked("070400000002")[0].data[:3] == bytes.fromhex("070404")
    assert asked("080400000002") == []
    assert slave.hear(b"\x07\x04", START_MS) == []
    assert slave.hear(bytes(8), START_MS) == []
    assert asked("070300000002")[0].data[1:3] == bytes((0x83, 1))
    assert asked("070404000002")[0].data[1:3] == bytes((0x84, 2))
    with pytest.raises(ValueError, match="no profile for Modbus"):
        Layout.of_profile(PROFILES / "sml.toml")


# -- the wire --------------------------------------------------------------------------------------------------------


def line(*faults: str, seed: int = 0) -> FaultyLine:
    """A wire with faults."""
    return FaultyLine(Script(map(Fault.parse, faults)), start_ms=START_MS, seed=seed)


def test_what_a_wire_makes_of_bytes() -> None:
    said_ = Emission(START_MS + 5_000, b"12345678")
    assert line().carry(said_) == [said_]
    assert line("silence@0+10").carry(said_) == []
    assert line("truncated@0+10").carry(said_) == [Emission(START_MS + 5_000, b"1234")]
    assert line("late@0+10").carry(said_) == [Emission(START_MS + 5_000 + LATE_MS, b"12345678")]
    assert line("silence@6+10").carry(said_) == [said_]
    (noisy,) = line("noise@0+10").carry(said_)
    flipped = int.from_bytes(noisy.data, "big") ^ int.from_bytes(said_.data, "big")
    assert flipped.bit_count() in {1, 3}


@pytest.mark.parametrize("protocol", ["p1", "sml", "iec62056-21", "modbus"])
def test_noise_never_makes_a_telegram(protocol: str) -> None:
    """And without noise there is one each time: the test would see it."""
    chance = random.Random(5)
    data = {
        "p1": p1.telegram(SHOWN, START_MS, "E1"),
        "sml": sml.sml_file(SHOWN, sml.SERVER_ID, 3, 1_000),
        "iec62056-21": iec62056.data_message(SHOWN, "00000001"),
        "modbus": b"",
    }[protocol]
    heard = 0
    for wire in (line("noise@0+10", seed=chance.randrange(10**9)) for _ in range(60)):
        if protocol == "modbus":
            heard += _modbus_answered(wire)
            continue
        parser: Framer = {"p1": P1Parser, "sml": SmlParser, "iec62056-21": Iec62056Parser}[protocol]()
        (noisy,) = wire.carry(Emission(START_MS, data))
        heard += any(isinstance(event, Telegram) for event in [*parser.feed(noisy.data), *parser.end()])
    assert heard == 0
    assert protocol != "modbus" or _modbus_answered(line())


def _modbus_answered(wire: FaultyLine) -> bool:
    slave = ModbusSlave(display(), Layout.of_profile(PROFILES / "eastron-sdm630.toml"), address=7)
    dialogue = ModbusMeter(find("eastron-sdm630"), unit=7, exchanges=Exchanges(tcp=False)).begin()
    ask = dialogue.begin()
    try:
        for reply in slave.hear(ask.data, START_MS):
            for arriving in wire.carry(reply):
                return dialogue.receive(arriving.data) is not None
    except MeterError:
        return False
    return False
