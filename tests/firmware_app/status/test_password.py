"""The page's password is read from a file that is its owner's alone, and no error tells any of it."""

from pathlib import Path

import pytest

from firmware_app.status.password import MIN_CHARACTERS, PasswordError, read_password

_PASSWORD = "a long enough password"  # noqa: S105 - of this test alone


def _file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "page.password"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_one_line_is_the_password(tmp_path: Path) -> None:
    assert read_password(_file(tmp_path, _PASSWORD + "\n")) == _PASSWORD


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(PasswordError, match="open to others") as caught:
        read_password(_file(tmp_path, _PASSWORD, mode))
    assert _PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "\n", "x" * (MIN_CHARACTERS - 1), "two lines of it\nare too many", "y" * 300]
)
def test_what_is_no_password_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PasswordError, match="holds no password"):
        read_password(_file(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PasswordError, match="cannot be read: FileNotFoundError"):
        read_password(tmp_path / "nothing")
