"""docs/status.md says what the program does: every notice, check, part, key and field."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from firmware_app.clock.params import ClockParams
from firmware_app.journal import LogParams
from firmware_app.status import snapshot, wording
from firmware_app.status.checks import EXPLAINED
from firmware_app.status.conditions import CONDITIONS
from firmware_app.status.params import StatusParams
from firmware_app.watchdog.parts import WatchdogParams

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "status.md").read_text(encoding="utf-8")
SECTIONS: dict[str, tuple[type[Any], ...]] = {
    "device": (snapshot.Device,),
    "life": (snapshot.Life,),
    "board": (snapshot.Board,),
    "meters[]": (snapshot.MeterView,),
    "clock": (snapshot.ClockView,),
    "market": (snapshot.MarketView, snapshot.Position),
    "battery": (snapshot.BatteryView,),
    "owed": (snapshot.OwedView,),
    "proof": (snapshot.ProofView,),
    "links[]": (snapshot.LinkView,),
    "forecast": (snapshot.ForecastView,),
    "store": (snapshot.StoreView,),
    "config": (snapshot.ConfigView,),
    "slots[]": (snapshot.SlotView,),
    "parts[]": (snapshot.PartView,),
    "day[]": (snapshot.DayPoint,),
    "notices[]": (snapshot.Notice,),
}


def row(chapter: str, first: str) -> str:
    """The row of a chapter's table that begins with a name."""
    text = PAGE.split(f"\n## {chapter}\n")[1].split("\n## ")[0]
    (found,) = re.findall(rf"^\| `{re.escape(first)}` \| (.*) \|$", text, flags=re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_is_documented(section: str) -> None:
    named = set(re.findall(r"`([a-z0-9_]+)`", row("The document `gridlight.status/1`", section)))
    expected = {field.name for kind in SECTIONS[section] for field in fields(kind)}
    assert expected - named == set()


def test_every_section_is_documented() -> None:
    there = {field.name for field in fields(snapshot.Snapshot)}
    documented = {name.removesuffix("[]") for name in SECTIONS}
    assert documented | {"made_utc_ms", "made_monotonic_ms", "zone_offset_s"} == there


def test_every_notice_is_documented_as_it_is() -> None:
    documented = re.findall(
        r"^\| `([a-z-]+)` \| `([a-z]+)` \| (failure|warning) \| (.+?) \| (.+?) \|$", PAGE, flags=re.MULTILINE
    )
    expected = [
        (
            condition.code,
            condition.check,
            condition.severity,
            wording.span(condition.after_ms) if condition.after_ms else "at once",
            ", ".join(f"`{code}`" for code in condition.root_causes) or "-",
        )
        for condition in CONDITIONS
    ]
    assert documented == expected


@pytest.mark.parametrize("check", EXPLAINED)
def test_every_check_is_documented(check: str) -> None:
    assert f"| `{check}` | {EXPLAINED[check]} |" in PAGE


@pytest.mark.parametrize("part", WatchdogParams().parts(("PORT",)), ids=lambda part: part.name)
def test_every_part_is_documented_with_its_limit(part: Any) -> None:
    said = row("Watchdog", part.name)
    assert f"{part.limit_ms // 1_000} s" in said
    assert part.fresh in said


@pytest.mark.parametrize("kind", [StatusParams, LogParams, ClockParams, WatchdogParams])
def test_every_setting_is_documented(kind: type[Any]) -> None:
    missing = [field.name for field in fields(kind) if f"`{field.name}`" not in PAGE]
    assert missing == []
