"""The week of mishaps: scripts are read, everything is begun and ended once, and does the harm that it should."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from firmware_app.runtime.clock import Clock
from light_client.session.actor import Write
from light_client.store.errors import StoreDamagedError
from light_client.store.sqlite import SqliteStorage
from testbed.boards.lines import Lines
from testbed.fleet.virtual_meters.script import FaultKind
from testbed.live.up import Running, Show
from testbed.week.board import Board
from testbed.week.mishaps import ON_CARD, WEEK, Kind, Mishap, faults_of
from testbed.week.playing import Player, without_card


@pytest.mark.parametrize("text", ["tier-gone@288+96", "power-cut@40"])
def test_a_mishap_is_written_as_it_is_read(text: str) -> None:
    assert str(Mishap.parse(text)) == text


@pytest.mark.parametrize("text", ["", "tier-gone", "tier-gone@", "tier-gone@-1", "flood@3", "power-cut@4+"])
def test_what_is_no_mishap_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="a mishap looks like"):
        Mishap.parse(text)


def test_the_week_has_everything_and_a_quiet_end() -> None:
    assert {mishap.kind for mishap in WEEK} == set(Kind)
    assert max(mishap.first + mishap.intervals for mishap in WEEK) < 6 * 96


def test_without_a_card_everything_else_still_happens() -> None:
    left = without_card(WEEK)
    assert {mishap.kind for mishap in left} == set(Kind) - ON_CARD
    assert len(WEEK) - len(left) == 4


def test_the_meters_part_is_on_the_meters_time() -> None:
    script = faults_of(
        [Mishap.parse("unplugged@4+2"), Mishap.parse("power-cut@4")],
        first_ms=10_000_000,
        length_ms=1_000,
        plugged_ms=9_999_000,
    )
    (fault,) = script.faults
    assert (fault.kind, fault.start_ms, fault.end_ms) == (FaultKind.UNPLUG, 5_500, 7_500)


class _Card:
    """Writes down what is done to it, where the board does."""

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def __getattr__(self, name: str) -> Any:
        return lambda: self._done.append(name)


class _Board:
    """Writes down what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.weighed_ms: list[int] = []
        self.card = _Card(self.done)
        self.process = SimpleNamespace(poll=lambda: None)

    def shortest_log(self) -> int:
        return 77

    def weigh(self, at_ms: int) -> None:
        self.weighed_ms.append(at_ms)

    def __getattr__(self, name: str) -> Any:
        return lambda *words: self.done.append(" ".join([name, *map(str, words)]))


class _Now:
    at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms


class _Nothing:
    def starting(self, ready: int, total: int) -> None:
        pass

    def begun(self, running: Running) -> None:
        pass

    def progress(self, running: Running, view: object) -> None:
        pass


def _played(*texts: str, until: int) -> tuple[list[str], list[str]]:
    """Let mishaps of the first intervals happen; return what was done to board and line."""
    board, on_line = _Board(), list[str]()
    lines = SimpleNamespace(cut=lambda _: on_line.append("cut"), mend=lambda _: on_line.append("mend"))
    player = Player(
        show=cast("Show", _Nothing()),
        board=cast("Board", board),
        lines=cast("Lines", lines),
        mishaps=tuple(map(Mishap.parse, texts)),
    )
    scenario = SimpleNamespace(interval_s=1, first_interval=100)
    now = _Now()
    running = SimpleNamespace(clock=now, deployment=SimpleNamespace(cast=SimpleNamespace(scenario=scenario)))
    for at in range(100_000, 100_000 + until * 1_000, 100):
        now.at_ms = at
        player.progress(cast("Running", running), cast("Any", None))
    return board.done, on_line


def test_its_memory_is_looked_at_once_in_each_interval() -> None:
    board = _Board()
    player = Player(
        show=cast("Show", _Nothing()), board=cast("Board", board), lines=cast("Lines", None), mishaps=()
    )
    scenario = SimpleNamespace(interval_s=1, first_interval=100)
    now = _Now()
    running = SimpleNamespace(clock=now, deployment=SimpleNamespace(cast=SimpleNamespace(scenario=scenario)))
    for now.at_ms in range(100_000, 103_000, 100):
        player.progress(cast("Running", running), cast("Any", None))
    assert board.weighed_ms == [100_000, 101_000, 102_000]


def test_what_is_over_at_once_happens_once() -> None:
    done, _ = _played("power-cut@1", "page-of-history@2", until=5)
    assert done == [
        *("kill", "tear market.sqlite", "tear history.sqlite", "switch_on"),
        *("kill", "damage history.sqlite", "switch_on"),
    ]


def test_what_lasts_is_put_right_at_its_end() -> None:
    done, on_line = _played("disk-full@0+1", "disk-dead@2+1", "clock-back@4+1", "tier-gone@4+1", until=7)
    assert done == [
        *("limit_disk 77", "limit_disk None", "limit_disk 0", "limit_disk None"),
        *("set_wall_clock -86400000", "set_wall_clock 0"),
    ]
    assert on_line == ["cut", "mend"]
    done, _ = _played("card-full@0+1", "card-failed@2+1", until=5)
    assert done == ["fill", "drain", "fail", "kill", "repair", "switch_on"], (
        "repaired while nobody has a file open"
    )
    _, on_line = _played("tier-gone@4+3", until=7)
    assert on_line == ["cut"], "not before its end"


def test_a_life_that_ends_by_itself_is_begun_again_as_by_systemd() -> None:
    board, lines = _Board(), SimpleNamespace(cut=lambda _: None, mend=lambda _: None)
    board.process = SimpleNamespace(poll=lambda: 70)
    player = Player(
        show=cast("Show", _Nothing()),
        board=cast("Board", board),
        lines=cast("Lines", lines),
        mishaps=(Mishap.parse("tier-gone@0+1"),),
    )
    now = SimpleNamespace(now_ms=lambda: 100_700)
    scenario = SimpleNamespace(interval_s=1, first_interval=100)
    running = SimpleNamespace(clock=now, deployment=SimpleNamespace(cast=SimpleNamespace(scenario=scenario)))
    player.progress(cast("Running", running), cast("Any", None))
    assert (player.died, board.done) == ([70], ["switch_on"])
    assert player.lasting == (Mishap.parse("tier-gone@0+1"),)


def _board(folder: Path) -> Board:
    board = Board(folder=folder, deployment=cast("Any", None), home=cast("Any", None), day=cast("Any", None))
    board.data.mkdir()
    return board


def test_half_a_write_leaves_what_is_in_the_log_alone(tmp_path: Path) -> None:
    board = _board(tmp_path)
    (board.data / "history.sqlite-wal").write_bytes(b"log")
    board.tear("history.sqlite")
    board.tear("market.sqlite")
    assert (board.data / "history.sqlite-wal").read_bytes()[:3] == b"log"
    assert (board.data / "history.sqlite-wal").stat().st_size == 3 + 512
    assert not (board.data / "market.sqlite-wal").exists()


def test_a_page_becomes_rubbish_where_it_is_noticed_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    board = _board(tmp_path)
    path = board.data / "market.sqlite"
    with SqliteStorage(path, page_bytes=1_024) as storage:
        for area in ("meter/orders", "meter/wallet"):
            storage.commit([Write(table=area, key=bytes([key]), value=bytes(200)) for key in range(40)])
        storage.commit([Write(table="meter/wallet", key=bytes([key]), value=None) for key in range(40)])
    before = path.read_bytes()
    assert board.damage("market.sqlite", b"/orders")
    after = path.read_bytes()
    pages = range(0, len(before), 1_024)
    (changed,) = [at for at in pages if before[at : at + 1_024] != after[at : at + 1_024]]
    assert b"/orders" in before[changed : changed + 1_024]
    with pytest.raises(StoreDamagedError):
        SqliteStorage(path)
    assert not board.damage("market.sqlite", b"no page has this")


def test_a_limit_on_the_disk_outlives_the_life_that_it_was_set_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = _board(tmp_path)
    limited: list[int | None] = []
    monkeypatch.setattr(Board, "limit_disk", lambda _, most: limited.append(most))
    board.clock = Clock(start_real_ms=0, start_virtual_ms=0, speed=1)
    board._largest_bytes = 0
    monkeypatch.setattr("testbed.week.board._ROOT", Path("/nowhere"))
    board.switch_on()
    assert limited == [0]
    board.kill()
    assert board.end() != 0
