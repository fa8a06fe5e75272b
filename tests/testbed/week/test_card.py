"""The card of a week of mishaps: the kernel's own refusals, and nothing lost that was on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from testbed.week import card

_ROOT: Final = Path(__file__).resolve().parents[3]
_PROGRAM: Final = """
import errno, os, sqlite3, sys
from pathlib import Path
from testbed.week.card import Card, keep_mounts_apart

def refusal(work):
    try:
        work()
    except OSError as error:
        return errno.errorcode[error.errno]
    except sqlite3.Error as error:
        return error.sqlite_errorname
    return "fine"

keep_mounts_apart()
here = Path(sys.argv[1])
(here / "data").mkdir()
card = Card(here / "data", here / "card.img")
database = sqlite3.connect(here / "data" / "some.sqlite", isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE rows (row)")
write = lambda: database.execute("INSERT INTO rows VALUES (zeroblob(100000))")
write()
said = []
taken = card.fill()
said += [refusal(write), refusal(lambda: (here / "data" / "more").write_bytes(bytes(5_000)))]
card.drain()
said.append(refusal(write))
card.fail()
said += [refusal(write), refusal(lambda: (here / "data" / "more").touch())]
database.close()
card.repair()
database = sqlite3.connect(here / "data" / "some.sqlite")
for question in ("SELECT count(*) FROM rows", "PRAGMA integrity_check"):
    said += map(str, database.execute(question).fetchone())
database.close()
card.take_out()
said.append(str((here / "data" / "some.sqlite").exists() and not (here / "card.img").exists()))
print(taken > 50_000_000, *said)
"""


@pytest.mark.skipif(bool(card.why_not()), reason=f"a card of our own: {card.why_not()}")
def test_a_card_is_full_and_fails_by_the_kernels_word_and_comes_back_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
    )
    if "no mounts of our own" in done.stderr or "mount failed" in done.stderr:
        pytest.skip(f"no card can be mounted here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    written, full, no_file, emptied, failed, no_name, *left = done.stdout.split()
    assert written == "True"
    assert (full, no_file, emptied) == ("SQLITE_FULL", "ENOSPC", "fine")
    assert failed.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")), failed
    assert no_name == "EROFS"
    assert left == ["2", "ok", "True"], "what was acknowledged is there"
    assert not (tmp_path / "data").is_mount()


@pytest.mark.parametrize(("user", "why"), [(0, ""), (1_000, "it takes root")])
def test_who_may_not_mount_is_told_so(user: int, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/true")
    monkeypatch.setattr(Path, "exists", lambda _: True)
    assert card.why_not() == why


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr("shutil.which", lambda name: None if name == "e2fsck" else "/usr/bin/true")
    assert card.why_not() == "e2fsck is not installed"
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert card.why_not() == "there is no loop device"
