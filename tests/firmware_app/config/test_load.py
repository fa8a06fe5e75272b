"""The document is read as it is meant, or refused with the line of the mistake and the likely remedy."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from firmware_app.config import schema
from firmware_app.config.load import MAX_BYTES, ConfigError, parse, read
from firmware_app.config.schema import DeviceConfig, DeviceSection, MeterSection, Role

EXAMPLE = Path(schema.__file__).with_name("example.toml")
TEXT = EXAMPLE.read_text(encoding="utf-8")


def _refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(text, DeviceConfig, "device.toml")
    return str(refused.value)


def _line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_the_example_is_read() -> None:
    config = read(EXAMPLE, DeviceConfig)
    assert config.device.name == "meter-0101"
    assert [(meter.name, meter.role, meter.poll_ms) for meter in config.meter] == [
        ("house", Role.GRID, 10_000)
    ]
    assert [server.name for server in config.market.server] == ["miner-0", "miner-1"]
    assert config.folder(Path("/etc/gridlight/gridlight.toml")) == Path("/var/lib/gridlight")


def _keys(kind: Any, header: str = "") -> list[tuple[str, str]]:
    """(header, key) of every key that the document may have."""
    found = []
    for name, hint in get_type_hints(kind).items():
        inner = [part for part in (hint, *get_args(hint)) if is_dataclass(part)]
        found += _keys(inner[0], f"{header}.{name}".strip(".")) if inner else [(header, name)]
    return found


def test_the_example_shows_every_key() -> None:
    """Set or in a comment, below the header of its table."""
    shown, header = set(), ""
    for line in TEXT.splitlines():
        words = line.lstrip("# ")
        if words.startswith("["):
            header = words.split("#")[0].strip("[] ")
        elif "=" in words:
            shown.add((header, words.partition("=")[0].strip()))
    servers = {("market.dso", "name"), ("market.server", "name")}
    assert set(_keys(DeviceConfig)) - shown == set()
    assert servers <= shown


def test_what_the_example_sets_optionally_is_the_default() -> None:
    config = read(EXAMPLE, DeviceConfig)
    sections: tuple[DeviceSection | MeterSection, ...] = (config.device, *config.meter)
    for section in sections:
        for field in fields(section):
            if isinstance(field.default, int | str):
                assert getattr(section, field.name) == field.default
    needed = {"device": config.device, "market": config.market, "meter": config.meter}
    assert config == DeviceConfig(**needed), "every other section says what would hold without it"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("poll_ms = 10_000", "pol_ms = 10_000", ["[meter] pol_ms", "no such key", "'poll_ms'"]),
        ("poll_ms = 10_000", "zzz = 1", ["[meter] zzz", "Known are name, role"]),
        ("poll_ms = 10_000", 'poll_ms = "ten"', ["[meter] poll_ms", "got 'ten'", "a whole number"]),
        ("poll_ms = 10_000", "poll_ms = true", ["[meter] poll_ms", "got True", "a whole number"]),
        ("poll_ms = 10_000", "poll_ms = 1.5", ["[meter] poll_ms", "got 1.5"]),
        ("poll_ms = 10_000", "poll_ms = 5", ["[meter] poll_ms", "got 5", "100 to 3600000"]),
        ('role = "grid"', 'role = "grid_"', ["[meter] role", "'grid_'", "'pv'", "Did you mean 'grid'?"]),
        ('role = "grid"', 'role = "pv"', ["meter", "exactly one of the role 'grid'"]),
        ('name = "meter-0101"', "name = 3", ["[device] name", "got 3", "text"]),
        ('name = "meter-0101"', 'name = "a b"', ["[device] name", "got a b", "hyphens"]),
        ("feeder = 1", "", ["[market] feeder", "is missing", "a whole number"]),
        ("feeder = 1", "feeder = -1", ["[market] feeder", "got -1"]),
        (
            'endpoint = "tcp://192.0.2.11:7001"',
            'endpoint = "192.0.2.11"',
            ["[market.server] endpoint", "tcp://"],
        ),
        ('name = "miner-1"', 'name = "miner-0"', ["[market] server", "different names"]),
        ("[market.dso]", "[market.dos]", ["[market.dos]", "no such key", "'dso'"]),
        ('port = "/dev/', 'port = "COM3/', ["[meter] port", "there is no port"]),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_would_be_right(old: str, new: str, told: list[str]) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    refusal = _refusal(text)
    assert refusal.startswith("device.toml:")
    for part in told:
        assert part in refusal
    if new and "different names" not in told[-1] and "exactly" not in told[-1]:
        lines = zip(TEXT.splitlines(), text.splitlines(), strict=True)
        assert refusal.split(":")[1] == str(
            next(at for at, (was, line) in enumerate(lines, 1) if was != line)
        )


def test_the_second_of_two_tables_is_named_by_its_own_line() -> None:
    text = TEXT.replace('endpoint = "tcp://192.0.2.11:7001"', "endpoint = 5")
    assert _refusal(text).startswith(
        f"device.toml:{_line_of(text, 'endpoint = 5')}: [market.server] endpoint"
    )


def test_what_is_no_toml_or_no_text_is_refused(tmp_path: Path) -> None:
    assert _refusal("[device]\nname = \n").startswith("device.toml:2: this is no TOML")
    missing = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(missing, DeviceConfig)
    file = tmp_path / "bad.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="no UTF-8"):
        read(file, DeviceConfig)
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="too long"):
        read(file, DeviceConfig)


def test_a_table_where_a_value_belongs_and_the_other_way_round() -> None:
    assert "expected a table" in _refusal("device = 5\n")
    assert "expected tables" in _refusal(TEXT.replace("[[meter]]", "[meter]"))
    assert "expected text" in _refusal("[device]\nname = [1]\n")


_CELLAR = '[[meter]]\nname = "cellar"\nrole = "battery"\nprofile = "eastron-sdm630"\nport = "/dev/ttyUSB1"\n'
_BATTERY = '[battery]\nmeter = "cellar"\ncapacity_wh = 6_400\ncharge_w = 5_000\ndischarge_w = 5_000\n'


def test_a_battery_needs_the_meter_that_tells_what_it_holds() -> None:
    config = parse(TEXT + _CELLAR + _BATTERY, DeviceConfig, "device.toml")
    assert config.battery is not None
    assert (config.battery.measurement, config.battery.sell) == ("1-0:128.7.0", False)
    assert "'cellar'" in _refusal(TEXT + _CELLAR + _BATTERY.replace("cellar", "house"))
    assert "of the role 'battery' first" in _refusal(TEXT + _BATTERY)
    assert "reserve_wh" in _refusal(TEXT + _CELLAR + _BATTERY + "reserve_wh = 9_000\n")
