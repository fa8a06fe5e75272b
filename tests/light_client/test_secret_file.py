"""Secrets are their owner's alone: what others can read is not used, and what is there is not replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from light_client.secret_file import (
    OpenToOthersError,
    SecretFileError,
    check_secret_file,
    read_secret_file,
    write_secret_file,
)


def test_what_was_written_is_read_again_and_nobody_else_can(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_secret_file(path, b"hunter2")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret_file(path, 100) == b"hunter2"
    assert read_secret_file(path, 3) == b"hun"
    check_secret_file(path)
    with pytest.raises(FileExistsError):
        write_secret_file(path, b"other")
    assert read_secret_file(path, 100) == b"hunter2"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_what_others_can_read_or_write_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    write_secret_file(path, b"hunter2")
    path.chmod(mode)
    with pytest.raises(OpenToOthersError, match="open to others") as caught:
        read_secret_file(path, 100)
    assert "hunter" not in str(caught.value)
    with pytest.raises(OpenToOthersError):
        check_secret_file(path)


def test_somebody_elses_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    write_secret_file(path, b"hunter2")
    monkeypatch.setattr("os.geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(OpenToOthersError):
        read_secret_file(path, 100)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match="cannot be read: FileNotFoundError"):
        read_secret_file(tmp_path / "none", 10)
    with pytest.raises(SecretFileError, match="cannot be used"):
        check_secret_file(tmp_path / "none")


def test_a_public_half_may_lie_beside_it(tmp_path: Path) -> None:
    write_secret_file(tmp_path / "public", b"all", 0o644)
    assert (tmp_path / "public").stat().st_mode & 0o077 == 0o044
