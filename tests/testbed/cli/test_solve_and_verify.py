"""`solve` proves a day and writes it down; `verify` believes nothing of what it reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from firmware_app.console import Exit
from light_client.rules.encoding import decode, encode
from testbed import cli
from testbed.solver.solution_file import MAX_ITEMS


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("solution") / "village.solution"
    assert cli.main(["solve", "village", "--out", str(path), "--quiet"]) == Exit.OK
    return path


def _altered(path: Path, target: Path, change: Callable[[list[Any]], None]) -> Path:
    value = decode(path.read_bytes(), max_bytes=1 << 26, max_depth=9, max_items=MAX_ITEMS)
    lists = _thawed(value)
    change(lists)
    target.write_bytes(encode(lists))
    return target


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if type(value) is tuple else value


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_an_honest_file_is_accepted(village: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(village), "--json"]) == Exit.OK
    document = _json(capsys)
    assert next(iter(document)) == "schema"
    assert document["verdict"] == "accepted"
    assert document["gap_j"] == 0
    assert document["planned_j"] > 0


def test_solve_prints_what_it_proved(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["solve", "village", "--window", "2", "--json", "--quiet"]) == Exit.OK
    document = _json(capsys)
    keys = ["traded_j", "bound_j", "gap_j", "tie_break", "offers", "solve_s", "verify_s", "certificate_bytes"]
    assert next(iter(document)) == "schema"
    assert set(keys) <= set(document)
    assert document["traded_j"] == document["bound_j"] > 0
    assert document["clearings"] == 96


def test_a_rolling_day_is_accepted_step_by_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rolling.solution"
    assert cli.main(["solve", "village", "--window", "3", "--out", str(path), "--quiet"]) == Exit.OK
    capsys.readouterr()
    assert cli.main(["verify", str(path), "--json"]) == Exit.OK
    assert _json(capsys)["clearings"] == 96


def _worse_plan(lists: list[Any]) -> None:
    sale = next(row for row in lists[4][0][2][0][1] if row[0] == 0)
    sale[4][-1] -= 3_600


def _overdrawn(lists: list[Any]) -> None:
    sale = next(row for row in lists[4][0][2][0][1] if row[0] == 0)
    sale[4][-1] += 1 << 30


def _falling_schedule(lists: list[Any]) -> None:
    row = lists[4][0][2][1][0][1][0]
    row[1], row[2] = [0, 1], [5, 4]


def _no_certificates(lists: list[Any]) -> None:
    lists[4][0][2][1] = []


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (_worse_plan, {"MKT-27", "MKT-29", "MKT-18"}),
        (_overdrawn, {"MKT-12", "MKT-14", "MKT-27"}),
        (_falling_schedule, {"MKT-21"}),
        (_no_certificates, {"MKT-28"}),
    ],
)
def test_a_false_solution_is_refused_by_rule(
    village: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[Any]], None],
    rules: set[str],
) -> None:
    path = _altered(village, tmp_path / "false.solution", change)
    assert cli.main(["verify", str(path), "--json"]) == Exit.FAILED
    document = _json(capsys)
    assert document["verdict"] == "rejected"
    assert document["rule"] in rules
    assert document["rule"] in document["reason"]


def _set(*keys: Any) -> Callable[[list[Any]], None]:
    *path, last, value = keys

    def change(lists: list[Any]) -> None:
        at: Any = lists
        for key in path:
            at = at[key]
        at[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_set(0, "something-else"), "kind and version"),
        (_set(1, 2), "kind and version"),
        (_set(2, []), "parameters"),
        (_set(2, 0, 0), "parameters"),
        (_set(2, 5, [7, 7]), "parameters"),
        (_set(3, []), "feeders"),
        (_set(3, 0, 1, -5), "feeder 0"),
        (_set(4, 7), "clearings"),
        (_set(4, 0, 0, b"x"), "clearing 0, first interval"),
        (_set(4, 0, 1, 0, 1, 2), "side"),
        (_set(4, 0, 1, 0, 2, 999), "feeder"),
        (_set(4, 0, 1, 0, 3, -1), "price"),
        (_set(4, 0, 1, 0, 4, [1]), "intervals"),
        (_set(4, 0, 1, 0, 4, [0, 1 << 40]), "intervals"),
        (_set(4, 0, 1, 0, 4, [5, 3]), "intervals"),
        (_set(4, 0, 1, 0, 5, 0), "energy"),
        (_set(4, 0, 1, 1, 0, 0), "number"),
    ],
)
def test_a_malformed_file_is_one_sentence_that_names_the_field(
    village: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[list[Any]], None],
    field: str,
) -> None:
    path = _altered(village, tmp_path / "odd.solution", change)
    assert cli.main(["verify", str(path)]) == Exit.USAGE
    said = capsys.readouterr().err
    sentence, *rest = said.splitlines()
    assert str(path) in sentence
    assert field in sentence
    assert [line.split(":")[0] for line in rest] == ["  next"]


def test_hostile_bytes_never_crash_it(village: Path, tmp_path: Path) -> None:
    data, random = village.read_bytes(), Random(5)
    path = tmp_path / "hostile.solution"
    codes = set()
    for _ in range(60):
        broken = bytearray(data[: random.choice((len(data), len(data) // 2, 40))])
        for _ in range(random.randint(1, 4)):
            broken[random.randrange(len(broken))] = random.randrange(256)
        path.write_bytes(bytes(broken))
        codes.add(cli.main(["verify", str(path), "--quiet"]))
    assert codes <= {Exit.OK, Exit.FAILED, Exit.USAGE}
    assert Exit.USAGE in codes


@pytest.mark.parametrize(
    "words",
    [
        ["solve"],
        ["solve", "village", "--transax", "."],
        ["solve", "--transax", "."],
        ["solve", "--transax", ".", "--c-ext-w", "20000"],
        ["solve", "nowhere"],
        ["solve", "village", "--window", "1"],
        ["solve", "village", "--window", "2", "--offline"],
        ["solve", "village", "--out", "/nowhere/file"],
        ["verify", "nowhere.solution"],
    ],
)
def test_wrong_use_is_said_and_not_a_crash(words: list[str]) -> None:
    assert cli.main(words) == Exit.USAGE


def test_published_day(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, path = shared_data / "transax" / "withBattery", tmp_path / "day.solution"
    words = [
        "solve",
        "--transax",
        str(folder),
        "--c-ext-w",
        "20000",
        "--offline",
        "--json",
        "--out",
        str(path),
    ]
    assert cli.main(words) == Exit.OK
    document = _json(capsys)
    assert document["traded_j"] == document["bound_j"] == 3_099_420_000
    assert cli.main(["verify", str(path)]) == Exit.OK
