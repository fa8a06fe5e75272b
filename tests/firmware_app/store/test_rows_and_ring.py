"""Rows come out as they went in; days and quota decide who leaves, and the file never outgrows its room."""

from dataclasses import fields
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.store import ring
from firmware_app.store.outbox import Message
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import EventRow, IntervalRow, ReadingRow, Row, TradeRow
from firmware_app.store.tables import BY_ROW, READINGS, TABLES
from light_client.rules.errors import LocalError
from light_client.store.errors import StoreDamagedError
from meter_io.intervals import IntervalEnergy
from meter_io.reading import MeterId, Moment, Quality, Reading, TimeBasis
from meter_io.span import Basis
from tests.firmware_app.store.store_kit import DAY_MS, START_MS, Clock, KilobyteParams, opened, reading, trade

_VALUES = {
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    bytes: st.binary(max_size=32),
}


def _rows(kind: type[Row]) -> st.SearchStrategy[Row]:
    hints = get_type_hints(kind)
    columns: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(kind):
        parts = get_args(hints[field.name]) or (hints[field.name],)
        options = [
            st.none()
            if part is NoneType
            else st.sampled_from(part)
            if issubclass(part, Enum)
            else _VALUES[part]
            for part in parts
        ]
        columns[field.name] = st.one_of(options)
    return st.builds(kind, **columns)


@given(st.one_of([_rows(table.row) for table in TABLES]))
def test_a_row_is_read_as_it_was_written(row: Row) -> None:
    table = BY_ROW[type(row)]
    assert table.parse(table.values(row)) == row


@settings(max_examples=30)
@given(st.lists(st.one_of([_rows(table.row) for table in TABLES]), max_size=12))
def test_rows_come_out_of_the_file_in_order_and_a_second_one_takes_the_place_of_the_first(
    rows: list[Row],
) -> None:
    expected: dict[type[Row], dict[object, Row]] = {table.row: {} for table in TABLES}
    for number, row in enumerate(rows):
        key = tuple(getattr(row, name) for name in BY_ROW[type(row)].key) or number
        expected[type(row)][key] = row
    with TemporaryDirectory() as folder:
        clock = Clock()
        clock.trusted = False  # so that nothing is too old
        store = opened(Path(folder), clock)
        store.record(*rows)
        assert store.commit()
        store.close()
        again = opened(Path(folder), clock)
        for table in TABLES:
            found = [_unmarked(row) for row in again.newest(table.row, 100)]
            assert found == [_unmarked(row) for row in expected[table.row].values()]
        again.close()


def _unmarked(row: Row) -> dict[str, object]:
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    values.pop("boot", None)  # the store fills it in
    return values


@pytest.mark.parametrize(
    "values",
    [
        (START_MS, "house", "ten", 0, 0, None, None, None, None, None),
        (START_MS, "house", 1, 0, 0, "splendid", None, None, None, None),
        (START_MS, None, 1, 0, 0, None, None, None, None, None),
        (START_MS, "house", 1.5, 0, 0, None, None, None, None, None),
    ],
    ids=["text for a number", "no such quality", "no meter", "a float"],
)
def test_values_that_are_no_row_are_not_read_as_one(values: tuple[Any, ...]) -> None:
    with pytest.raises(StoreDamagedError, match="a row of table readings is damaged"):
        READINGS.parse(values)


def test_readings_and_intervals_of_meters_become_rows() -> None:
    seen = Reading(
        meter=MeterId("pv"),
        moment=Moment(utc_ms=None, monotonic_ms=77, basis=TimeBasis.MONOTONIC),
        import_j=5,
        export_j=None,
        power_w=None,
        quality=Quality.FIRST,
        reason="no history",
    )
    row = ReadingRow.of(seen)
    assert (row.at_ms, row.monotonic_ms, row.basis, row.quality) == (
        None,
        77,
        TimeBasis.MONOTONIC,
        Quality.FIRST,
    )
    energy = IntervalEnergy(
        meter=MeterId("pv"), interval=3, energy_j=(1, None), basis=Basis.ESTIMATED, covered_ms=9, reason="r"
    )
    assert IntervalRow.of(energy, interval_s=900).energy() == energy
    assert IntervalRow.of(energy, interval_s=900).at_ms == 4 * 900_000


def test_urgent_rows_are_on_the_disk_at_once_and_take_along_what_waits(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock)
    assert not store.record(reading(1))
    assert store.status().waiting_rows == 1
    assert store.record(trade(1))
    assert store.status().waiting_rows == 0
    store.record(reading(2))
    clock.now_ms = store._params.commit_s * 1_000 - 1
    assert not store.commit_if_due()
    clock.now_ms += 1
    assert store.commit_if_due()
    assert store.status().waiting_rows == 0
    assert [row.import_j for row in store.newest(ReadingRow, 9)] == [1, 2]
    store.close()


def test_rows_that_wait_are_found_like_stored_ones(tmp_path: Path) -> None:
    store = opened(tmp_path, Clock())
    store.record(*(reading(number) for number in range(5)))
    store.commit()
    store.record(reading(5, START_MS + 1), reading(6, None, monotonic_ms=3))
    assert [row.import_j for row in store.newest(ReadingRow, 3)] == [4, 5, 6]
    assert [row.import_j for row in store.since(ReadingRow, START_MS)] == [0, 1, 2, 3, 4, 5]
    assert [row.import_j for row in store.since(ReadingRow, START_MS + 1)] == [5]
    store.close()


def test_rows_older_than_their_days_leave_and_others_stay(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock, StoreParams(readings_days=2, trades_days=5))
    for day in range(8):
        clock.now_ms = day * DAY_MS
        store.record(reading(day, clock.utc_ms()), trade(day, START_MS + clock.now_ms))
    assert [row.import_j for row in store.newest(ReadingRow, 99)] == [5, 6, 7]
    assert [row.interval for row in store.newest(TradeRow, 99)] == [2, 3, 4, 5, 6, 7]
    store.close()


def test_without_a_trusted_clock_nothing_is_too_old(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock, StoreParams(readings_days=1))
    store.record(reading(1))
    store.commit()
    clock.trusted, clock.now_ms = False, 50 * DAY_MS
    store.record(reading(2, None, monotonic_ms=clock.now_ms))
    store.commit()
    assert len(store.newest(ReadingRow, 99)) == 2
    store.close()


def _fill(store: Any, clock: Clock, count: int, every_ms: int = 10_000) -> None:
    for number in range(count):
        clock.now_ms += every_ms
        store.record(reading(number, clock.utc_ms()))
        store.commit_if_due()


def test_the_file_never_outgrows_its_room_and_detail_leaves_before_money(tmp_path: Path) -> None:
    clock = Clock()
    params = KilobyteParams(file_kb=200)
    store = opened(tmp_path, clock, params)
    sizes = []
    for number in range(110):
        _fill(store, clock, 100)
        store.record(trade(number, START_MS + clock.now_ms))
        sizes.append(store.path.stat().st_size)
    assert max(sizes) <= params.room.file_bytes
    assert max(sizes[90:]) < max(sizes[60:90]) * 1.02, "pages are not used again"
    assert [row.interval for row in store.newest(TradeRow, 999)] == list(range(110))
    readings = [row.import_j for row in store.newest(ReadingRow, 99_999)]
    assert 1_000 < len(readings) < 11_000
    assert readings == ([*range(100)] * 110)[-len(readings) :], "others than the oldest left"
    shortened = [row for row in store.newest(EventRow, 99) if row.name == "store.shortened"]
    days = [(row.at_ms or 0) // DAY_MS for row in shortened]
    assert days == sorted(set(days)), "told more than once a day"
    assert days
    assert "readings" in shortened[0].detail
    store.close()


class _ForgetfulRing(ring.Ring):
    """A broken twin: never lets anything leave."""

    def make_room(self, pages: int) -> list[ring.Left]:
        return []


def test_a_ring_that_lets_nothing_leave_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_app.store.device_store.Ring", _ForgetfulRing)
    clock = Clock()
    store = opened(tmp_path, clock, KilobyteParams(file_kb=60))
    _fill(store, clock, 5_000)
    assert "full" in store.fault
    store.close()


def test_the_days_told_are_the_days_kept(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock, KilobyteParams(file_kb=600, readings_days=2))
    _fill(store, clock, 800, every_ms=60_000)
    holding = store.status().holding
    assert holding is not None
    assert holding.readings_days == 2, "a minute's readings fit as long as configured"
    store.close()
    clock = Clock()
    folder = tmp_path / "quick"
    folder.mkdir()
    store = opened(folder, clock, KilobyteParams(file_kb=800))
    _fill(store, clock, 24_000, every_ms=10_000)
    holding = store.status().holding
    assert holding is not None
    oldest = store.newest(ReadingRow, 99_999)[0].at_ms or 0
    kept_ms = START_MS + clock.now_ms - oldest
    told = holding.bytes_per_day * kept_ms / DAY_MS
    assert 0.75 < told / holding.quota_bytes < 1.1, "what comes in is told wrongly"
    assert kept_ms // DAY_MS - 1 <= holding.readings_days <= kept_ms // DAY_MS, (
        "it promises more than it keeps"
    )
    store.close()


def test_messages_leave_last_and_loudly(tmp_path: Path) -> None:
    clock = Clock()
    store = opened(tmp_path, clock, KilobyteParams(file_kb=140))
    for number in range(6):
        message = Message(
            destination="tier", key=str(number), kind="report", body=bytes(9_000), at_ms=START_MS
        )
        store.outbox.put(message)
    _fill(store, clock, 400)
    assert len(store.outbox.pending("tier")) == 6, "readings leave before messages"
    for number in range(6, 12):
        store.outbox.put(
            Message(destination="tier", key=str(number), kind="report", body=bytes(9_000), at_ms=START_MS)
        )
    left = [int(message.key) for message in store.outbox.pending("tier")]
    assert left == list(range(12))[-len(left) :]
    assert len(left) < 12
    assert any(row.name == "outbox.dropped" for row in store.newest(EventRow, 99))
    store.close()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"quota_mb": 3}, "quota_mb"),
        ({"quota_mb": 8, "outbox_mb": 5}, "outbox_mb"),
        ({"commit_s": 0}, "commit_s"),
        ({"memory_rows": 1}, "memory_rows"),
        ({"trades_days": 0}, "trades_days"),
    ],
)
def test_parameters_out_of_bounds_are_named(changes: dict[str, int], named: str) -> None:
    with pytest.raises(LocalError, match=named):
        StoreParams(**changes)


def test_a_quota_in_which_nothing_fits_is_said_and_stops_nobody(tmp_path: Path) -> None:
    store = opened(tmp_path, Clock(), KilobyteParams(file_kb=8))
    assert "full" in store.fault
    store.record(trade(1))
    assert [row.interval for row in store.newest(TradeRow, 9)] == [1]
    store.close()


def test_readings_without_a_clock_get_their_time_when_it_is_trusted(tmp_path: Path) -> None:
    clock = Clock()
    clock.trusted = False
    earlier = opened(tmp_path, clock, boot_id="boot-0")
    earlier.record(reading(0, None, monotonic_ms=5))
    earlier.close()
    store = opened(tmp_path, clock)
    store.record(reading(1, None, monotonic_ms=10, basis=TimeBasis.MONOTONIC))
    store.event("started")
    store.commit()
    store.record(reading(2, None, monotonic_ms=20))
    clock.trusted = True
    store.restamp(START_MS)
    found = [(row.import_j, row.at_ms) for row in store.newest(ReadingRow, 9)]
    assert found == [(0, None), (1, START_MS + 10), (2, START_MS + 20)]
    assert store.newest(ReadingRow, 2)[0].basis is TimeBasis.MONOTONIC
    assert [row.at_ms for row in store.newest(EventRow, 9) if row.name == "started"] == [START_MS]
    store.close()
    again = opened(tmp_path, clock, boot_id="boot-2")
    again.restamp(START_MS)
    assert again.newest(ReadingRow, 9)[0].at_ms is None, "another start of the board has another clock"
    again.close()
