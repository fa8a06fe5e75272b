"""Encrypted P1: the tag decides, no telegram counts twice, and keys show nowhere."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.errors import MeterError
from meter_io.p1 import Decryptor, KeyMaterial, P1Parser
from meter_io.p1.cipher import LUXEMBOURG_AUTHENTICATION_KEY, Seen
from meter_io.telegram import Event, Reason
from tests.meter_io.encoders import DSMR5, encrypted, p1_telegram
from tests.meter_io.streams import accepted, assert_cutting_changes_nothing, at_once, refused, streams

KEY = bytes(range(16))
AUTHENTICATION = bytes(range(100, 116))
PLAIN = p1_telegram("Lux5X", [*DSMR5, "0-0:42.0.0(53414731)"])
KEYS = KeyMaterial(KEY, AUTHENTICATION)


def frame(
    counter: int = 1, *, plain: bytes = PLAIN, title: bytes = b"SYSTEMID", control: int = 0x30
) -> bytes:
    return encrypted(
        plain, key=KEY, authentication=AUTHENTICATION, counter=counter, title=title, control=control
    )


def reasons(events: list[Event]) -> list[Reason]:
    return [event.reason for event in refused(events)]


def test_a_telegram_is_decrypted_and_stays_encrypted_in_what_is_kept() -> None:
    (telegram,) = accepted(at_once(P1Parser(Decryptor(KEYS)), frame()))
    assert telegram.dialect == "Luxembourg"
    assert telegram.values == accepted(at_once(P1Parser(), PLAIN))[0].values
    assert telegram.raw == frame()


def test_the_public_authentication_key_of_luxembourg_is_the_default() -> None:
    sent = encrypted(PLAIN, key=KEY, authentication=LUXEMBOURG_AUTHENTICATION_KEY)
    assert len(accepted(at_once(P1Parser(Decryptor(KeyMaterial(KEY))), sent))) == 1


@given(st.integers(13, len(frame()) - 1), st.integers(1, 255))
def test_no_changed_byte_gets_through(position: int, change: int) -> None:
    sent = frame()
    changed = sent[:position] + bytes([sent[position] ^ change]) + sent[position + 1 :]
    assert accepted(at_once(P1Parser(Decryptor(KEYS)), changed)) == []


def test_wrong_keys_are_refused() -> None:
    for keys in (KeyMaterial(AUTHENTICATION, KEY), KeyMaterial(KEY, KEY)):
        assert reasons(at_once(P1Parser(Decryptor(keys)), frame())) == [Reason.AUTHENTICATION]


def test_counters_only_rise() -> None:
    decryptor = Decryptor(KEYS)
    events = at_once(P1Parser(decryptor), frame(5) + frame(5) + frame(4) + frame(6))
    assert reasons(events) == [Reason.REPLAY, Reason.REPLAY]
    assert decryptor.seen == Seen(b"SYSTEMID", 6)
    assert reasons(at_once(P1Parser(Decryptor(KEYS, decryptor.seen)), frame(6))) == [Reason.REPLAY]
    assert len(accepted(at_once(P1Parser(Decryptor(KEYS, decryptor.seen)), frame(7)))) == 1


def test_a_forgery_moves_no_counter() -> None:
    decryptor = Decryptor(KEYS)
    forged = frame(2**32 - 1)[:-1] + b"x"
    assert reasons(at_once(P1Parser(decryptor), forged)) == [Reason.AUTHENTICATION]
    assert decryptor.seen is None
    assert len(accepted(at_once(P1Parser(decryptor), frame(1)))) == 1


def test_another_meter_with_the_same_key_is_refused() -> None:
    assert reasons(at_once(P1Parser(Decryptor(KEYS)), frame(1) + frame(2, title=b"ANOTHER1"))) == [
        Reason.REPLAY
    ]


@pytest.mark.parametrize("control", [0x10, 0x20, 0x31, 0x00])
def test_anything_but_encrypted_and_authenticated_is_refused(control: int) -> None:
    assert reasons(at_once(P1Parser(Decryptor(KEYS)), frame(control=control))) == [Reason.UNSUPPORTED]


@pytest.mark.parametrize("plain", [b"", b"hello", PLAIN[:-2] + b"x", PLAIN[1:]])
def test_what_was_encrypted_must_be_a_telegram(plain: bytes) -> None:
    assert accepted(at_once(P1Parser(Decryptor(KEYS)), frame(plain=plain))) == []


def test_without_a_key_the_telegram_is_named_as_encrypted() -> None:
    events = at_once(P1Parser(), frame() + PLAIN)
    assert reasons(events) == [Reason.KEY]
    assert len(accepted(events)) == 1


def test_a_broken_frame_costs_itself_alone() -> None:
    damaged = frame(1)[:-4] + b"oops"
    events = at_once(P1Parser(Decryptor(KEYS)), b"\xdb\xdb\x08" + damaged + frame(2) + frame(3)[:50])
    assert len(accepted(events)) == 1
    assert reasons(events) == [Reason.NOISE, Reason.AUTHENTICATION, Reason.INCOMPLETE]


@given(
    streams(st.integers(1, 9).map(frame), b"\xdb\x08\x82\x30/!"), st.lists(st.integers(0, 3_000), max_size=8)
)
def test_cutting_the_stream_changes_nothing(data: bytes, cuts: list[int]) -> None:
    assert_cutting_changes_nothing(lambda: P1Parser(Decryptor(KEYS)), data, cuts)


def test_keys_are_never_shown() -> None:
    assert KEY.hex() not in repr(KEYS) + str(KEYS) + repr(vars(Decryptor(KEYS))) + repr(Decryptor(KEYS))
    assert not hasattr(KEYS, "__dict__")


@pytest.mark.parametrize(
    "text", ["", "00", KEY.hex() + "zz", f"{KEY.hex()} {KEY.hex()} {KEY.hex()}", KEY.hex()[:-1]]
)
def test_a_bad_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="key") as refusal:
        KeyMaterial.parse(text)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
    assert KEY.hex()[:8] not in str(refusal.value)


def test_one_key_or_two_can_be_given() -> None:
    assert KeyMaterial.parse(KEY.hex()).authentication == LUXEMBOURG_AUTHENTICATION_KEY
    both = KeyMaterial.parse(f"{KEY.hex()}\n{AUTHENTICATION.hex().upper()}\n")
    assert (both.encryption, both.authentication) == (KEY, AUTHENTICATION)


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(MeterError, match="cryptography") as refusal:
        Decryptor(KEYS)
    assert refusal.value.hint == "apt install python3-cryptography"
