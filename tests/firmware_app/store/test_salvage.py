"""A damaged file is salvaged without anybody's help: damaged pages cost their own rows, and the gap is recorded."""

import sqlite3
from pathlib import Path
from random import Random

import pytest

from firmware_app.store.database import PAGE_BYTES
from firmware_app.store.device_store import FILE_NAME, DeviceStore
from firmware_app.store.files import Files
from firmware_app.store.opening import Found
from firmware_app.store.outbox import Message
from firmware_app.store.replacement import damaged_of, finish_replacement, replace_database
from firmware_app.store.rows import EventRow, ReadingRow, TradeRow
from firmware_app.store.state import noted, open_state
from light_client.session.actor import Write
from light_client.store.errors import StoreError
from light_client.store.sqlite import SqliteStorage
from light_client.wallet.wallet import Wallet
from testbed.powercut.ring_subjects import page_of
from tests.firmware_app.store.store_kit import START_MS, Clock, opened, reading, trade

_READINGS, _TRADES = 600, 60
_MOST_IN_A_PAGE = 64


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a healthy file."""
    folder = tmp_path_factory.mktemp("sound")
    store = opened(folder, Clock())
    for number in range(_TRADES):
        store.record(*(reading(10 * number + place) for place in range(10)), trade(number))
    store.outbox.put(Message(destination="tier", key="k", kind="report", body=b"body", at_ms=START_MS))
    store.keep("meter/house", b"base")
    store.close()
    return (folder / FILE_NAME).read_bytes()


def _start(folder: Path, content: bytes) -> DeviceStore:
    (folder / FILE_NAME).write_bytes(content)
    return opened(folder, Clock())


def _left(store: DeviceStore) -> tuple[int, int]:
    """How many readings and trades are there; they are true and in order."""
    readings = [row.import_j or 0 for row in store.newest(ReadingRow, 9_999)]
    trades = [row.interval for row in store.newest(TradeRow, 9_999)]
    assert readings == sorted(set(readings))
    assert set(readings) <= set(range(_READINGS))
    assert trades == sorted(set(trades))
    return len(readings), len(trades)


def test_any_single_damaged_page_costs_its_own_rows_and_no_others(tmp_path: Path, sound: bytes) -> None:
    """Every third page of those that do not list the tables."""
    pages = len(sound) // PAGE_BYTES
    chance = Random(1)
    lists = _schema_pages(tmp_path, sound)
    worst, salvaged = 0, 0
    for page in sorted(set(range(0, pages, 3)) - lists):
        folder = tmp_path / str(page)
        folder.mkdir()
        content = bytearray(sound)
        content[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = chance.randbytes(PAGE_BYTES)
        store = _start(folder, bytes(content))
        readings, trades = _left(store)
        lost = _READINGS - readings + _TRADES - trades
        salvaged += store.found is Found.DAMAGED
        worst = max(worst, lost)
        if lost:
            assert "store.salvaged" in [row.name for row in store.newest(EventRow, 9)], page
            assert damaged_of(folder / FILE_NAME).exists()
        assert store.record(trade(999)), "it cannot be written"
        store.close()
    assert salvaged > pages // 9, "damage is not noticed"
    assert 0 < worst <= _READINGS, worst


def _schema_pages(folder: Path, sound: bytes) -> set[int]:
    """The first page and those below it: they list the tables."""
    path = folder / "schema.sqlite"
    path.write_bytes(sound)
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT pageno FROM dbstat WHERE name='sqlite_schema'").fetchall()
    connection.close()
    return {0, *(number - 1 for (number,) in found)}


def test_a_damaged_leaf_costs_one_page_of_readings(tmp_path: Path, sound: bytes) -> None:
    place = page_in(sound, tmp_path)
    store = _start(tmp_path, sound[:place] + bytes(PAGE_BYTES) + sound[place + PAGE_BYTES :])
    assert store.found is Found.DAMAGED
    readings, trades = _left(store)
    assert _READINGS - _MOST_IN_A_PAGE <= readings < _READINGS
    assert trades == _TRADES
    assert [message.body for message in store.outbox.pending("tier")] == [b"body"]
    assert store.kept("meter/house") == b"base"
    (event,) = (row for row in store.newest(EventRow, 9) if row.name == "store.salvaged")
    assert f"lost at least: {_READINGS - readings} readings" in event.detail
    store.close()


@pytest.mark.parametrize(
    "content",
    [b"not a database, " * 500, bytes(40_000), b"SQLite format 3\0" + bytes(5_000)],
    ids=["text", "zeros", "a header alone"],
)
def test_a_file_of_no_use_is_put_aside_and_a_new_one_begun(tmp_path: Path, content: bytes) -> None:
    store = _start(tmp_path, content)
    assert store.fault == ""
    assert store.record(trade(1))
    assert damaged_of(tmp_path / FILE_NAME).exists()
    store.close()


def test_a_file_that_was_cut_short_gives_what_is_left_of_it(tmp_path: Path, sound: bytes) -> None:
    store = _start(tmp_path, sound[: len(sound) // PAGE_BYTES * 3 // 4 * PAGE_BYTES])
    readings, _ = _left(store)
    assert 50 < readings < _READINGS
    assert store.record(trade(999))
    store.close()


def test_a_page_that_is_damaged_while_the_store_runs_is_salvaged_too(tmp_path: Path, sound: bytes) -> None:
    store = _start(tmp_path, sound)
    database = store._database
    assert database is not None
    place = page_in(sound, tmp_path)
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek(place)
        file.write(bytes(PAGE_BYTES))
    assert database.rows("PRAGMA shrink_memory") == []
    readings, _ = _left(store)
    assert _READINGS - _MOST_IN_A_PAGE <= readings < _READINGS
    assert store.record(trade(999))
    names = [row.name for row in store.newest(EventRow, 9)]
    assert "store.damaged" in names
    assert "store.salvaged" in names
    store.close()


def test_a_page_whose_damage_a_commit_meets_is_salvaged_before_the_commit_returns(
    tmp_path: Path, sound: bytes
) -> None:
    store = _start(tmp_path, sound)
    database = store._database
    assert database is not None
    place = page_in(sound, tmp_path, "outbox")
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek(place)
        file.write(b"\xa5" * PAGE_BYTES)
    database.rows("PRAGMA shrink_memory")
    assert store.outbox.put(
        Message(destination="tier", key="k2", kind="report", body=b"body", at_ms=START_MS)
    ), "the message is not on the disk"
    assert store.fault == ""
    assert [message.key for message in store.outbox.pending("tier")] == ["k2"]
    assert _left(store) == (_READINGS, _TRADES)
    assert "store.salvaged" in [row.name for row in store.newest(EventRow, 9)]
    store.close()


def test_state_is_read_from_both_ends_of_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with SqliteStorage(path) as storage:
        storage.commit(
            Write(table="meter/orders", key=n.to_bytes(2), value=n.to_bytes(2) * 300) for n in range(600)
        )
    content = bytearray(path.read_bytes())
    page = content.index((300).to_bytes(2) * 300) // 4_096 * 4_096
    content[page : page + 4_096] = bytes(4_096)
    path.write_bytes(content)
    state = open_state(path, wallets=["wallet"])
    found = [int.from_bytes(key) for key, _ in state.storage.scan("meter/orders")]
    assert {0, 599} <= set(found)
    assert 540 < len(found) < 600, "a page above others costs what lies below it, and no more"
    assert 300 not in found
    state.storage.close()


def page_in(content: bytes, folder: Path, table: str = "readings") -> int:
    """Where a page of a table lies in a file with this content."""
    copy = folder / "copy"
    copy.write_bytes(content)
    return page_of(copy, table)


def test_damaged_files_do_not_pile_up(tmp_path: Path, sound: bytes) -> None:
    place = page_in(sound, tmp_path)
    for _ in range(4):
        store = _start(tmp_path, sound[:place] + bytes(PAGE_BYTES) + sound[place + PAGE_BYTES :])
        store.close()
    assert len(list(tmp_path.iterdir())) <= 4


def test_a_replacement_that_fails_leaves_the_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"damaged")

    def build(fresh: Path) -> None:
        fresh.write_bytes(b"half")
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="full"):
        replace_database(Files(), path, build)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x", b"damaged")]


def test_an_interrupted_replacement_never_joins_a_log_to_another_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for name, content in {
        "x": b"old",
        "x-wal": b"old log",
        "x.salvaged": b"new",
        "x.building-wal": b"?",
    }.items():
        (tmp_path / name).write_bytes(content)
    finish_replacement(Files(), path)
    found = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert found == {"x": b"new", "x.damaged": b"old", "x.damaged-wal": b"old log"}


def test_the_wallet_never_goes_back_after_a_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with SqliteStorage(path) as storage:
        storage.commit(Write(table="meter/orders", key=bytes([n]), value=bytes(1_000)) for n in range(50))
        wallet = Wallet(bytes(32), b"chain", storage)
        _, write = wallet.fresh(7)
        storage.commit([Write(table="wallet", key=write.key, value=write.value)])
    healthy = open_state(path, wallets=["wallet"])
    assert healthy.note == ""
    assert Wallet(bytes(32), b"chain", healthy.storage).next_index == 7
    healthy.storage.close()
    content = bytearray(path.read_bytes())
    page = content.rindex(b"next-index") // 4_096 * 4_096
    content[page : page + 4_096] = bytes(4_096)
    path.write_bytes(content)
    rescued = open_state(path, wallets=["wallet"])
    assert 1 << 61 <= Wallet(bytes(32), b"chain", rescued.storage).next_index < 1 << 62
    assert len(list(rescued.storage.scan("meter/orders"))) > 40
    assert "skipped the addresses" in rescued.note
    rescued.storage.commit([noted()])
    rescued.storage.close()
    again = open_state(path, wallets=["wallet"])
    assert again.note == ""
    assert 1 << 61 <= Wallet(bytes(32), b"chain", again.storage).next_index < 1 << 62
    again.storage.close()
    path.write_bytes(b"rubbish" * 1_000)
    anew = open_state(path, wallets=["wallet"])
    assert 1 << 61 <= Wallet(bytes(32), b"chain", anew.storage).next_index < 1 << 62
    assert "kept 0 values" in anew.note
    anew.storage.close()


@pytest.mark.parametrize("again", [False, True])
def test_a_salvage_before_the_time_is_known_gets_its_time_later(
    tmp_path: Path, sound: bytes, again: bool
) -> None:
    page = len(sound) // PAGE_BYTES - 1
    content = bytearray(sound)
    content[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = b"\xa5" * PAGE_BYTES
    (tmp_path / FILE_NAME).write_bytes(content)
    clock = Clock()
    clock.trusted, clock.now_ms = False, 7_000
    store = opened(tmp_path, clock)
    assert store.found is Found.DAMAGED
    store.record(trade(999))
    if again:
        store.close()
        store = opened(tmp_path, clock)
    clock.trusted = True
    store.restamp(START_MS)
    (told,) = (row for row in store.newest(EventRow, 99) if row.name == "store.salvaged")
    assert told.at_ms == START_MS + 7_000
    store.close()
