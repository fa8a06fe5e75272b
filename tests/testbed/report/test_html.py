"""The page: self-contained, accessible, the same each time, and not fooled by names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.report.html import report_html, verdict, write_report
from testbed.report.model import Expectation, FeederDay, ProsumerDay, ProsumerTrade
from testbed.report.plot_feeders import feeders
from tests.testbed.report.example import example_day, example_summary
from tests.testbed.report.page import Page

PLOTS = ["energy", "feeders", "optimality", "prosumer", "latency", "verification"]
HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}$x^$<img src=x>-->"


@pytest.fixture(scope="module")
def html() -> str:
    """The example's page."""
    return report_html(example_day())


def _outside(html: str) -> list[str]:
    """Everything in a page that would make a browser ask for something, or run something."""
    page = Page(html)
    found = [load for load in page.loads if not load.startswith("data:image/png;base64,")]
    found += [
        tag for tag in page.tags if tag in {"script", "link", "iframe", "object", "embed", "base", "form"}
    ]
    found += re.findall(r"https?:|@import|//[a-z]", html)
    found += [url for url in re.findall(r"url\(([^)]*)\)", html) if not url.startswith("#")]
    return found


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    assert _outside(html) == []
    assert "default-src 'none'" in html


@pytest.mark.parametrize(
    "planted",
    [
        '<script src="x.js"></script>',
        '<img src="https://example.org/x.png">',
        '<p style="background: url(x.png)"></p>',
        "<style>@import 'x.css';</style>",
        '<p onclick="x()"></p>',
        '<a href="//example.org">x</a>',
    ],
)
def test_the_scan_sees_what_a_browser_would_load(html: str, planted: str) -> None:
    assert _outside(html.replace("</footer>", planted + "</footer>"))


def test_ids_are_unique_and_references_lead_somewhere(html: str) -> None:
    page = Page(html)
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert set(page.references) <= set(page.ids)
    assert page.references, "clip paths at least"


def test_the_page_says_what_counts_first(html: str) -> None:
    text = " ".join("".join(Page(html).words).split())
    order = [
        "Sunday, 14 June 2026",
        "✓ PASS",
        "kWh traded",
        "% of the optimum",
        "proofs refused",
        "found a buyer",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    for words in (
        "What had to hold",
        "How to repeat this day",
        "gridlight-testbed run village --seed 1",
        "ab" * 32,
    ):
        assert words in text
    assert "CNS-05 2, MKT-03 1" in text


def test_every_plot_has_its_finding_drawings_title_and_numbers(html: str) -> None:
    figures = re.findall(r'<figure id="(\w+)">(.*?)</figure>', html, re.DOTALL)
    assert [name for name, _ in figures] == PLOTS
    for name, figure in figures:
        assert figure.count("<svg ") == 2, "one wide, one narrow"
        assert figure.count('role="img"') == figure.count("<title ") == figure.count("<desc ") == 2
        heading = re.search(r"<h2>(.*?)</h2>", figure)
        assert heading, name
        assert re.search(r"\d", heading[1]), "a finding has a number"
        assert re.search(r"<details>.*<table>.*<td data-label=", figure, re.DOTALL)


def test_the_same_day_gives_the_same_bytes(html: str, tmp_path: Path) -> None:
    write_report(example_day(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html


def test_it_is_small_enough_to_send(html: str) -> None:
    assert len(html) < 700_000


def test_hostile_names_stay_text() -> None:
    trade = ProsumerTrade(interval=50, buyer=HOSTILE, energy_j=3_600)
    day = example_day(
        scenario_name=HOSTILE,
        title=HOSTILE,
        command=HOSTILE,
        versions=((HOSTILE, HOSTILE),),
        prosumer=ProsumerDay(prosumer=HOSTILE, generation_j=(7_200,) * 96, trades=(trade,)),
        expectations=(Expectation(name=HOSTILE, passed=False, got=HOSTILE, expected=HOSTILE),),
    )
    html = report_html(day)
    assert _outside(html) == []
    text = "".join(Page(html).words)
    assert text.count(HOSTILE) >= 12, "every place shows it as it is, drawings included"


def test_a_broken_expectation_fails_the_page_and_comes_first() -> None:
    broken = Expectation(name="no fork", passed=False, got="1 fork at height 7", expected="0")
    held = Expectation(name="all is well", passed=True, got="yes", expected="yes")
    html = report_html(example_day(expectations=(held, broken)))
    assert "✗ FAIL" in html
    assert "✓ PASS" not in html
    assert "1 of 4 expectations broken; first: no fork, got 1 fork at height 7, expected 0." in html
    assert html.index("✗ broken") < html.index("✓ holds")


def test_a_feeder_above_its_limit_fails_the_day() -> None:
    day = example_day()
    over = FeederDay(feeder=9, c_ext_w=1_000, net_j=(900_001, *[0] * 95))
    above = replace(day, feeders=(*day.feeders, over))
    assert not above.passed
    assert feeders(above).finding.endswith("ABOVE IT IN 1")


def test_more_traded_than_the_bound_fails_the_day() -> None:
    day = example_day()
    bound = day.summary.traded_j - 3_600
    broken = replace(day, summary=example_summary(bound_j=bound, gap_j=-3_600))
    assert not broken.passed
    assert "no more traded than the proven bound" in verdict(broken)[0]


def test_what_was_not_observed_is_a_gap() -> None:
    day = example_day()
    half = tuple(value if at < 48 else None for at, value in enumerate(day.traded_j))
    seen = sum(value for value in half if value is not None)
    summary = example_summary(traded_j=seen, gap_j=day.summary.bound_j - seen)
    feeders = tuple(replace(feeder, net_j=(*feeder.net_j[:48], *[None] * 48)) for feeder in day.feeders)
    html = report_html(replace(day, traded_j=half, summary=summary, feeders=feeders))
    energy = html[html.index('<figure id="energy">') : html.index('<figure id="feeders">')]
    assert energy.count("not observed") == 48
    assert "pattern" in energy, "hatched"
    assert "of 144 feeder-intervals" in html


def test_a_day_without_trades_has_no_empty_plots() -> None:
    day = example_day()
    none = replace(
        day,
        summary=example_summary(
            traded_j=0, bound_j=0, gap_j=0, latency_p50_s=None, latency_p99_s=None, rejected=0, settled_uc=0
        ),
        traded_j=(0,) * 96,
        latencies_s=(),
        verifications=(),
        prosumer=None,
        bound_cumulative_j=(),
        rejected_by_rule=(),
    )
    html = report_html(none)
    assert re.findall(r'<figure id="(\w+)">', html) == ["energy", "feeders"]
    assert "no solver sent a false solution" in html
    assert "none possible" in html


def _variables(html: str) -> list[dict[str, tuple[float, float, float]]]:
    """The colours of the light and of the dark page, as linear red, green and blue."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    themes = []
    for block in re.findall(r":root \{(.*?)\}", html, re.DOTALL):
        found = re.findall(r"--(\w+): #(\w\w)(\w\w)(\w\w);", block)
        themes.append(
            {name: (linear(int(r, 16)), linear(int(g, 16)), linear(int(b, 16))) for name, r, g, b in found}
        )
    return themes


def _contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    light, dark = sorted((0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_graphics_can_be_told_from_their_ground(html: str) -> None:
    themes = _variables(html)
    assert len(themes) == 2
    for theme in themes:
        for ground in ("card", "page"):
            for ink in ("ink", "muted", "pass", "fail", "accent"):
                assert _contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
        for colour in ("blue", "vermilion", "green", "purple"):
            assert _contrast(theme[colour], theme["card"]) >= 3, colour


def test_the_contrast_check_knows_which_colours_fail_on_white() -> None:
    orange, white = _variables(":root { --orange: #e69f00; --white: #ffffff; }")[0].values()
    assert _contrast(orange, white) < 3


def test_drawings_have_no_ink_of_their_own(html: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL)).lower()
    fixed = set(re.findall(r"#[0-9a-f]{6}\b", drawings)) - {"#ffffff", "#000000"}
    assert fixed == set(), "only the marks on the heat map, whose colours stay"
    assert "currentcolor" in drawings
    assert "var(--blue)" in drawings
