"""A card holds no secret: each kind that a build could leave behind is found, and nothing else is."""

from pathlib import Path

import pytest

from deploy.image.bundle import make_keys
from deploy.image.secrecy import secrets_in
from deploy.image.tools import lacking
from firmware_app.config import keys


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root without secrets."""
    made = tmp_path / "root"
    (made / "etc").mkdir(parents=True)
    (made / "etc/shadow").write_text("root:!*:0:0:99999:7:::\ngridlight:!*:0::::::\n", encoding="utf-8")
    (made / "etc/machine-id").write_text("", encoding="ascii")
    (made / "etc/keyring.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n", encoding="ascii")
    (made / "etc/checker.py").write_text('BEGIN = "-----BEGIN PRIVATE KEY-----"\n', encoding="ascii")
    (made / "etc/link").symlink_to("/nowhere")
    return made


def test_a_root_without_secrets_is_passed(root: Path) -> None:
    assert secrets_in(root) == []


def test_keys_of_a_board_are_found_under_any_name(root: Path, tmp_path: Path) -> None:
    keys.create_missing(tmp_path / "data", tmp_path / "data" / "market.sqlite")
    for number, file in enumerate((keys.IDENTITY, keys.SEED)):
        (root / f"etc/renamed-{number}").write_bytes((tmp_path / "data" / file).read_bytes())
    assert secrets_in(root) == ["etc/renamed-0 holds a private key", "etc/renamed-1 holds a private key"]


def test_the_key_that_signs_updates_is_found(root: Path, tmp_path: Path) -> None:
    if missing := lacking(["openssl"]):
        pytest.skip(f"not installed: {missing[0]}")
    make_keys(tmp_path / "keys")
    (root / "etc/kept.pem").write_bytes((tmp_path / "keys/signer.key").read_bytes())
    (root / "etc/public.pem").write_bytes((tmp_path / "keys/keyring.pem").read_bytes())
    assert secrets_in(root) == ["etc/kept.pem holds a private key"]


@pytest.mark.parametrize(
    "name",
    [
        "identity.key",
        "wallet.seed",
        "ticket.json",
        "token.pin",
        "fleet.ticket",
        "ssh_host_ed25519_key",
        "authorized_keys",
    ],
)
def test_what_belongs_to_one_board_is_found_by_its_name(root: Path, name: str) -> None:
    (root / "etc" / name).write_text("anything", encoding="ascii")
    assert secrets_in(root) == [f"etc/{name} belongs to one board"]


def test_a_password_and_an_open_account_are_found(root: Path) -> None:
    (root / "etc/shadow").write_text("root:$y$j9T$abc:1:::::\nguest::1:::::\n", encoding="utf-8")
    assert secrets_in(root) == [
        "etc/shadow lets root log in by a password",
        "etc/shadow lets guest log in without a password",
    ]


def test_the_name_of_one_machine_is_found(root: Path) -> None:
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
    assert secrets_in(root) == ["etc/machine-id is that of one machine"]
