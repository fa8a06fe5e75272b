"""Logs are bounded, safe and readable, whatever is logged."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.journal import KEPT_EVENTS, MAX_KINDS, SECRET, TRADE, Journal, LogParams, safe

UTC_MS = 1_790_000_000_000


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Bench:
    """A journal with a clock in hand."""

    def __init__(self, out: io.StringIO | None = None, **params: Any) -> None:
        self.now_ms = 0
        self.out = out or io.StringIO()
        self.journal = Journal(
            LogParams(**params), out=self.out, monotonic_ms=lambda: self.now_ms, utc_ms=lambda: UTC_MS
        )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


def test_one_event_is_one_line_of_json() -> None:
    bench = Bench()
    bench.journal.warning("clock.jumped", "the clock\nwas set", by_ms=-86_400_000, source=None, open=False)
    assert bench.lines() == [
        {
            "time_utc_ms": UTC_MS,
            "monotonic_ms": 0,
            "level": "warning",
            "kind": "clock.jumped",
            "message": "the clock was set",
            "by_ms": -86_400_000,
            "source": None,
            "open": False,
        }
    ]


def test_people_read_words(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(Terminal())
    bench.journal.error("meter.lost", "the port is gone", port="tty USB0")
    (line,) = bench.out.getvalue().splitlines()
    assert "\x1b[31merror  \x1b[0m meter.lost" in line
    assert line.endswith('port="tty USB0"')
    early = Journal(LogParams(), out=(out := Terminal()), monotonic_ms=lambda: 7_000)
    early.info("device.started", "hello")
    assert out.getvalue().split()[:2] == ["+7", "s"]


def test_a_flood_of_one_kind_is_counted_and_hides_no_other() -> None:
    bench = Bench(burst=3, window_s=60)
    for _ in range(1_000):
        bench.journal.info("bus.garbled", "noise")
    bench.journal.info("meter.lost", "gone")
    assert [line["kind"] for line in bench.lines()] == ["bus.garbled"] * 3 + ["meter.lost"]
    bench.now_ms = 60_000
    bench.journal.info("bus.garbled", "noise")
    assert bench.lines()[-1]["suppressed"] == 997
    bench.journal.flush()
    assert len(bench.lines()) == 5


def test_what_was_suppressed_is_told_even_if_it_never_comes_again() -> None:
    bench = Bench(burst=1)
    bench.journal.info("a.b", "x")
    bench.journal.info("a.b", "x")
    bench.journal.flush()
    assert len(bench.lines()) == 1
    bench.now_ms = 60_000
    bench.journal.flush()
    assert bench.lines()[-1]["suppressed"] == 1


def test_kinds_are_bounded_too() -> None:
    bench = Bench(burst=1)
    for number in range(10 * MAX_KINDS):
        bench.journal.info(f"kind.{number}", "x")
    assert len(bench.lines()) == MAX_KINDS + 1
    assert len(bench.journal.recent) == KEPT_EVENTS


def test_debug_is_left_out_unless_asked_for() -> None:
    quiet, loud = Bench(), Bench(level="debug")
    quiet.journal.debug("consensus.timeout", "round 2")
    loud.journal.debug("consensus.timeout", "round 2")
    assert (len(quiet.lines()), len(loud.lines())) == (0, 1)


def test_a_stream_that_refuses_stops_nobody() -> None:
    bench = Bench()
    bench.out.close()
    bench.journal.info("a.b", "x")
    assert bench.journal.lost == 1


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("wallet_seed", "correct horse", SECRET),
        ("private_key", b"\x01" * 32, SECRET),
        ("Password", "hunter2", SECRET),
        ("price_uc_per_kwh", 142_000, TRADE),
        ("own_address", b"\x02" * 20, TRADE),
        ("got", b"\x01" * 32, "0x01010101… (32 bytes)"),
        ("height", 40_812, 40_812),
        ("why", "a\nb", "a b"),
    ],
)
def test_no_secret_and_no_trade_is_written(name: str, value: object, written: object) -> None:
    assert safe(name, value) == written


@given(
    st.text(),
    st.text(),
    st.dictionaries(st.text(min_size=1, max_size=30), st.integers() | st.text() | st.binary()),
)
def test_every_event_is_one_bounded_line(kind: str, message: str, fields: dict[str, Any]) -> None:
    bench = Bench()
    bench.journal._event(bench.journal._least, kind, message, fields)
    (line,) = bench.out.getvalue().split("\n")[:-1]
    assert len(json.loads(line)) <= 6 + 16
    assert len(line) < 20_000


@pytest.mark.parametrize("wrong", [{"level": "loud"}, {"burst": 0}, {"window_s": 0}])
def test_settings_outside_their_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="log\\."):
        LogParams(**wrong)
