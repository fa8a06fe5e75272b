"""The parsing bench compares before it times, and says so where parsers disagree."""

from pathlib import Path

import pytest

from testbed.bench import parsing
from testbed.bench.parsing import Contender, measure_parsing
from testbed.bench.section import DisagreementError, Options
from tests.meter_io.encoders import Entry, sml_telegram, whole

METER = b"\x0a\x01XYZ\x00\x00\x00\x00\x01"
ENTRY = Entry(code=bytes([1, 0, 1, 8, 0, 255]), value=whole(5, 8, signed=True), unit=30, scaler=-1)


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    (tmp_path / "good.bin").write_bytes(sml_telegram(METER, [ENTRY]) * 3)
    (tmp_path / "noise.bin").write_bytes(bytes(100))
    return tmp_path


def test_every_other_parser_is_compared_and_timed(dumps: Path) -> None:
    timings = list(measure_parsing(dumps, repeats=2))
    assert [(timing.case, timing.other, timing.telegrams) for timing in timings] == [
        ("SML dumps", "smllib", 3),
        ("SML dumps", "smllib's short cut", 3),
        ("DSMR 5", "dsmr-parser", 50),
    ]
    assert all(timing.ours_s > 0 and timing.other_s > 0 for timing in timings)


def test_without_dumps_sml_is_left_out(tmp_path: Path) -> None:
    assert [timing.case for timing in measure_parsing(tmp_path, repeats=1)] == ["DSMR 5"]


def test_a_parser_that_reads_other_numbers_stops_the_bench(
    dumps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (honest,) = parsing._dsmr_parser()
    wrong = Contender(name="wrong", parse=honest.parse, numbers=lambda found: honest.numbers(found)[1:])
    monkeypatch.setattr(parsing, "_dsmr_parser", lambda: iter([wrong]))
    with pytest.raises(DisagreementError, match="wrong"):
        list(measure_parsing(dumps, repeats=1))


def test_the_suite_aims_at_the_fastest(dumps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "_dumps", lambda: dumps)
    begun: list[str] = []
    section = parsing.measure(Options(quick=True), begun.append)
    assert len(begun) == parsing.steps(Options()) == len(section.lines) == len(section.aims) == 3
    assert [aim.met for aim in section.aims] == [
        case["other_s"] >= case["ours_s"] for case in section.document["cases"]
    ]
