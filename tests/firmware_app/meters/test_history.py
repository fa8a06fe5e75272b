"""`gridlight read --history`: judged by what was read before, and by nobody else's; `--accept` begins anew."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_app import cli
from firmware_app.console import Exit
from testbed.fleet.foreign_slaves import PYMODBUS, free_port, slave
from tests.firmware_app.meters.test_commands import SDM630


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    """A gateway with an SDM630 at 1 and another at 2."""
    number = free_port()
    meter = {**SDM630, 0xFC02: 0x70}
    with slave(PYMODBUS, "tcp", str(number), {1: meter, 2: meter}):
        yield f"tcp://127.0.0.1:{number}"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of the history."""
    return tmp_path / "house.history"


class Cron:
    """Reads once whenever it is told to, as a timer would."""

    def __init__(self, network: str, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.words = ["read", "--profile", "eastron-sdm630", "--port", network, "--once", "--json"]
        self.kept = kept
        self.capsys = capsys

    def read(self, *more: str) -> tuple[int, dict[str, object], str]:
        code = cli.main([*self.words, "--history", str(self.kept), *more])
        shown = self.capsys.readouterr()
        assert "Traceback" not in shown.err
        return code, json.loads(shown.out), shown.err


@pytest.fixture
def cron(network: str, kept: Path, capsys: pytest.CaptureFixture[str]) -> Cron:
    """A timer for the meter at 1."""
    return Cron(network, kept, capsys)


def shift(kept: Path, import_j: int, export_j: int = 0, *, earlier_ms: int = 0) -> None:
    """Make it as if the meter had shown so much more before, so long ago."""
    document = json.loads(kept.read_text())
    guard = json.loads(document["guard"])
    for part in ("base", "check"):
        values, at = guard[part][0], guard[part][1 if part == "base" else 2]
        values[0] += import_j
        values[1] += export_j
        at[0] -= earlier_ms
    document["guard"] = json.dumps(guard)
    kept.write_text(json.dumps(document) + "\n")


def test_the_second_run_is_judged_by_the_first(cron: Cron) -> None:
    assert [cron.read()[1]["quality"] for _ in range(3)] == ["first", "good", "good"]


def test_a_replaced_meter_is_held_back_until_its_owner_accepts_it(cron: Cron, kept: Path) -> None:
    cron.read()
    shift(kept, 40_000 * 3_600_000)
    _, held, _ = cron.read()
    assert (held["quality"], held["import_j"]) == ("back-step", None)
    _, accepted, _ = cron.read("--accept")
    assert (accepted["quality"], accepted["import_j"]) == ("first", 14_382_417 * 3_600)
    assert cron.read()[1]["quality"] == "good"


def test_a_slow_timer_says_its_period(cron: Cron, kept: Path) -> None:
    """After more than the trust gap one reading is not enough; a timer's period is no outage."""
    cron.read()
    shift(kept, 0, -2_080_800, earlier_ms=900_000)
    assert cron.read("--interval", "900")[1]["quality"] == "good"
    shift(kept, 0, -2_080_800, earlier_ms=900_000)
    assert cron.read()[1]["quality"] == "jump"


def test_a_history_is_one_meters(cron: Cron, kept: Path) -> None:
    cron.read()
    before = kept.read_bytes()
    code, document, _ = cron.read("--address", "2")
    assert code == Exit.FAILED
    error = document["error"]
    assert isinstance(error, dict)
    assert "is that of eastron-sdm630 at" in error["message"]
    assert "file of its own" in error["next"]
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    "content", ["", "{}\n", "[1]\n", '{"schema":"x"}\n', "x" * 9_000 + "\n", "[" * 8_000 + "\n"]
)
def test_a_file_that_is_no_history_is_never_overwritten(content: str, cron: Cron, kept: Path) -> None:
    kept.write_text(content)
    code, document, _ = cron.read()
    assert code == Exit.FAILED
    assert isinstance(document["error"], dict)
    assert str(kept) in document["error"]["message"]
    assert kept.read_text() == content


def test_a_damaged_guard_is_said(cron: Cron, kept: Path) -> None:
    cron.read()
    kept.write_text(kept.read_text().replace("base", "bass"))
    code, document, _ = cron.read()
    assert code == Exit.FAILED
    assert isinstance(document["error"], dict)
    assert "is damaged" in document["error"]["message"]


def test_accept_without_a_history_and_history_of_pulses_are_wrong_use(
    network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.main(["read", "--profile", "eastron-sdm630", "--port", network, "--once", "--accept"])
        == Exit.USAGE
    )
    assert cli.main(["read", "--profile", "s0-1000", "--port", "-", "--history", "x"]) == Exit.USAGE
    assert "--state" in capsys.readouterr().err


def test_slow_polling_is_no_outage(network: str) -> None:
    """`--interval 600` once made every reading after the first one a jump that was never confirmed."""
    from firmware_app.console import Console
    from firmware_app.meters.read import Reader
    from meter_io.profiles import load

    profile = load.find("eastron-sdm630")
    reader = Reader(Console(), profile, port=network, unit=1, place=network, count=None, interval_ms=600_000)
    assert reader.trust_gap_ms == 1_200_000
    pushing = Reader(
        Console(), load.find("sml"), port="x", unit=None, place="x", count=None, interval_ms=10**9
    )
    assert pushing.trust_gap_ms == 300_000
