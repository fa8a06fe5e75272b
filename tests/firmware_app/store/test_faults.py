"""A disk that is full, read-only or failing at any single operation stops nothing and loses nothing it need not."""

from pathlib import Path
from random import Random

import pytest

from firmware_app.store.device_store import DeviceStore
from firmware_app.store.opening import Found
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import EventRow, ReadingRow, TradeRow
from firmware_app.store.written import Written, bytes_written
from light_client.store.errors import StoreBusyError
from tests.firmware_app.store.store_kit import (
    DAY_MS,
    FULL,
    IO_SYNC,
    IO_WRITE,
    START_MS,
    Clock,
    FailingFiles,
    failing_disk,
    opened,
    reading,
    trade,
)

_LATER_MS = 400_000


def _events(store: DeviceStore) -> list[str]:
    return [row.name for row in store.newest(EventRow, 999)]


@pytest.mark.parametrize("code", [FULL, IO_WRITE, IO_SYNC])
def test_rows_wait_in_memory_and_are_written_when_the_disk_works_again(tmp_path: Path, code: int) -> None:
    clock = Clock()
    with failing_disk(tmp_path) as disk:
        store = opened(tmp_path, clock)
        store.record(trade(0))
        disk.code = code
        for number in range(1, 4):
            clock.now_ms += _LATER_MS
            assert not store.record(reading(number), trade(number)), "it claims to be on the disk"
        status = store.status()
        assert status.fault
        assert status.waiting_rows >= 6
        assert {1, 2, 3} <= {row.interval for row in store.newest(TradeRow, 9)}
        disk.code = 0
        clock.now_ms += _LATER_MS
        assert store.commit_if_due(), "writing does not resume by itself"
        assert store.fault == ""
        store.close()
    again = opened(tmp_path, clock)
    assert [row.interval for row in again.newest(TradeRow, 9)] == [0, 1, 2, 3]
    assert [row.import_j for row in again.newest(ReadingRow, 9)] == [1, 2, 3]
    assert _events(again).count("store.failing") == 1
    assert _events(again).count("store.resumed") == 1
    again.close()


def test_memory_is_bounded_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    clock = Clock()
    with failing_disk(tmp_path) as disk:
        store = opened(tmp_path, clock, StoreParams(memory_rows=100))
        disk.code = FULL
        store.record(trade(1))
        for number in range(500):
            store.record(reading(number))
        status = store.status()
        assert (status.waiting_rows, status.memory_rows) == (100, 100)
        assert status.dropped_rows == 402
        disk.code = 0
        clock.now_ms += _LATER_MS
        assert store.commit()
        assert [row.interval for row in store.newest(TradeRow, 9)] == [1], "readings leave before trades"
        assert store.newest(ReadingRow, 999)[-1].import_j == 499
        store.commit()
        assert "402 rows were lost" in store.newest(EventRow, 1)[0].detail
        store.close()


def test_a_start_on_a_disk_that_fails_begins_in_memory(tmp_path: Path) -> None:
    clock = Clock()
    with failing_disk(tmp_path) as disk:
        disk.code = IO_WRITE
        store = opened(tmp_path, clock, files=FailingFiles(disk))
        assert store.found is None
        assert not store.record(trade(1))
        assert store.newest(TradeRow, 9) == [trade(1)]
        assert store.kept("x") is None
        store.keep("x", b"value")
        assert store.kept("x") == b"value"
        assert store.status().holding is None
        disk.code = 0
        clock.now_ms += _LATER_MS
        assert store.commit()
        assert store.found in {Found.NEW, Found.CUT_OFF, Found.CLOSED}
        assert store.kept("x") == b"value"
        store.close()


def test_a_failing_disk_is_not_tried_all_the_time(tmp_path: Path) -> None:
    clock = Clock()
    with failing_disk(tmp_path) as disk:
        store = opened(tmp_path, clock)
        disk.code = FULL
        store.record(trade(1))
        asked = disk.asked
        for number in range(50):
            clock.now_ms += 50
            store.record(trade(number))
        assert disk.asked == asked
        clock.now_ms += 5_000
        store.record(trade(99))
        assert disk.asked > asked
        disk.code = 0
        store.close()


@pytest.mark.parametrize(("code", "first"), [(FULL, 1), (IO_WRITE, 4), (IO_SYNC, 7)])
def test_an_error_at_any_single_operation_loses_no_row(tmp_path: Path, code: int, first: int) -> None:
    """The store is told of an error at its n-th operation and goes on; the three codes share the operations."""
    with failing_disk(tmp_path) as disk:
        _work(tmp_path, Clock())
        operations = disk.asked
    assert operations > 60
    for number in range(first, operations + 1, 10):
        folder = tmp_path / str(number)
        folder.mkdir()
        with failing_disk(folder) as disk:
            disk.fails_at = {number: code}
            clock = Clock()
            _work(folder, clock)
        again = opened(folder, clock)
        assert [row.interval for row in again.newest(TradeRow, 99)] == list(range(6)), number
        assert again.found is not Found.DAMAGED
        again.close()


def _work(folder: Path, clock: Clock) -> None:
    for part in range(2):
        store = opened(folder, clock)
        for number in range(3 * part, 3 * part + 3):
            clock.now_ms += _LATER_MS
            store.record(*(reading(place) for place in range(40)), trade(number))
        clock.now_ms += _LATER_MS
        store.commit_if_due()
        store.close()


def test_random_faults_never_raise(tmp_path: Path) -> None:
    chance = Random(5)
    clock = Clock()
    recorded = 0
    with failing_disk(tmp_path) as disk:
        store = opened(tmp_path, clock, files=FailingFiles(disk))
        for _ in range(300):
            disk.code = chance.choice((0, 0, 0, FULL, IO_WRITE, IO_SYNC))
            clock.now_ms += chance.randrange(200_000)
            match chance.randrange(6):
                case 0:
                    store.close()
                    disk.code = 0
                    store = opened(tmp_path, clock, files=FailingFiles(disk))
                case 1:
                    store.status()
                    store.newest(ReadingRow, 5)
                case 2:
                    store.commit_if_due()
                case _:
                    store.record(reading(recorded), trade(recorded))
                    recorded += 1
        disk.code = 0
        clock.now_ms += _LATER_MS
        store.commit()
        # rows that waited when the store was closed on a failing disk are lost: nothing else is
        found = [row.interval for row in store.newest(TradeRow, 9_999)]
        assert found == sorted(found)
        assert len(found) > recorded // 2
        assert store.fault == ""
        store.close()


def test_two_programs_cannot_share_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path, Clock())
    monkeypatch.setattr("firmware_app.store.database.WAIT_S", 0.05)
    with pytest.raises(StoreBusyError, match="in use by another process"):
        opened(tmp_path, Clock())
    store.close()


def test_bytes_written_are_counted_by_day_and_survive(tmp_path: Path) -> None:
    counts = iter((10, 100, 100, 700, 700, 700, 900, 900, 900, 900, 900))
    clock = Clock()
    last = [0]

    def counter() -> int:
        last[0] = next(counts, last[0])
        return last[0]

    store = DeviceStore(tmp_path, StoreParams(), clock=clock, boot_id="b", counter=counter)
    store.record(trade(1))
    clock.now_ms += DAY_MS
    store.record(trade(2))
    today = clock.utc_ms() // DAY_MS  # type: ignore[operator]
    before = store.status()
    store.close()
    again = DeviceStore(tmp_path, StoreParams(), clock=clock, boot_id="b", counter=lambda: 40)
    status = again.status()
    assert status.written_days[today - 1] + status.written_days[today] >= 700
    assert status.written_today_bytes == status.written_days[today]
    assert before.written_today_bytes is not None
    assert status.written_today_bytes >= before.written_today_bytes
    again.close()


def test_the_kernels_count_is_read_and_may_be_absent(tmp_path: Path) -> None:
    source = tmp_path / "io"
    source.write_text("rchar: 1\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n")
    assert bytes_written(source) == 4_096
    source.write_text("rchar: 1\n")
    assert bytes_written(source) is None
    assert bytes_written(tmp_path / "none") is None
    written = Written(lambda: None)
    written.look(START_MS)
    assert not written.is_due(0)
    assert written.days(None) == {}


def test_a_clock_that_is_not_trusted_books_bytes_to_no_day(tmp_path: Path) -> None:
    clock = Clock()
    clock.trusted = False
    store = DeviceStore(tmp_path, StoreParams(), clock=clock, boot_id="b", counter=lambda: 5_000)
    assert store.status().written_today_bytes is None
    assert store.status().written_days == {}
    clock.trusted = True
    assert store.status().written_today_bytes == 5_000
    store.close()


def test_a_disk_that_failed_for_a_while_is_no_run_that_was_cut_off(tmp_path: Path) -> None:
    clock = Clock()
    with failing_disk(tmp_path) as disk:
        store = opened(tmp_path, clock)
        store.record(trade(1))
        disk.code = IO_WRITE
        store.record(trade(2))
        disk.code = 0
        clock.now_ms += _LATER_MS
        assert store.commit()
        assert store.found is Found.CUT_OFF
        names = [event.name for event in store.newest(EventRow, 99)]
        assert names.count("store.failing") == 1
        assert "store.cut-off" not in names
        store.close()
