"""The promises after a week of mishaps: a good week keeps them, and each kind of harm breaks the right one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_app.store.rows import EventRow, IntervalRow
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import Address, FeederId, OfferId, Side
from meter_io.span import Basis
from testbed.week.left import DayBooks, DaySum, Left, Posted
from testbed.week.mishaps import Mishap
from testbed.week.promises import Played, Week, back_after, on_record, promises

_KWH = 3_600_000
_S = 900
_MS = _S * 1_000
_LAST = 30


def _offer(number: int, interval: int = 3, energy_j: int = _KWH, side: Side = Side.SELL) -> OpenOffer:
    return OpenOffer(
        offer_id=OfferId(number),
        side=side,
        feeder=FeederId(1),
        remaining_j=energy_j,
        ranges=((interval, interval),),
        price_uc_per_kwh=100_000,
        address=Address(number.to_bytes(20, "big")),
        escrow_uc=0,
    )


def _interval(
    number: int, basis: Basis = Basis.MEASURED, *, export_j: int = _KWH, reason: str = ""
) -> IntervalRow:
    return IntervalRow(
        at_ms=(number + 1) * _MS,
        meter="house",
        interval=number,
        import_j=0,
        export_j=export_j,
        basis=basis,
        covered_ms=_MS,
        reason=reason,
    )


_TRADE = Trade(offer_id=1, side=Side.SELL, interval=3, energy_j=_KWH, amount_uc=1_000)
_SUM = DaySum(metered_j=_KWH, traded_j=_KWH, received_uc=1_000, owed_uc=0)
GOOD = Left(
    posted=(Posted(2 * _MS, _offer(1)), Posted(6 * _MS, _offer(2, 7))),
    trades=(_TRADE,),
    flows=dict.fromkeys(range(_LAST + 1), (0, _KWH)),
    known_trades={(1, 3): (_KWH, 1_000)},
    intervals=tuple(map(_interval, range(_LAST))),
    readings_ms=tuple(range(0, _LAST * _MS, 30_000)),
    events=(),
    days=(DayBooks(day=0, theirs=_SUM, ours=_SUM),),
)
_MISHAP = Played(Mishap.parse("power-cut@4"), 4 * _MS, 4 * _MS)
WEEK = Week(first=0, last=_LAST, interval_s=_S, mishaps=(_MISHAP,), code=0)


def _broken(left: Left = GOOD, week: Week = WEEK) -> dict[str, tuple[str, ...]]:
    return {one.name: one.broken for one in promises(left, week) if one.broken}


def test_a_good_week_keeps_every_promise_and_says_how_much_was_looked_at() -> None:
    assert _broken() == {}
    assert {one.name: one.checked for one in promises(GOOD, WEEK)} == {
        "no double offer": 2,
        "no lost trade": 1,
        "no untold gap": _LAST,
        "no wrong energy": _LAST,
        "no lost report": 1,
        "no hand": 1,
    }
    assert back_after(GOOD, WEEK, _MISHAP) == 2


@pytest.mark.parametrize(
    ("offer", "sentence"),
    [
        (_offer(3), "interval 3: 7200000 J offered"),
        (_offer(3, 8, side=Side.BUY), "interval 8: 3600000 J offered (BUY), 0 J flowed"),
        (_offer(3, 8, 1_000)._replace(address=_offer(1).address), "made 2 offers"),
        (_offer(3, 8, 1_000)._replace(ranges=((8, 9),)), "there is no battery"),
    ],
)
def test_what_is_offered_twice_is_found(offer: OpenOffer, sentence: str) -> None:
    found = _broken(replace(GOOD, posted=(*GOOD.posted, Posted(7 * _MS, offer))))
    assert found.keys() == {"no double offer"}
    assert sentence in found["no double offer"][0]


def test_a_lost_a_changed_and_an_invented_trade_are_found() -> None:
    assert _broken(replace(GOOD, known_trades={})) == {
        "no lost trade": ("trade of offer 1 in interval 3 is on no record",)
    }
    (changed,) = _broken(replace(GOOD, known_trades={(1, 3): (_KWH, 999)}))["no lost trade"]
    assert "999" in changed
    (invented,) = _broken(replace(GOOD, known_trades={**GOOD.known_trades, (2, 7): (1, 1)}))["no lost trade"]
    assert invented == "trade of offer 2 in interval 7 is on record, and not on the chain"


def test_the_very_last_trade_may_still_be_on_its_way() -> None:
    assert _broken(replace(GOOD, trades=(*GOOD.trades, _TRADE._replace(interval=_LAST)))) == {}


def test_an_interval_that_is_missing_doubled_or_without_a_reason_is_found() -> None:
    without = tuple(row for row in GOOD.intervals if row.interval != 2)
    assert _broken(replace(GOOD, intervals=without)) == {"no untold gap": ("interval 2 is missing",)}
    guessed = (*without, _interval(2, Basis.ESTIMATED))
    assert _broken(replace(GOOD, intervals=guessed)) == {
        "no untold gap": ("interval 2 is estimated, and nothing says why",)
    }
    assert (
        _broken(replace(GOOD, intervals=(*without, _interval(2, Basis.UNKNOWN, reason="no readings")))) == {}
    )
    twice = (*GOOD.intervals, _interval(2))
    assert _broken(replace(GOOD, intervals=twice)) == {"no untold gap": ("1 intervals were counted twice",)}


def test_a_silence_is_found_unless_an_event_close_to_it_says_why() -> None:
    readings = tuple(at for at in GOOD.readings_ms if not 5 * _MS < at < 7 * _MS)
    silent = replace(GOOD, readings_ms=readings)
    (sentence,) = _broken(silent)["no untold gap"]
    assert sentence.startswith("no reading for 1800 s")
    assert _broken(replace(silent, events=(EventRow(at_ms=7 * _MS + 5, name="store.cut-off"),))) == {}
    for event in (EventRow(at_ms=9 * _MS, name="store.cut-off"), EventRow(at_ms=7 * _MS, name="a-good-day")):
        assert _broken(replace(silent, events=(event,))).keys() == {"no untold gap"}


def test_what_a_salvage_counts_as_lost_is_told_and_nothing_else() -> None:
    without = replace(GOOD, intervals=GOOD.intervals[5:])
    said = "kept 25 intervals; lost at least: {}"
    for lost, told in (("5 intervals", True), ("5 trades", False), ("none that can be counted", False)):
        event = EventRow(at_ms=20 * _MS, name="store.salvaged", detail=said.format(lost))
        assert (_broken(replace(without, events=(event,))) == {}) is told, lost


def test_a_wrong_energy_is_found_where_it_counts_as_measured() -> None:
    rest = tuple(row for row in GOOD.intervals if row.interval != 2)
    wrong = replace(GOOD, intervals=(*rest, _interval(2, export_j=_KWH - 80_000)))
    assert _broken(wrong) == {
        "no wrong energy": (f"interval 2: export of {_KWH - 80_000} J measured, {_KWH} J flowed",)
    }
    guessed = _interval(2, Basis.ESTIMATED, export_j=0, reason="divided")
    assert _broken(replace(GOOD, intervals=(*rest, guessed))) == {}


def test_where_the_clock_was_set_signed_time_may_be_a_minute_off_and_no_more() -> None:
    rest = tuple(row for row in GOOD.intervals if row.interval != 2)
    clock = Played(Mishap.parse("clock-back@1+1"), 1 * _MS, 2 * _MS)
    for missing_j, is_wrong in ((300_000, False), (330_000, True)):
        left = replace(GOOD, intervals=(*rest, _interval(2, export_j=_KWH - missing_j)))
        assert ("no wrong energy" in _broken(left, replace(WEEK, mishaps=(clock,)))) is is_wrong
        assert "no wrong energy" in _broken(left), "elsewhere it may not"


def test_a_device_that_needs_a_hand_is_found() -> None:
    never = replace(GOOD, posted=GOOD.posted[:1])
    assert _broken(never) == {"no hand": ("after power-cut@4 it never offered again",)}
    late = replace(GOOD, posted=(GOOD.posted[0], Posted(20 * _MS, _offer(2, 21))))
    assert _broken(late) == {"no hand": ("after power-cut@4 it took 16 intervals to offer again",)}
    another = Played(Mishap.parse("tier-gone@6+12"), 6 * _MS, 18 * _MS)
    assert _broken(late, replace(WEEK, mishaps=(_MISHAP, another))) == {}, "the tier was gone meanwhile"
    assert _broken(week=replace(WEEK, missed=("broker-gone@4+2",))) == {
        "no hand": ("after broker-gone@4+2 it never came back to the broker",)
    }
    assert _broken(week=replace(WEEK, code=-9)) == {
        "no hand": ("the device ended with -9 when it was asked to end",)
    }


@pytest.mark.parametrize(
    ("books", "sentence"),
    [
        (DayBooks(day=4, theirs=None, ours=_SUM), "the report of day 4 never reached the operator"),
        (DayBooks(day=4, theirs=_SUM, ours=None), "day 4 is not added up on the device"),
        (
            DayBooks(day=4, theirs=_SUM, ours=_SUM._replace(owed_uc=7)),
            "the device has DaySum(metered_j=3600000",
        ),
    ],
)
def test_a_report_that_is_lost_or_says_something_else_is_found(books: DayBooks, sentence: str) -> None:
    (found,) = _broken(replace(GOOD, days=(*GOOD.days, books)))["no lost report"]
    assert sentence in found


def test_sums_that_a_salvage_lost_are_not_the_devices_fault() -> None:
    salvaged = EventRow(at_ms=_MS, name="store.salvaged", detail="kept 5; lost at least: 3 settlements")
    books = DayBooks(day=4, theirs=_SUM, ours=None)
    assert _broken(replace(GOOD, days=(books,), events=(salvaged,))) == {}


def test_what_is_on_record_of_a_mishap_is_what_happened_in_its_time() -> None:
    events = tuple(
        EventRow(at_ms=at_ms, name=name)
        for at_ms, name in (
            (4 * _MS - 1, "early"),
            (5 * _MS - 1, "b"),
            (4 * _MS, "a"),
            (7 * _MS, "late"),
            (None, "x"),
        )
    )
    assert on_record(replace(GOOD, events=events), WEEK, _MISHAP) == ("a", "b")
