"""A process that is killed while it writes loses nothing it acknowledged and leaves no half batch behind."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from light_client.store.sqlite import SqliteStorage

_WRITER = Path(__file__).with_name("batch_writer.py")
_ROOT = Path(__file__).resolve().parents[3]
_KILLS = 20


def _run_and_kill(path: Path, first: int, after_s: float, *words: str) -> int:
    """Run the writer, kill it `after_s` after it opened the file; return the last batch acknowledged."""
    with subprocess.Popen(
        [sys.executable, str(_WRITER), str(path), str(first), *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        time.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        lines = [line for line in child.stdout if line.endswith("\n")]  # the last may be cut off
        assert child.wait() == -signal.SIGKILL
    return int(lines[-1]) if lines else first - 1


def _batches_found(path: Path) -> set[int]:
    """The batch number that each of the eight rows holds."""
    with SqliteStorage(path) as store:
        return {int.from_bytes(value[:8]) for table in ("t0", "t1") for _, value in store.scan(table)}


def test_every_acknowledged_batch_is_there_and_none_in_part(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    moments = random.Random(7)
    first, progressed = 1, 0
    for _ in range(_KILLS):
        acknowledged = _run_and_kill(path, first, moments.uniform(0.0, 0.06))
        found = _batches_found(path)
        assert len(found) <= 1, "a batch is there in part"
        last = max(found, default=first - 1)
        assert last >= acknowledged, "an acknowledged batch is lost"
        assert last <= acknowledged + 1, "more than the batch in flight appeared"
        progressed += acknowledged >= first
        first = last + 1
    assert progressed >= _KILLS // 2, "the kills came too early to show anything"


def test_the_check_notices_a_writer_that_tears_its_batches(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    moments = random.Random(11)
    torn = 0
    first = 1
    for _ in range(_KILLS):
        _run_and_kill(path, first, moments.uniform(0.0, 0.03), "torn")
        found = _batches_found(path)
        torn += len(found) > 1
        first = max(found, default=first - 1) + 1
        if torn:
            break
    assert torn, "no kill fell into a batch"
