"""The terminal's conventions: streams, JSON, colour, progress."""

import io
import json
from collections.abc import Mapping

import pytest

from firmware_app.console import Console, Exit, Paint, wants_colour


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("choice", "environ", "is_terminal", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"TERM": "dumb", "FORCE_COLOR": "1"}, False, True),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_follows_the_flag_then_the_environment_then_the_terminal(
    choice: str, environ: Mapping[str, str], is_terminal: bool, expected: bool
) -> None:
    assert wants_colour(choice, environ, is_terminal=is_terminal) is expected


def test_the_result_goes_to_stdout_and_everything_else_to_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(out=out, err=err)
    console.note("reading")
    console.warn("slow")
    console.result("gridlight.test/1", {"energy_j": 7}, ["7 J"])
    assert out.getvalue() == "7 J\n"
    assert err.getvalue() == "reading\nwarning: slow\n"


def test_json_is_one_document_with_the_schema_first() -> None:
    out = io.StringIO()
    Console(out=out, err=io.StringIO(), json=True).result(
        "gridlight.test/1", {"name": "Zürich", "power_w": None}, ["x"]
    )
    document = json.loads(out.getvalue())
    assert list(document.items()) == [("schema", "gridlight.test/1"), ("name", "Zürich"), ("power_w", None)]
    assert "Zürich" in out.getvalue()


def test_json_refuses_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        Console(out=io.StringIO(), err=io.StringIO(), json=True).result("x/1", {"gap": float("nan")}, [])


def test_a_failure_is_a_document_too() -> None:
    out, err = io.StringIO(), io.StringIO()
    code = Console(out=out, err=err, json=True).fail("no meter", hint="gridlight scan", code=Exit.FAILED)
    assert code == 1
    assert json.loads(out.getvalue()) == {
        "schema": "gridlight.error/1",
        "error": {"code": 1, "message": "no meter", "next": "gridlight scan"},
    }
    assert err.getvalue() == "error: no meter\n  next: gridlight scan\n"


def test_paint_uses_no_background_and_never_white() -> None:
    coloured = Console(out=Terminal(), err=io.StringIO())
    plain = Console(out=io.StringIO(), err=Terminal())
    assert coloured.paint("ok", Paint.GREEN) == "\x1b[32mok\x1b[0m"
    assert plain.paint("ok", Paint.GREEN) == "ok"
    assert {paint.value for paint in Paint} <= {"1", "31", "32", "33", "34"}


def test_quiet_leaves_warnings_and_results() -> None:
    out, err, clock = io.StringIO(), io.StringIO(), Clock()
    console = Console(out=out, err=err, quiet=True, clock_s=clock)
    console.note("reading")
    with console.progress("Clearing", total=2):
        clock.now_s = 99.0
    console.warn("slow")
    console.result("x/1", {}, ["done"])
    assert (out.getvalue(), err.getvalue()) == ("done\n", "warning: slow\n")


def test_progress_off_a_terminal_is_a_line_at_each_end_and_every_half_minute() -> None:
    err, clock = io.StringIO(), Clock()
    with Console(out=io.StringIO(), err=err, clock_s=clock).progress(
        "Clearing", total=96, unit="intervals"
    ) as steps:
        for step in range(96):
            clock.now_s += 1.0
            steps.advance(text=f"at {step}")
    assert err.getvalue().splitlines() == [
        "Clearing: 96 intervals",
        "Clearing: 30/96 at 29",
        "Clearing: 60/96 at 59",
        "Clearing: 90/96 at 89",
        "Clearing: done in 96.0 s",
    ]
    assert "\x1b" not in err.getvalue()
    assert "\r" not in err.getvalue()


def test_progress_on_a_terminal_draws_one_line_and_clears_it() -> None:
    err, clock = Terminal(), Clock()
    with Console(out=io.StringIO(), err=err, clock_s=clock).progress(
        "Clearing", total=4, unit="intervals"
    ) as steps:
        for _ in range(4):
            clock.now_s += 1.0
            steps.advance(text="12:45")
    drawn = err.getvalue().split("\r\x1b[K")
    assert drawn[1] == "Clearing [............................] 0/4"
    assert drawn[3] == "Clearing [##############..............] 2/4 12:45"
    assert drawn[-1] == "Clearing: done in 4.0 s\n"
    assert err.getvalue().count("\n") == 1


def test_progress_does_not_redraw_more_than_ten_times_a_second() -> None:
    err, clock = Terminal(), Clock()
    with Console(out=io.StringIO(), err=err, clock_s=clock).progress("Reading", unit="frames") as steps:
        for _ in range(1000):
            clock.now_s += 0.001
            steps.advance()
    assert 10 <= err.getvalue().count("\r") <= 13
    assert "Reading 900 frames" not in err.getvalue().splitlines()[-1]


def test_progress_of_unknown_length_and_progress_that_fails() -> None:
    err, clock = io.StringIO(), Clock()
    console = Console(out=io.StringIO(), err=err, clock_s=clock)

    def sync() -> None:
        with console.progress("Syncing") as steps:
            clock.now_s = 31.0
            steps.advance(text="height 7")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        sync()
    assert err.getvalue().splitlines() == [
        "Syncing: started",
        "Syncing: height 7",
        "Syncing: stopped after 31.0 s",
    ]


def test_progress_can_be_turned_off_alone() -> None:
    err = io.StringIO()
    console = Console(out=io.StringIO(), err=err, progress=False)
    with console.progress("Clearing", total=1) as steps:
        steps.advance()
    console.note("still said")
    assert err.getvalue() == "still said\n"
