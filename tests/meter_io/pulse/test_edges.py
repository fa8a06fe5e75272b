"""Edge sources: text in a strict form, and the kernel's GPIO device by a stand-in for its library."""

import sys
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.errors import GarbledReply, MeterError, PortError
from meter_io.pulse import Edge
from meter_io.pulse.edges import EdgeLines, GpioEdges


def test_lines_are_edges() -> None:
    lines = ["# from a logger\n", "\n", "1000000 0\n", "41000000\t1\n"]
    assert list(EdgeLines(lines).edges()) == [Edge(1_000_000, False), Edge(41_000_000, True)]


@pytest.mark.parametrize(
    "line", ["1 2", "x", "1", "-1 0", "1 0 0", "1" * 20 + " 0", "\u0661 0", "1 0" + " " * 100]
)
def test_anything_else_is_said(line: str) -> None:
    with pytest.raises(GarbledReply, match="line 2"):
        list(EdgeLines(["1 0\n", line]).edges())


@given(st.text())
def test_no_text_does_anything_unforeseen(text: str) -> None:
    try:
        edges = list(EdgeLines(text.splitlines()).edges())
    except GarbledReply:
        return
    assert all(edge.at_ns >= 0 for edge in edges)


class Kind(Enum):
    """As the library names them."""

    RISING_EDGE = 1
    FALLING_EDGE = 2


class Request:
    """A requested line that gives some events and then fails, as an unplugged expander does."""

    def __init__(self) -> None:
        self.batches = [[(5, Kind.RISING_EDGE)], [(9, Kind.FALLING_EDGE), (12, Kind.RISING_EDGE)]]
        self.released = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.released = True

    def read_edge_events(self) -> list[SimpleNamespace]:
        if not self.batches:
            raise OSError(19, "No such device")
        return [SimpleNamespace(timestamp_ns=at, event_type=kind) for at, kind in self.batches.pop(0)]


def library(request: Request | OSError) -> ModuleType:
    module = ModuleType("gpiod")

    def request_lines(chip: str, *, consumer: str, config: dict[int, SimpleNamespace]) -> Request:
        assert (chip, consumer, list(config)) == ("/dev/gpiochip0", "gridlight-pulse", [17])
        assert (config[17].edge_detection, config[17].bias) == ("both", "up")
        if isinstance(request, OSError):
            raise request
        return request

    module.__dict__.update(
        request_lines=request_lines,
        LineSettings=SimpleNamespace,
        line=SimpleNamespace(
            Edge=SimpleNamespace(BOTH="both"), Bias=SimpleNamespace(PULL_UP="up", AS_IS="as is")
        ),
        EdgeEvent=SimpleNamespace(Type=Kind),
    )
    return module


def test_gpio_edges_are_the_kernels_and_the_line_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request()
    monkeypatch.setitem(sys.modules, "gpiod", library(request))
    edges = GpioEdges(Path("/dev/gpiochip0"), 17).edges()
    assert [next(edges) for _ in range(3)] == [Edge(5, True), Edge(9, False), Edge(12, True)]
    with pytest.raises(PortError, match="No such device"):
        next(edges)
    assert request.released


def test_a_line_that_is_not_permitted_is_a_port_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", library(OSError(13, "Permission denied")))
    with pytest.raises(PortError, match="Permission denied") as refusal:
        next(GpioEdges(Path("/dev/gpiochip0"), 17).edges())
    assert "group gpio" in refusal.value.hint


@pytest.mark.parametrize("module", [None, ModuleType("gpiod")])
def test_without_the_library_the_message_says_what_to_install(
    module: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", module)
    with pytest.raises(MeterError, match="libgpiod 2") as refusal:
        next(GpioEdges(Path("/dev/gpiochip0"), 17).edges())
    assert refusal.value.hint == "apt install python3-libgpiod"
