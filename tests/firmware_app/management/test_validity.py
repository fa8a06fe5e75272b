"""When a certificate ends is noted beside it, so that nobody need load a library to know."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.broker.authority import Authority, Role
from firmware_app.management import certificate
from firmware_app.management.credentials import CredentialsError
from firmware_app.management.validity import ends_ms
from firmware_app.store.files import Files

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _certificate(folder: Path, days: int) -> bytes:
    authority = Authority.create(folder, bytes(32), NOW)
    return authority.client("meter-1", Role.OPERATOR, NOW, days).certificate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A certificate of ten days."""
    path = tmp_path / "device.crt"
    path.write_bytes(_certificate(tmp_path / "ca", 10))
    return path


def test_it_is_read_once_and_then_known(path: Path) -> None:
    first = ends_ms(path, Files())
    assert first == int((NOW + timedelta(days=10)).timestamp()) * 1_000
    program = (
        "import sys; from pathlib import Path; from firmware_app.management.validity import ends_ms;"
        "from firmware_app.store.files import Files; print(ends_ms(Path(sys.argv[1]), Files()));"
        "print(*(name for name in sys.modules if name.startswith('cryptography')))"
    )
    known = subprocess.run(
        [sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert known.stdout == f"{first}\n\n"


def test_the_process_that_asks_never_loads_the_library(path: Path) -> None:
    """As `gridlight run` does in its first life with a certificate that was laid there by hand."""
    program = (
        "import sys; from pathlib import Path; from firmware_app.management.validity import ends_ms;"
        "from firmware_app.store.files import Files; print(ends_ms(Path(sys.argv[1]), Files()));"
        "print(*(name for name in sys.modules if name.startswith('cryptography')))"
    )
    asked = subprocess.run(
        [sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert asked.stdout == f"{certificate.ends_ms(path)}\n\n"
    assert path.with_name("device.crt.ends").exists()


def test_a_note_of_another_certificate_does_not_count(path: Path, tmp_path: Path) -> None:
    before = ends_ms(path, Files())
    path.write_bytes(_certificate(tmp_path / "other", 90))
    after = ends_ms(path, Files())
    assert after == before + 80 * 86_400_000
    assert ends_ms(path, Files()) == after


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"one two three", b"abc 12", b"x" * 5_000])
def test_a_damaged_note_is_made_anew(path: Path, note: bytes) -> None:
    ends = ends_ms(path, Files())
    beside = path.with_name("device.crt.ends")
    whole = beside.read_bytes()
    beside.write_bytes(note)
    assert ends_ms(path, Files()) == ends
    assert beside.read_bytes() == whole


def test_a_note_that_cannot_be_written_stops_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise CredentialsError("no space left")

    monkeypatch.setattr("firmware_app.management.validity.put", full)
    assert ends_ms(path, Files()) == certificate.ends_ms(path)
    assert not path.with_name("device.crt.ends").exists()


def test_where_there_is_no_certificate_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="holds no certificate"):
        ends_ms(tmp_path / "device.crt", Files())
    (tmp_path / "device.crt").write_bytes(b"nonsense")
    with pytest.raises(CredentialsError, match="holds no certificate"):
        ends_ms(tmp_path / "device.crt", Files())
