"""An identity on a chip, played by SoftHSM: made there, used there, never read from there, gone after a reset."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_app.config import keys
from firmware_app.config.enrolment import enrolment_of
from firmware_app.identity.identity import IdentityError, SecretIdentity
from firmware_app.identity.params import IdentityParams, KeyPlace
from firmware_app.identity.pkcs11 import TokenIdentity, identity_on_chip
from light_client.rules.crypto import HIGHEST_LOW_S, verify

_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/arm-linux-gnueabihf/softhsm/libsofthsm2.so",
)
_PIN = "74183659"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """SoftHSM with one token in a folder of the test."""
    found = next((path for path in _MODULES if Path(path).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed")
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    conf = tmp_path / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n", encoding="ascii")
    monkeypatch.setenv("SOFTHSM2_CONF", str(conf))
    subprocess.run(
        [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            "gridlight",
            "--so-pin",
            "12345678",
            "--pin",
            _PIN,
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "SOFTHSM2_CONF": str(conf)},
    )
    return found


@pytest.fixture
def chip(module: str) -> Iterator[TokenIdentity]:
    """A chip that has just made its key."""
    with TokenIdentity(module, "gridlight", _PIN) as identity:
        identity.create()
        yield identity


def test_what_the_chip_signs_holds_by_our_rules(chip: TokenIdentity) -> None:
    for number in range(8):
        message = b"enrol me %d" % number
        signature = chip.sign(message)
        assert verify(chip.public_key, signature, message)
        assert int.from_bytes(signature[32:]) <= HIGHEST_LOW_S
        assert not verify(chip.public_key, signature, message + b"!")


def test_the_key_outlives_the_process_and_is_never_replaced(module: str) -> None:
    with TokenIdentity(module, "gridlight", _PIN) as first:
        assert not first.is_there
        first.create()
        key = first.public_key
    with TokenIdentity(module, "gridlight", _PIN) as second:
        assert second.is_there
        assert second.public_key == key
        with pytest.raises(IdentityError, match="has an identity already"):
            second.create()


def test_a_reset_leaves_nothing(chip: TokenIdentity) -> None:
    before = chip.public_key
    chip.destroy()
    assert not chip.is_there
    with pytest.raises(IdentityError, match="0 keys"):
        chip.sign(b"anything")
    chip.create()
    assert chip.public_key != before, "and the next identity is another one"


def test_a_wrong_pin_is_told_without_it(module: str) -> None:
    with pytest.raises(IdentityError, match="the PIN is wrong") as caught:
        TokenIdentity(module, "gridlight", "00000000")
    assert "00000000" not in str(caught.value)


def test_a_token_that_is_not_there_is_named(module: str) -> None:
    with pytest.raises(IdentityError, match="no chip holds a token 'other'"):
        TokenIdentity(module, "other", _PIN)


def test_a_library_that_is_not_there_is_named() -> None:
    with pytest.raises(IdentityError, match="cannot be loaded"):
        TokenIdentity("/nowhere/chip.so", "gridlight", _PIN)


def test_the_pin_comes_out_of_a_file(module: str, tmp_path: Path) -> None:
    (tmp_path / "token.pin").write_text(f"{_PIN}\n", encoding="ascii")
    with identity_on_chip(module, "gridlight", tmp_path / "token.pin") as identity:
        assert not identity.is_there
    with pytest.raises(IdentityError, match="cannot be read"):
        identity_on_chip(module, "gridlight", tmp_path / "missing.pin")


def test_a_secret_in_memory_signs_the_same_way_and_shows_nowhere() -> None:
    identity = SecretIdentity(b"\x07" * 32)
    assert verify(identity.public_key, identity.sign(b"message"), b"message")
    assert "0707" not in repr(identity).replace(identity.public_key.hex(), "")


def test_a_device_enrols_with_its_key_on_the_chip_and_no_file_holds_it(module: str, tmp_path: Path) -> None:
    folder, place = tmp_path / "data", IdentityParams(place=KeyPlace.PKCS11, module=module)
    folder.mkdir(mode=0o700)
    (folder / "token.pin").write_text(f"{_PIN}\n", encoding="ascii")
    assert not keys.are_there(folder, place)
    made = keys.create_missing(folder, folder / "market.sqlite", place)
    assert [path.name for path in made] == [keys.SEED]
    assert keys.are_there(folder, place)
    device = keys.load(folder, place)
    request = enrolment_of("meter-0101", device)
    assert request.is_signed(verify)
    assert isinstance(device.identity, TokenIdentity)
    device.identity.close()
    assert not (folder / keys.IDENTITY).exists()
    assert keys.create_missing(folder, folder / "market.sqlite", place) == []
    again = keys.load(folder, place)
    assert again.identity_key == request.identity_key


def test_a_chip_needs_a_library() -> None:
    with pytest.raises(ValueError, match="absolute path"):
        IdentityParams(place=KeyPlace.PKCS11)
