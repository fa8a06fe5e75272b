"""A user's own profile: read without code, and every mistake answered with file, line and the likely word."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io import obis
from meter_io.bus.dialogue import Ask
from meter_io.errors import ProfileError
from meter_io.modbus.crc import crc16
from meter_io.modbus.poll import Exchanges, ModbusMeter
from meter_io.profiles import load
from meter_io.profiles.model import ModbusMap, Quirk, TelegramForm
from meter_io.sunspec.poll import SunSpecMeter

MINE = """\
schema = "gridlight.profile/1"
title = "My meter"
protocol = "modbus"
models = ["X1", "X2"]

[source]
document = "X1 manual"
verified = "manual"

[line]
baud = 19200
parity = "E"

[modbus]
function = "holding"
word_order = "big"
max_registers = 10

[firmware_register]
address = 0x0100
bits = [4, 4, 8]

[[register]]
obis = "1.8.0"
address = 0x10
type = "u32"
unit = "kWh"
scale = "0.01"

[[register]]
obis = "16.7.0"
address = 0x12
type = "s16"
unit = "kW"
negate = true

[[quirk]]
models = ["X1"]
firmware = "<1.2.0"
negate = ["16.7.0"]

[[quirk]]
models = ["X1"]
firmware = "=0.0.1"
refuse = "it counts backwards: update the meter"
"""


def mine(tmp_path: Path, old: str = "", new: str = "") -> Path:
    """A user's file, with one thing changed."""
    assert old in MINE
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace(old, new, 1) if old else MINE, encoding="utf-8")
    return path


def test_a_profile_needs_no_code(tmp_path: Path) -> None:
    profile = load.find(str(mine(tmp_path)))
    assert (profile.name, profile.models, str(profile.line)) == ("mine", ("X1", "X2"), "19200 8E1")
    assert isinstance(profile.form, ModbusMap)
    assert [(block.address, block.count) for block in profile.form.blocks] == [(0x10, 3)]
    values = profile.form.blocks[0].decode(bytes.fromhex("0000 3039 0005"))
    assert values[obis.IMPORT_TOTAL].number == 123_450
    assert values[obis.POWER_NET].number == -5_000


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("address = 0x10\n", "adress = 0x10\n", "line 23: [register] address: is missing"),
        ("scale =", "scael =", "there is no such key. Did you mean 'scale'?"),
        ('type = "s16"', 'type = "i16"', "[register] type: wants one of u16, s16"),
        ('unit = "kWh"', 'unit = "kwh"', "Did you mean 'kWh'?"),
        ('unit = "kW"\n', "", "line 30: [register] unit: is missing"),
        (
            "address = 0x12",
            "address = 70000",
            "line 32: [register] address: wants a whole number from 0 to 65535",
        ),
        ("address = 0x12", 'address = "18"', "got '18'"),
        ("address = 0x12", "address = 0x11", "overlaps"),
        ('obis = "16.7.0"', 'obis = "1.8.0"', "line 31: [register] obis: 1-0:1.8.0 is given twice"),
        ('obis = "16.7.0"', 'obis = "power"', "an OBIS code looks like"),
        ('scale = "0.01"', "scale = 0.01", 'fractions as text such as "0.01"'),
        ('scale = "0.01"', 'scale = "0"', "is 0.000001 to 1000000, got 0"),
        ('scale = "0.01"', 'scale = "NaN"', "finite"),
        ('protocol = "modbus"', 'protocol = "modbuss"', "Did you mean 'modbus'?"),
        ("profile/1", "profile/2", "line 1: schema"),
        ('verified = "manual"', 'verified = "trust me"', "[source] verified"),
        ('document = "X1 manual"', "", "[source] document: is missing"),
        ("negate = true", 'negate = "yes"', "wants true or false"),
        ("max_registers = 10", "max_registers = 126", "from 1 to 125"),
        ("bits = [4, 4, 8]", "bits = [4, 4]", "fill 16 bits"),
        ('firmware = "<1.2.0"', 'firmware = "before 1.2"', "a condition such as"),
        ('models = ["X1"]\nfirmware = "<', 'models = ["Y"]\nfirmware = "<', "among the profile's own"),
        ('negate = ["16.7.0"]', "", "negates, drops or refuses"),
        ("[line]", "[lien]", "line: is missing. Is it 'lien'?"),
        ('title = "My meter"', 'title = "My meter', "is no TOML"),
    ],
)
def test_every_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load.read(mine(tmp_path, old, new))
    assert sentence in caught.value.sentence
    assert caught.value.sentence.startswith("mine.toml")
    assert caught.value.hint


def test_a_missing_file_or_name_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"Did you mean 'eastron-sdm630'\?"):
        load.find("eastron-sdm63")
    with pytest.raises(ProfileError, match="cannot read"):
        load.find(str(tmp_path / "none.toml"))
    (tmp_path / "big.toml").write_bytes(b"#" * 70_000)
    with pytest.raises(ProfileError, match="larger"):
        load.find(str(tmp_path / "big.toml"))
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(ProfileError, match="no TOML"):
        load.find(str(tmp_path / "latin.toml"))


@given(st.text(max_size=200))
def test_any_text_is_a_profile_or_an_own_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(ProfileError):
        load.read(path)


lines = MINE.splitlines()


@given(st.integers(0, len(lines) - 1), st.integers(0, len(lines) - 1), st.booleans())
def test_shuffled_and_missing_lines_never_crash(
    tmp_path_factory: pytest.TempPathFactory, first: int, second: int, drop: bool
) -> None:
    changed = list(lines)
    changed[first], changed[second] = changed[second], changed[first]
    if drop:
        del changed[first]
    path = tmp_path_factory.getbasetemp() / "shuffled.toml"
    path.write_text("\n".join(changed), encoding="utf-8")
    try:
        profile = load.read(path)
    except ProfileError as error:
        assert error.sentence
    else:
        assert isinstance(profile.form, ModbusMap)


def rounds(tmp_path: Path, firmware: bytes) -> ModbusMeter:
    """A meter with a firmware, after its first questions were answered."""
    return ModbusMeter(load.read(mine(tmp_path)), unit=1, exchanges=Exchanges(tcp=False))


def answered(meter: ModbusMeter, *answers: bytes) -> object:
    """Answer a round's questions in order."""
    dialogue = meter.begin()
    step: object = dialogue.begin()
    for answer in answers:
        assert isinstance(step, Ask)
        body = bytes((1, 3, len(answer))) + answer
        step = dialogue.receive(body + crc16(body).to_bytes(2, "little"))
    return step


DATA = bytes.fromhex("0000 3039 0005")


@pytest.mark.parametrize(("version", "power"), [("1105", 5_000), ("1200", -5_000), ("2001", -5_000)])
def test_a_quirk_holds_for_its_firmware_alone(tmp_path: Path, version: str, power: int) -> None:
    meter = rounds(tmp_path, b"")
    said = answered(meter, bytes.fromhex(version), DATA)
    assert said.values[obis.POWER_NET].number == power  # type: ignore[attr-defined]
    said = answered(meter, DATA)
    assert said.values[obis.POWER_NET].number == power, "asked for once"  # type: ignore[attr-defined]


def test_a_firmware_that_must_not_be_read_is_refused_in_words(tmp_path: Path) -> None:
    meter = rounds(tmp_path, b"")
    with pytest.raises(ProfileError, match=r"firmware 0\.0\.1: it counts backwards"):
        answered(meter, bytes.fromhex("0001"), DATA)
    with pytest.raises(ProfileError):
        answered(meter, DATA)


def test_quirks_are_keyed_by_model_and_firmware_never_by_vendor() -> None:
    quirk = Quirk(models=("X1",), firmware=">=2.0", drop=(obis.POWER_NET,))
    assert quirk.concerns("X1", (2, 0, 0))
    assert not quirk.concerns("X2", (2, 0, 0))
    assert not quirk.concerns("X1", (1, 9))
    assert not quirk.concerns("X1", None), "an unknown firmware has no quirk that asks for one"
    assert Quirk(models=("X1",), firmware="*", drop=(obis.POWER_NET,)).concerns("X1", None)


def test_a_profile_serves_its_own_protocol_only() -> None:
    with pytest.raises(ProfileError, match="not for Modbus"):
        ModbusMeter(load.find("sml"), unit=1, exchanges=Exchanges(tcp=False))
    with pytest.raises(ProfileError, match="not for SunSpec"):
        SunSpecMeter(load.find("abb-b23"), unit=1, exchanges=Exchanges(tcp=False))
    assert isinstance(load.find("p1-dsmr5").form, TelegramForm)


def test_a_shipped_profile_can_be_copied_and_changed(tmp_path: Path) -> None:
    source = Path(load.__file__).parent / "data" / "eastron-sdm120.toml"
    copy = tmp_path / "copy.toml"
    shutil.copy(source, copy)
    assert load.find(str(copy)).title == load.find("eastron-sdm120").title


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (('scale = "0.01"', 'scale = "1e999999"'), 28, "scale: is 0.000001 to 1000000"),
        (('scale = "0.01"', 'scale = "0"'), 28, "scale: is 0.000001"),
        (('scale = "0.01"', f'scale = "0.{"3" * 10}"'), 28, "at most 9 digits"),
        (("max_registers = 10", "max_registers = 1"), 26, "u32 takes 2 registers, the meter answers 1"),
        (("read_across", 'absent = ["f32 0xFFFFFFFF"]\nread_across'), None, "f32 needs none"),
        (('type = "s16"', 'type = "s16"\nabsent = [0x10000]'), None, "0x10000 does not fit into s16"),
        (('type = "s16"', 'type = "f32"\nabsent_from = 0'), None, "f32 needs none"),
        (('negate = ["16.7.0"]', 'negate = ["36.7.0"]'), None, "1-0:36.7.0 is no register and no total"),
        (('models = ["X1", "X2"]', "models = []"), 4, "at least one model"),
        (('"My meter"', '"My \\u001b[31m meter"'), 2, "text that can be printed"),
        (
            ("[firmware_register]\naddress = 0x0100\nbits = [4, 4, 8]\n", ""),
            None,
            "without a \\[firmware_reg",
        ),
    ],
)
def test_what_could_never_work_is_refused_when_the_profile_is_read(
    change: tuple[str, str], line: int | None, said: str, tmp_path: Path
) -> None:
    text = MINE.replace("max_registers = 10", "max_registers = 10\nread_across = false")
    assert change[0] in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(*change))
    with pytest.raises(ProfileError, match=said) as refusal:
        load.read(path)
    assert "mine.toml, line " in refusal.value.sentence
    if line is not None:
        assert abs(int(refusal.value.sentence.split("line ")[1].split(":")[0]) - line) <= 1


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("[[identify]]\naddress = 65535\nwords = 2\ncodes = [1]", "2 words reach beyond register 65535"),
        ('[[plausible]]\nobis = "32.7.0"\nmin = 1\nmax = 2', "32.7.0 is no register and no total"),
        ('[[plausible]]\nobis = "16.7.0"\nmin = 3\nmax = 2', "is at most max, got 3 and 2"),
        ('[[total]]\nobis = "2.8.0"\nof = ["1.8.0", "1.8.0"]', "each once"),
        ('[[total]]\nobis = "2.8.0"\nof = ["1.8.0", "16.7.0"]', "one unit"),
        ('[[counter]]\nobis = "2.8.0"\nunit = "kWh"\nend = 1000000', "2.8.0 is no register and no total"),
        ('[[counter]]\nobis = "1.8.0"\nunit = "kWh"', "with step, end, or both"),
        ('[[counter]]\nobis = "1.8.0"\nunit = "kWh"\nstep = "1e-9"', "whole number of joules"),
        ('[[counter]]\nobis = "1.8.0"\nunit = "kWh"\nend = "1e99"', "whole number of joules"),
        ('[[counter]]\nobis = "1.8.0"\nunit = "kWh"\nstep = 1\nend = 5', "at least 1000 steps"),
        ('[[counter]]\nobis = "1.8.0"\nunit = "W"\nend = 5', "unit"),
    ],
)
def test_a_table_that_could_never_work_is_refused(added: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"{MINE}\n{added}\n")
    with pytest.raises(ProfileError, match=said) as refusal:
        load.read(path)
    assert "mine.toml, line " in refusal.value.sentence


@pytest.mark.parametrize("text", ["a = " + "[" * 30_000, "a = " + "1" * 5_000, "a = " + '{a="",' * 9_000])
def test_toml_beyond_all_measure_is_refused_in_words(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=r"mine.toml is no (TOML|profile)") as refusal:
        load.read(path)
    assert "set_int_max" not in refusal.value.sentence


def test_each_of_several_patterns_of_one_kind_means_absent(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        MINE.replace(
            "max_registers = 10", 'max_registers = 10\nabsent = ["u32 0xFFFFFFFF", "u32 0x80000000"]'
        )
    )
    form = load.read(path).form
    assert isinstance(form, ModbusMap)
    for pattern in (0xFFFFFFFF, 0x80000000):
        assert obis.IMPORT_TOTAL not in form.blocks[0].decode(pattern.to_bytes(4, "big") + bytes(2))
    assert obis.IMPORT_TOTAL in form.blocks[0].decode((7).to_bytes(4, "big") + bytes(2))


def test_an_editor_that_marks_its_encoding_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE, encoding="utf-8-sig")
    assert load.read(path).title == "My meter"


def test_a_counter_is_as_stated_else_as_its_register_steps(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    plain = load.read(path).counter(obis.IMPORT_TOTAL)
    assert (plain.resolution_j, plain.modulus_j) == (36_000, None), "u32, kWh, scale 0.01: 10 Wh"
    path.write_text(MINE + '\n[[counter]]\nobis = "1.8.0"\nunit = "kWh"\nstep = "0.1"\nend = "1000000"\n')
    stated = load.read(path).counter(obis.IMPORT_TOTAL)
    assert (stated.resolution_j, stated.modulus_j) == (360_000, 10**6 * 3_600_000)
    assert load.find("sml").counter(obis.EXPORT_TOTAL).resolution_j == 3_600
    pulses = tmp_path / "pulses.toml"
    pulses.write_text(
        load.path_of("s0-1000").read_text().replace("pulses_per_kwh = 1000", "pulses_per_kwh = 75")
    )
    assert load.read(pulses).counter(obis.IMPORT_TOTAL).resolution_j == 48_000
    assert load.find("carlo-gavazzi-em24").counter(obis.IMPORT_TOTAL).resolution_j == 360_000
