"""Key files are for their owner's eyes, and a secret never shows."""

from pathlib import Path

import pytest

from light_client.rules.errors import LocalError
from light_client.transport.keys import KeyFileError, TransportKey, read_key_file, write_key_file


def test_a_key_survives_its_file(tmp_path: Path) -> None:
    key, path = TransportKey.generate(), tmp_path / "transport.key"
    write_key_file(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key_file(path) == key


def test_a_secret_never_shows(tmp_path: Path) -> None:
    key, other = TransportKey.generate(), TransportKey.generate()
    assert key.secret not in f"{key!r} {key}"
    with pytest.raises(LocalError) as mismatch:
        TransportKey(public=other.public, secret=key.secret)
    with pytest.raises(LocalError) as unreadable:
        TransportKey(public=other.public, secret=key.secret[:-1])
    path = tmp_path / "transport.key"
    path.write_text(f"gridlight transport key 1\npublic {other.public}\nsecret {key.secret}\n")
    path.chmod(0o600)
    with pytest.raises(KeyFileError) as in_file:
        read_key_file(path)
    for caught in (mismatch, unreadable, in_file):
        assert key.secret[:8] not in f"{caught.value!r} {caught.value}"
        assert caught.value.__cause__ is None


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    key, path = TransportKey.generate(), tmp_path / "transport.key"
    write_key_file(path, key)
    with pytest.raises(KeyFileError, match="cannot be written"):
        write_key_file(path, TransportKey.generate())
    assert read_key_file(path) == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "transport.key"
    write_key_file(path, TransportKey.generate())
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="open to others"):
        read_key_file(path)


@pytest.mark.parametrize("text", ["", "gridlight transport key 1\n", "x\npublic a\nsecret b\n", "\xff"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "transport.key"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(KeyFileError):
        read_key_file(path)
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_key_file(tmp_path / "missing.key")
