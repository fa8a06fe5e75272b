"""The file and the memory answer alike, whatever is written, and a file opened again answers as before."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.errors import LocalError
from light_client.session.actor import Write
from light_client.store.batch import MAX_VALUE_BYTES, Compartment, Store
from light_client.store.memory import MemoryStorage
from light_client.store.sqlite import SqliteStorage

_TABLES = ("votes", "votes2", "Votes", "blocks")
_KEYS = st.one_of(st.binary(max_size=3), st.integers(0, 200).map(lambda number: number.to_bytes(2)))
_WRITES = st.builds(
    lambda table, key, value: Write(table=table, key=key, value=value),
    st.sampled_from(_TABLES),
    _KEYS,
    st.none() | st.binary(max_size=8),
)
_BATCHES = st.lists(st.lists(_WRITES, max_size=80), max_size=6)


@contextmanager
def _file_store() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder) / "store.sqlite"


def _differences(one: Store, other: Store, start: bytes) -> list[str]:
    found = []
    for table in _TABLES:
        rows = list(one.scan(table, start))
        if rows != list(other.scan(table, start)):
            found.append(f"scan {table}")
        if rows != sorted(rows):
            found.append(f"order {table}")
        found += [f"get {table}" for key, value in rows if other.get(table, key) != value]
    return found


@settings(max_examples=60, deadline=None)
@given(_BATCHES, _KEYS)
def test_both_stores_agree(batches: list[list[Write]], start: bytes) -> None:
    memory = MemoryStorage()
    with _file_store() as path:
        with SqliteStorage(path) as file:
            for batch in batches:
                file.commit(batch)
                memory.commit(batch)
            assert _differences(file, memory, start) == []
        with SqliteStorage(path) as reopened:
            assert _differences(reopened, memory, b"") == []


def test_a_long_scan_crosses_its_pages_without_a_gap(tmp_path: Path) -> None:
    rows = [(number.to_bytes(4), bytes([number % 251])) for number in range(1000)]
    with SqliteStorage(tmp_path / "store.sqlite") as file:
        file.commit(Write(table="blocks", key=key, value=value) for key, value in reversed(rows))
        assert list(file.scan("blocks")) == rows
        assert list(file.scan("blocks", rows[63][0])) == rows[63:]


class _DroppingStore(MemoryStorage):
    """A broken twin: takes deletions for nothing."""

    def commit(self, writes: object) -> None:
        super().commit(write for write in writes if write.value is not None)  # type: ignore[attr-defined]


def test_the_comparison_notices_a_store_that_forgets_to_delete(tmp_path: Path) -> None:
    broken = _DroppingStore()
    with SqliteStorage(tmp_path / "store.sqlite") as file:
        for store in (file, broken):
            store.commit([Write(table="votes", key=b"k", value=b"v")])
            store.commit([Write(table="votes", key=b"k", value=None)])
        assert _differences(broken, file, b"") == ["scan votes", "get votes"]


@pytest.mark.parametrize(
    "bad",
    [
        Write(table="", key=b"k", value=b""),
        Write(table="votes", key="k", value=b""),  # type: ignore[arg-type]
        Write(table="votes", key=b"k", value=bytearray(b"v")),  # type: ignore[arg-type]
        Write(table="votes", key=b"k", value=bytes(MAX_VALUE_BYTES + 1)),
    ],
    ids=["no table", "text key", "changeable value", "huge value"],
)
def test_a_bad_write_takes_the_whole_batch_with_it(tmp_path: Path, bad: Write) -> None:
    good = Write(table="votes", key=b"good", value=b"v")
    with SqliteStorage(tmp_path / "store.sqlite") as file:
        for store in (file, MemoryStorage()):
            with pytest.raises(LocalError):
                store.commit([good, bad])
            assert store.get("votes", b"good") is None


def test_actors_that_share_a_store_never_see_each_other(tmp_path: Path) -> None:
    with SqliteStorage(tmp_path / "store.sqlite") as file:
        one, other = Compartment(file, "meter-1"), Compartment(file, "meter-10")
        file.commit([one.owned(Write(table="t", key=b"k", value=b"mine"))])
        assert one.get("t", b"k") == b"mine"
        assert list(one.scan("t")) == [(b"k", b"mine")]
        assert other.get("t", b"k") is None
        assert list(other.scan("t")) == []
    with pytest.raises(LocalError):
        Compartment(file, "meter-1/t")
