"""Secrets are made once, never replaced, never shown, and refused when others could read them."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.config import keys
from firmware_app.config.enrolment import Enrolment, enrolment_of
from firmware_app.config.keys import DeviceKeys, KeysError
from firmware_app.identity.identity import SecretIdentity
from light_client.rules.crypto import verify


def _made(folder: Path) -> DeviceKeys:
    keys.create_missing(folder, folder / "market.sqlite")
    return keys.load(folder)


def test_keys_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert not keys.are_there(folder)
    made = keys.create_missing(folder, folder / "market.sqlite")
    assert [file.name for file in made] == [keys.IDENTITY, keys.SEED]
    assert sorted(file.name for file in folder.iterdir()) == [keys.IDENTITY, keys.SEED]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in made)
    first = keys.load(folder)
    assert keys.create_missing(folder, folder / "market.sqlite") == []
    again = keys.load(folder)
    assert (again.identity_key, again.seed) == (first.identity_key, first.seed)
    assert (folder / keys.IDENTITY).read_text(encoding="ascii").split()[-1] not in repr(first)
    assert first.seed.hex() not in repr(first)


def test_two_boards_have_nothing_in_common(tmp_path: Path) -> None:
    one, other = _made(tmp_path / "a"), _made(tmp_path / "b")
    assert len({one.identity_key, one.seed, other.identity_key, other.seed}) == 4


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    first = _made(tmp_path)
    (tmp_path / keys.IDENTITY).unlink()
    assert [file.name for file in keys.create_missing(tmp_path, tmp_path / "market.sqlite")] == [
        keys.IDENTITY
    ]
    second = keys.load(tmp_path)
    assert second.seed == first.seed
    assert second.identity_key != first.identity_key


def test_the_seed_of_a_wallet_in_use_is_not_made_anew(tmp_path: Path) -> None:
    store = tmp_path / "market.sqlite"
    _made(tmp_path)
    (tmp_path / keys.SEED).unlink()
    store.write_bytes(b"")
    with pytest.raises(KeysError, match="restore it from a backup"):
        keys.create_missing(tmp_path, store)
    assert not (tmp_path / keys.SEED).exists()


@pytest.mark.parametrize("name", [keys.IDENTITY, keys.SEED])
def test_a_secret_that_is_missing_open_or_damaged_is_refused_without_being_told(
    name: str, tmp_path: Path
) -> None:
    _made(tmp_path)
    path = tmp_path / name
    text = path.read_text(encoding="ascii")
    secret = text.splitlines()[1]
    path.chmod(0o640)
    _refused(tmp_path, "open to others", secret)
    path.chmod(0o600)
    for damaged in (
        "",
        text[:-3],
        text.replace("1\n", "2\n", 1),
        f"{text}more\n",
        text.replace(secret, "0" * 63),
    ):
        path.write_text(damaged, encoding="ascii")
        _refused(tmp_path, "damaged", secret)
    path.unlink()
    _refused(tmp_path, "gridlight enroll", secret)


def _refused(folder: Path, why: str, secret: str) -> None:
    with pytest.raises(KeysError, match=why) as refused:
        keys.load(folder)
    assert secret[:16] not in str(refused.value)


def test_an_identity_that_is_no_key_of_the_curve_is_refused(tmp_path: Path) -> None:
    _made(tmp_path)
    (tmp_path / keys.IDENTITY).write_text("gridlight identity 1\n" + "00" * 32 + "\n", encoding="ascii")
    with pytest.raises(KeysError, match="damaged"):
        keys.load(tmp_path)


@given(st.binary(min_size=31, max_size=31), st.text("abc-", min_size=1, max_size=9))
def test_a_request_is_signed_by_the_key_it_names(tail: bytes, name: str) -> None:
    device = DeviceKeys(identity=SecretIdentity(b"\x01" + tail), seed=b"s" * 32)
    request = enrolment_of(name, device)
    assert request == enrolment_of(name, device)
    assert request.is_signed(verify)
    forged = Enrolment(name=f"{name}x", identity_key=request.identity_key, signature=request.signature)
    assert not forged.is_signed(verify)
    assert tail.hex() not in str(request.document())
    assert len(request.fingerprint.split()) == 8
