"""The week of mishaps: scripts are read, everything is begun and ended once, and each kind of harm is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from firmware_app.store.rows import EventRow, IntervalRow, TradeRow
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import Address, FeederId, OfferId, Side
from meter_io.span import Basis
from testbed.fleet.virtual_meters.script import FaultKind
from testbed.live.board import Board
from testbed.live.line import Line
from testbed.live.up import Running, Show
from testbed.live.week import WEEK, Kind, Mishap, Player, faults_of
from testbed.live.week_check import Left, findings

_KWH = 3_600_000
_S = 900


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


def test_the_meters_part_is_on_the_meters_time() -> None:
    script = faults_of(
        [Mishap.parse("unplugged@4+2"), Mishap.parse("power-cut@4")],
        first_ms=10_000_000,
        length_ms=1_000,
        plugged_ms=9_999_000,
    )
    (fault,) = script.faults
    assert (fault.kind, fault.start_ms, fault.end_ms) == (FaultKind.UNPLUG, 5_500, 7_500)


class _Board:
    """Writes down what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.process = SimpleNamespace(poll=lambda: None)

    def largest_file(self) -> int:
        return 77

    def __getattr__(self, name: str) -> Any:
        return lambda *words: self.done.append(" ".join([name, *map(str, words)]))


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
    line = SimpleNamespace(cut=lambda: on_line.append("cut"), mend=lambda: on_line.append("mend"))
    player = Player(
        show=cast("Show", _Nothing()),
        board=cast("Board", board),
        lines=(cast("Line", line),),
        mishaps=tuple(map(Mishap.parse, texts)),
    )
    scenario = SimpleNamespace(interval_s=1, first_interval=100)
    now = SimpleNamespace(now_ms=lambda: now.at)
    running = SimpleNamespace(clock=now, deployment=SimpleNamespace(cast=SimpleNamespace(scenario=scenario)))
    for at in range(100_000, 100_000 + until * 1_000, 100):
        now.at = at
        player.progress(cast("Running", running), cast("Any", None))
    return board.done, on_line


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
    _, on_line = _played("tier-gone@4+3", until=7)
    assert on_line == ["cut"], "not before its end"


# -- what is found ---------------------------------------------------------------------------------------------------


def _offer(number: int, energy_j: int = _KWH) -> OpenOffer:
    return OpenOffer(
        offer_id=OfferId(number),
        side=Side.SELL,
        feeder=FeederId(1),
        remaining_j=energy_j,
        ranges=((3, 3),),
        price_uc_per_kwh=100_000,
        address=Address(number.to_bytes(20, "big")),
        escrow_uc=0,
    )


def _interval(number: int, basis: Basis = Basis.MEASURED) -> IntervalRow:
    return IntervalRow(
        at_ms=(number + 1) * _S * 1_000,
        meter="house",
        interval=number,
        import_j=0,
        export_j=_KWH,
        basis=basis,
        covered_ms=_S * 1_000,
    )


_TRADE = Trade(offer_id=1, side=Side.SELL, interval=3, energy_j=_KWH, amount_uc=1_000)
_ROW = TradeRow(
    at_ms=4 * _S * 1_000,
    address=bytes(20),
    offer_id=1,
    side=Side.SELL,
    interval=3,
    energy_j=_KWH,
    amount_uc=1_000,
    height=9,
)
_GOOD = Left(
    orders=(),
    offers=(_offer(1),),
    trades=(_TRADE,),
    trade_rows=(_ROW,),
    intervals=tuple(map(_interval, range(6))),
    events=(),
)


def _found(left: Left) -> list[str]:
    board = cast("Board", SimpleNamespace(net_at=lambda _: -_KWH))
    return findings(left, board, first=0, last=6, interval_s=_S)


def test_a_good_week_has_no_findings() -> None:
    assert _found(_GOOD) == []


def test_an_interval_or_an_address_that_is_offered_twice_is_found() -> None:
    (sentence,) = _found(replace(_GOOD, offers=(_offer(1), _offer(2))))
    assert sentence.startswith("interval 3: ")
    again = _offer(2, 1_000)._replace(address=_offer(1).address)
    (sentence,) = _found(replace(_GOOD, offers=(_offer(1), again)))
    assert "offered 2 times" in sentence


def test_a_lost_trade_is_found() -> None:
    (sentence,) = _found(replace(_GOOD, trade_rows=()))
    assert sentence == "trade of offer 1 in interval 3 is on no record"


def test_a_gap_is_found_unless_an_event_tells_of_it() -> None:
    without = tuple(row for row in _GOOD.intervals if row.interval != 2)
    assert _found(replace(_GOOD, intervals=without)) == ["interval 2 is missing"]
    guessed = (*without, _interval(2, Basis.ESTIMATED))
    assert _found(replace(_GOOD, intervals=guessed)) == ["interval 2 is estimated, and nothing says why"]
    cut = EventRow(at_ms=2 * _S * 1_000 + 5, name="store.cut-off")
    assert _found(replace(_GOOD, intervals=guessed, events=(cut,))) == []
    assert _found(replace(_GOOD, intervals=(*_GOOD.intervals, _interval(2)))) == [
        "1 intervals were counted twice"
    ]


def test_half_a_write_and_a_page_of_rubbish_leave_the_rest_alone(tmp_path: Path) -> None:
    board = Board(
        folder=tmp_path, deployment=cast("Any", None), home=cast("Any", None), day=cast("Any", None)
    )
    board.data.mkdir()
    (board.data / "history.sqlite").write_bytes(bytes(4_096))
    (board.data / "history.sqlite-wal").write_bytes(b"log")
    board.tear("history.sqlite")
    board.damage("history.sqlite")
    assert (board.data / "history.sqlite-wal").read_bytes()[:3] == b"log"
    assert (board.data / "history.sqlite-wal").stat().st_size == 3 + 512
    pages = (board.data / "history.sqlite").read_bytes()
    assert pages[:3_072] == bytes(3_072)
    assert pages[3_072:] != bytes(1_024)
