"""Secrets in raw bytes: found wherever they lie and in every form, and nowhere else."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.config import keys
from testbed.commissioning import traces
from testbed.commissioning.traces import forms_of, places_of, secret_in

_CHUNK = 256


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    """Chunks so small that what is looked for lies across their edges."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traces, "_CHUNK", _CHUNK)
        yield


@given(
    secret=st.binary(min_size=32, max_size=32).filter(lambda raw: len(set(raw)) > 8),
    form=st.integers(0, 4),
    at=st.integers(0, 5 * _CHUNK),
    behind=st.integers(0, 5 * _CHUNK),
)
def test_a_secret_is_found_in_every_form_at_every_place(
    tmp_path_factory: pytest.TempPathFactory, secret: bytes, form: int, at: int, behind: int
) -> None:
    card = tmp_path_factory.mktemp("card") / "card.img"
    card.write_bytes(bytes(at) + forms_of(secret)[form] + bytes(behind))
    assert places_of(card, {"key": secret})["key"][:1] == [at]


@given(st.binary(max_size=4 * _CHUNK))
def test_nothing_is_found_where_nothing_is(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    card = tmp_path_factory.mktemp("card") / "card.img"
    card.write_bytes(raw.replace(b"\x9f", b""))
    assert places_of(card, {"key": b"\x9f" * 32}) == {"key": []}


def test_the_secret_of_a_key_file_is_read_as_the_program_writes_it(tmp_path: Path) -> None:
    keys.create_missing(tmp_path / "data", tmp_path / "data" / "market.sqlite")
    found = [secret_in((tmp_path / "data" / name).read_bytes()) for name in (keys.IDENTITY, keys.SEED)]
    assert len(set(found)) == 2
    for name, secret in zip((keys.IDENTITY, keys.SEED), found, strict=True):
        card = tmp_path / "data" / name
        assert places_of(card, {"key": secret})["key"], "and the search finds it in its own file"
    with pytest.raises(ValueError, match="not a key file"):
        secret_in(b"anything else")


def test_forms_are_what_other_programs_write() -> None:
    secret = bytes(range(32))
    assert set(forms_of(secret)) >= {secret, secret.hex().encode(), base64.b64encode(secret)}
