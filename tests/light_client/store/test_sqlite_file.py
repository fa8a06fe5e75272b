"""What the file store refuses to open, and that a failing disk costs one batch and not the store."""

import sqlite3
from pathlib import Path

import pytest

from light_client.session.actor import Write
from light_client.store.errors import StoreBusyError, StoreDamagedError, StoreError
from light_client.store.sqlite import SqliteStorage


def _filled(path: Path, rows: int = 2000) -> None:
    with SqliteStorage(path) as store:
        store.commit(Write(table="blocks", key=n.to_bytes(4), value=bytes(40)) for n in range(rows))


def test_two_processes_cannot_share_an_identity(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with SqliteStorage(path) as first:
        with pytest.raises(StoreBusyError, match="in use by another process"):
            SqliteStorage(path, wait_s=0.05)
        first.commit([Write(table="votes", key=b"k", value=b"v")])
    with SqliteStorage(path) as second:
        assert second.get("votes", b"k") == b"v"


def test_a_damaged_page_is_found_at_open(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    _filled(path)
    raw = bytearray(path.read_bytes())
    raw[2 * 4096 : 2 * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(raw)
    with pytest.raises(StoreDamagedError, match="is damaged"):
        SqliteStorage(path)


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, " * 100)
    with pytest.raises(StoreDamagedError):
        SqliteStorage(text)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE entries (x)")
    connection.close()
    before = foreign.read_bytes()
    with pytest.raises(StoreDamagedError, match="not a store of this format"):
        SqliteStorage(foreign)
    assert foreign.read_bytes() == before


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    _filled(path, rows=1)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(StoreDamagedError, match="format 2"):
        SqliteStorage(path)


def test_a_missing_directory_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStorage(tmp_path / "nowhere" / "store.sqlite")


def test_a_full_disk_costs_the_batch_and_not_the_store(tmp_path: Path) -> None:
    with SqliteStorage(tmp_path / "store.sqlite") as store:
        store.commit([Write(table="votes", key=b"k", value=b"old")])
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count={pages + 4}")
        batch = [Write(table="votes", key=b"k", value=b"new")]
        batch += [Write(table="blocks", key=bytes([n]), value=bytes(4000)) for n in range(50)]
        with pytest.raises(StoreError, match="cannot be written"):
            store.commit(batch)
        assert store.get("votes", b"k") == b"old"
        assert list(store.scan("blocks")) == []
        store.commit([Write(table="votes", key=b"k", value=b"newer")])
        assert store.get("votes", b"k") == b"newer"


def test_the_settings_that_durability_rests_on(tmp_path: Path) -> None:
    with SqliteStorage(tmp_path / "store.sqlite") as store:
        ask = store._connection.execute
        assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ask("PRAGMA synchronous").fetchone() == (2,)
        assert ask("PRAGMA locking_mode").fetchone() == ("exclusive",)
