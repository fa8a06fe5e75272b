"""The figures for Prometheus, and the Grafana board that is made of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.operator.dashboard.metrics import METRICS
from tests.deploy.operator.dashboard_kit import SIZE, made_up
from tests.deploy.operator.picture import text

REPOSITORY = Path(__file__).resolve().parents[3]
BOARD = REPOSITORY / "deploy" / "operator" / "grafana" / "fleet.json"
LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? ([0-9.e+-]+)')


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Prometheus gets of a fleet in every condition."""
    return text(made_up(tmp_path_factory.mktemp("figures")), "/metrics")


def samples(scraped: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for line in scraped.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            labels = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            found.setdefault(match[1], []).append((labels, float(match[3])))
    return found


def test_every_figure_is_told_and_adds_up(scraped: str) -> None:
    found = samples(scraped)
    assert set(found) == set(METRICS)
    enrolled = {labels["state"]: value for labels, value in found["gridlight_fleet_devices"]}
    assert enrolled == {"expected": 1, "enrolled": SIZE, "revoked": 0}
    assert sum(value for _, value in found["gridlight_fleet_feeder_devices"]) == SIZE
    assert found["gridlight_fleet_online"] == [({}, SIZE - 3)]
    alarms = {labels["alarm"]: value for labels, value in found["gridlight_fleet_alarms"]}
    assert alarms == {"evidence": 1, "halted": 1, "meter": 1}
    for version in ("1", "2"):
        outcomes = [
            v for labels, v in found["gridlight_fleet_rollout_devices"] if labels["version"] == version
        ]
        assert sum(outcomes) == SIZE + 1, "with the one that is expected"
    types = re.findall(r"# TYPE (\w+) (\w+)", scraped)
    assert {name for name, kind in types if kind == "counter"} == {"gridlight_fleet_events_total"}


def test_nothing_of_a_single_meter_is_told(scraped: str) -> None:
    assert "meter-00" not in scraped


def test_the_board_asks_for_figures_that_exist_and_for_all_of_them() -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    named = {name for expression in asked for name in re.findall(r"gridlight_[a-z_]+", expression)}
    assert named == set(METRICS)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = [(p["x"], p["y"], p["w"], p["h"]) for p in (panel["gridPos"] for panel in board["panels"])]
    cells = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    assert len(cells) == len(set(cells)), "no panel lies on another"
    assert all(x + w <= 24 for x, _, w, _ in places)
    assert all(panel["description"] for panel in board["panels"])
    assert not any(panel["fieldConfig"]["defaults"]["custom"].get("spanNulls") for panel in board["panels"])


def test_labels_on_the_board_are_labels_of_the_figures(scraped: str) -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    found = samples(scraped)
    for panel in board["panels"]:
        for target in panel["targets"]:
            names = re.findall(r"gridlight_[a-z_]+", target["expr"])
            known = {label for name in names for labels, _ in found[name] for label in labels}
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            used |= {
                label for part in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in part.split(", ")
            }
            assert used <= known, panel["title"]


def test_the_guide_lists_every_figure() -> None:
    guide = (REPOSITORY / "docs" / "operators.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(gridlight_fleet_\w+)`", guide, flags=re.MULTILINE)) == set(METRICS)
