"""The page: well-formed, self-contained, safe, and there for every device that could be."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings

from firmware_app.status import chart, page
from firmware_app.status.snapshot import Absent, DayPoint, Snapshot
from firmware_app.status.style import CSS, CSS_HASH
from tests.firmware_app.status.made_up import SNAPSHOTS
from tests.firmware_app.status.test_terminal import judged
from tests.status_kit import BARE, FAILED, TRADING

VOID = {"meta", "link", "br", "rect", "path"}
OPTIONAL_END = {"tr", "td", "th"}


class Reader(HTMLParser):
    """Collects tags, attributes and text; complains about tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID | OPTIONAL_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID | OPTIONAL_END:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def is_safe(reader: Reader) -> bool:
    """No scripts, no handlers, no inline styles, nothing from elsewhere."""
    if {"script", "iframe", "object", "embed", "img", "form", "base"} & set(reader.tags):
        return False
    for _, name, value in reader.attributes:
        if name.startswith("on") or name == "style":
            return False
        if name in {"href", "src"} and value not in {"data:,", "/status.json", "/metrics"}:
            return False
    return True


@pytest.mark.parametrize("snapshot", [TRADING, FAILED, BARE])
def test_it_is_well_formed_self_contained_and_small(snapshot: Snapshot) -> None:
    text = page.render(judged(snapshot))
    reader = read(text)
    assert is_safe(reader)
    assert len(text.encode()) < 30_000
    assert "url(" not in CSS
    assert "@import" not in CSS
    assert ("html", "lang", "en") in reader.attributes


def test_it_says_first_what_matters_first() -> None:
    text = read(page.render(judged(FAILED), age_ms=41_000)).text
    places = [
        text.index(words)
        for words in (
            "Degraded",
            "41 s ago: the device does not renew it",
            "Nothing can be written: disk I/O error",
            "Now: house",
            "Proven",
            "Last 24 hours",
            "Clock",
            "genesis 9f31",
        )
    ]
    assert places == sorted(places)
    assert "ago: the device" not in page.render(TRADING, age_ms=29_000)


def test_the_trading_device_shows_power_with_its_direction_in_words() -> None:
    text = read(page.render(judged(TRADING))).text
    for words in (
        "2.31 kW",
        "exporting",
        "0.89 EUR",
        "Whole solutions",
        "6 of 7 signatures, 5 needed",
        "witness-2",
    ):
        assert words in text
    assert "✓" in text


def test_without_a_snapshot_it_says_why() -> None:
    reader = read(page.failed("cannot read <the store>"))
    assert is_safe(reader)
    assert "Cannot read <the store>" in reader.text


@settings(max_examples=60)
@given(SNAPSHOTS)
def test_no_device_breaks_the_page_or_gets_a_script_into_it(snapshot: Snapshot) -> None:
    assert is_safe(read(page.render(snapshot)))


def test_a_page_that_does_not_escape_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "escape", lambda text: text)
    spoilt = replace(TRADING, device=replace(TRADING.device, name="<script>alert(1)</script>"))
    assert not is_safe(read(page.render(spoilt)))


def test_the_policy_names_this_very_sheet() -> None:
    digest = hashlib.sha256(CSS.encode()).digest()
    assert base64.b64decode(CSS_HASH.removeprefix("sha256-")) == digest
    (sheet,) = re.findall(r"<style>(.*?)</style>", page.render(BARE), flags=re.DOTALL)
    assert sheet == CSS


# -- drawings --------------------------------------------------------------------------------------------------------


def contrast(one: str, other: str) -> float:
    """Ratio of two colours, by WCAG 2.2."""

    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        if len(digits) == 3:
            digits = "".join(2 * digit for digit in digits)
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_colours_can_be_told_from_the_paper_in_light_and_dark() -> None:
    light, dark = (
        dict(re.findall(r"--(\w+):(#\w+)", part))
        for part in re.findall(r":root\{(.*?)\}", CSS, flags=re.DOTALL)
    )
    for theme in (light, dark):
        for ground in ("paper", "card"):
            for ink in ("ink", "soft", "ok", "warn", "bad"):
                assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground, theme[ground])
            for shape in ("in", "out"):
                assert contrast(theme[shape], theme[ground]) >= 3, (shape, ground, theme[ground])


def day(*values: int | Absent) -> list[DayPoint]:
    return [DayPoint(interval=at, net_j=value, traded_j=Absent("none")) for at, value in enumerate(values)]


def test_a_missing_value_is_a_gap_and_never_zero_or_a_joining_line() -> None:
    drawn = chart.day(day(900_000, Absent("cut"), Absent("cut"), 900_000), 900, 0)
    (area,) = re.findall(r'<path class="in" d="([^"]*)"', drawn)
    assert area == "M0 168V0H1V168ZM3 168V0H4V168Z"
    assert re.findall(r'class="gap" x="(\d+)" y="0" width="(\d+)"', drawn) == [("1", "2")]


def test_intervals_that_are_not_even_there_are_a_gap_too() -> None:
    points = [point for point in day(1, 1, 1, 1, 1) if point.interval not in {1, 2}]
    drawn = chart.day(points, 900, 0)
    assert re.findall(r'class="gap" x="(\d+)" y="0" width="(\d+)"', drawn) == [("1", "2")]


def test_the_day_is_the_last_one_in_order_and_without_doubles() -> None:
    scattered = [*reversed(day(*range(150))), DayPoint(interval=149, net_j=7, traded_j=7)]
    kept = chart.recent(scattered)
    assert [point.interval for point in kept] == list(range(50, 150))
    assert kept[-1].net_j == 7
    assert chart.recent([]) == []


def test_the_scale_holds_every_value_and_zero() -> None:
    assert chart.scale(day(900_000, -2_250_000), 900) == (-3_000, 1_000)
    assert chart.scale(day(0), 900) == (0, 100)
    assert [chart.nice(value) for value in (0, 1, 100, 101, 2_400, 3_001)] == [0, 100, 100, 200, 3_000, 5_000]


def test_the_title_states_what_the_drawing_shows() -> None:
    points = [
        DayPoint(interval=0, net_j=3_600_000, traded_j=1_800_000),
        DayPoint(interval=1, net_j=-7_200_000, traded_j=-3_600_000),
        DayPoint(interval=2, net_j=Absent("cut"), traded_j=Absent("cut")),
    ]
    assert chart.summary(points) == (
        "Fed in 2.0 kWh and sold 1.0 kWh; drew 1.0 kWh and bought 0.5 kWh; 1 interval without readings"
    )
