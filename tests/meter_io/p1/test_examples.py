"""The example telegrams of dsmr-parser, read by it and by us. They are taken from its source release at test time.

Release 0.8 is the last whose source archive carries them; a checkout of the project holds more of them: name its
`test/example_telegrams.py` in GRIDLIGHT_DSMR_EXAMPLES to test with all.
"""

import ast
import hashlib
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from dsmr_parser import telegram_specifications as specifications
from dsmr_parser.objects import CosemObject, MBusObject
from dsmr_parser.parsers import TelegramParser

from meter_io.p1 import P1Parser
from meter_io.reading import Unit
from meter_io.telegram import Telegram
from tests.meter_io.streams import accepted, at_once

REPOSITORY = Path(__file__).resolve().parents[3]
RELEASE = "dsmr-parser==0.8"
ARCHIVE = "dsmr-parser-0.8.tar.gz"
ARCHIVE_SHA256 = "95095bf3efd14ccd201e59a872b3d4f300548f550a444b990227396311338e1e"
UNITS = {
    "kWh": (Unit.WATT_HOUR, 1000),
    "Wh": (Unit.WATT_HOUR, 1),
    "kW": (Unit.WATT, 1000),
    "W": (Unit.WATT, 1),
    "kvarh": (Unit.VAR_HOUR, 1000),
    "varh": (Unit.VAR_HOUR, 1),
    "kvar": (Unit.VAR, 1000),
    "var": (Unit.VAR, 1),
    "V": (Unit.VOLT, 1),
    "A": (Unit.AMPERE, 1),
    "Hz": (Unit.HERTZ, 1),
    "m3": (Unit.CUBIC_METRE, 1),
    "GJ": (Unit.JOULE, 10**9),
}
SPOKEN = {
    "TELEGRAM_V2_2": ("V2_2", "DSMR 2.2 or 3.0"),
    "TELEGRAM_V3": ("V3", "DSMR 2.2 or 3.0"),
    "TELEGRAM_V4_2": ("V4", "DSMR 4"),
    "TELEGRAM_V5": ("V5", "DSMR 5"),
    "TELEGRAM_V5_TWO_MBUS": ("V5", "DSMR 5"),
    "TELEGRAM_UNPADDED_CRC": ("V5", "WarmteLink"),
    "TELEGRAM_FLUVIUS_V171": ("BELGIUM_FLUVIUS", "Belgium"),
    "TELEGRAM_FLUVIUS_V171_ALT": ("BELGIUM_FLUVIUS", "Belgium"),
    "TELEGRAM_ESY5Q3DB1024_V304": ("Q3D", "EasyMeter Q3D"),
    "TELEGRAM_ESY5Q3DA1004_V304": ("Q3D", "EasyMeter Q3D"),
    "TELEGRAM_SAGEMCOM_T210_D_R": ("SAGEMCOM_T210_D_R", "Austria"),
    "TELEGRAM_ISKRA_IE": ("ISKRA_IE", "Ireland"),
    "TELEGRAM_V5_EON_HU": ("EON_HUNGARY", "Hungary"),
}


def source_text() -> str:
    """Return the text of the examples: from the file named in the environment, or out of the source archive."""
    named = os.environ.get("GRIDLIGHT_DSMR_EXAMPLES")
    if named:
        return Path(named).read_text(encoding="utf-8")
    folder = REPOSITORY / "out" / "cache"
    archive = folder / ARCHIVE
    if not archive.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        done = subprocess.run(
            [*command, "--retries", "0", "--timeout", "5", "--dest", str(folder), RELEASE],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode or not archive.is_file():
            pytest.skip(f"{RELEASE} cannot be downloaded here: {done.stderr.strip()[-100:]}")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == ARCHIVE_SHA256
    with tarfile.open(archive) as files:
        member = files.extractfile("dsmr-parser-0.8/test/example_telegrams.py")
        assert member is not None
        return member.read().decode("utf-8")


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    """Telegrams by name. The file is read as data: its code is not run."""
    return {
        target.id: ast.literal_eval(statement.value)
        for statement in ast.parse(source_text()).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def one(text: str) -> Telegram:
    (telegram,) = accepted(at_once(P1Parser(), text.encode("latin-1")))
    return telegram


def theirs(specification: str, text: str) -> Iterator[tuple[tuple[int, ...], Decimal, Unit]]:
    """Yield group C, D, E, number and unit of every quantity that dsmr-parser finds."""
    rules = {**getattr(specifications, specification)}
    rules.pop("general_global_cipher", None)  # the example is the plain text inside
    telegram = TelegramParser(rules).parse(text, throw_ex=True)
    for rule in rules["objects"]:
        match = re.search(r":(\d+)\\\.(\d+)\\\.(\d+)", rule["obis_reference"])
        if (
            match is None
        ):  # one reference for several codes: sub-meters, which have rules of their own as well
            continue
        found = getattr(telegram, rule["value_name"], None)
        for item in found if isinstance(found, list) else [found]:
            if (
                isinstance(item, CosemObject | MBusObject)
                and isinstance(item.value, Decimal)
                and item.unit in UNITS
            ):
                unit, scale = UNITS[item.unit]
                yield tuple(int(group) for group in match.groups()), item.value * scale, unit


def test_every_example_is_accepted_in_its_dialect(examples: dict[str, str]) -> None:
    assert len(examples) >= 4
    assert set(examples) <= set(SPOKEN)
    assert {name: one(text).dialect for name, text in examples.items()} == {
        name: SPOKEN[name][1] for name in examples
    }


def test_the_independent_parser_finds_the_same_quantities(examples: dict[str, str]) -> None:
    compared = 0
    for name, text in examples.items():
        ours = {
            ((code.c, code.d, code.e), value.number, value.unit) for code, value in one(text).values.items()
        }
        found = list(theirs(SPOKEN[name][0], text))
        gas_apart = [((24, 2, 1), *rest) if code[:2] == (24, 3) else (code, *rest) for code, *rest in found]
        missing = [item for item in gas_apart if item not in ours]
        assert missing == [], name
        compared += len(found)
    assert compared >= 40


def test_a_changed_digit_is_refused_wherever_there_is_a_checksum(examples: dict[str, str]) -> None:
    for name, text in examples.items():
        changed = text.replace("1-0:1.8.1(0", "1-0:1.8.1(9", 1)
        if changed != text and not text.rstrip().endswith("!"):
            assert accepted(at_once(P1Parser(), changed.encode("latin-1"))) == [], name
