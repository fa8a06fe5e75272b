"""Pushing meters as the bus hears them: by shipped profile, with what was wrong in words."""

import re
from decimal import Decimal

import pytest

from meter_io.bus.dialogue import Listener, Said
from meter_io.bus.listening import TelegramListener
from meter_io.errors import GarbledReply, ProfileError, Refused
from meter_io.obis import IMPORT_TOTAL, POWER_NET
from meter_io.p1 import Decryptor, KeyMaterial, P1Parser
from meter_io.profiles.load import find
from meter_io.profiles.model import TelegramForm
from meter_io.wiring import framer_of
from tests.meter_io.encoders import (
    DSMR5,
    Entry,
    encrypted,
    p1_telegram,
    sml_telegram,
    whole,
)

P1 = p1_telegram("XYZ5\\2TEST", DSMR5)
KEY = bytes(16)
ANY = re.compile("")
SML = sml_telegram(
    b"\x0a\x01DZG\x00" + (42_082_910).to_bytes(4, "big"),
    [Entry(code=bytes([1, 0, 16, 7, 0, 255]), value=whole(-29_912, 2, signed=True), unit=27, scaler=-2)],
)


def listener_of(name: str) -> Listener:
    profile = find(name)
    assert isinstance(profile.form, TelegramForm)
    return TelegramListener(framer_of(profile), profile.form.identification)


def test_sml_by_its_shipped_profile() -> None:
    listener = listener_of("sml")
    assert listener.feed(b"noise" + SML[:50]) == []
    (said,) = listener.feed(SML[50:])
    assert isinstance(said, Said)
    assert (said.model, said.values[POWER_NET].number) == ("DZG DVS74", Decimal("356.24"))


@pytest.mark.parametrize("name", ["p1-dsmr5", "p1-dsmr22"])
def test_p1_by_its_shipped_profiles_has_totals(name: str) -> None:
    (said,) = listener_of(name).feed(P1)
    assert isinstance(said, Said)
    assert said.values[IMPORT_TOTAL].number == 2_130_115 + 245_467


def test_beginning_in_the_middle_of_a_telegram_is_no_error() -> None:
    (said,) = TelegramListener(P1Parser(), ANY).feed(P1[50:] + P1[:80] + P1)
    assert isinstance(said, Said)


def test_what_is_wrong_is_an_error_of_its_kind() -> None:
    damaged, locked, stranger = TelegramListener(P1Parser(), ANY).feed(
        P1.replace(b"2130", b"2131")
        + encrypted(P1, key=KEY, authentication=KEY)
        + p1_telegram("XYZ5", ["1-3:0.2.8(99)"])
    )
    assert isinstance(damaged, GarbledReply)
    assert isinstance(locked, Refused)
    assert locked.hint == "ask the grid operator for the key of the port"
    assert isinstance(stranger, Refused)


def test_a_telegram_that_comes_twice_is_refused() -> None:
    sent = encrypted(P1, key=KEY, authentication=KEY)
    said, again = TelegramListener(P1Parser(Decryptor(KeyMaterial(KEY, KEY))), ANY).feed(sent + sent)
    assert isinstance(said, Said)
    assert isinstance(again, Refused)


def test_another_model_than_the_profiles_is_refused() -> None:
    (error,) = TelegramListener(P1Parser(), re.compile("^KFM5")).feed(P1)
    assert isinstance(error, ProfileError)
    assert "XYZ5" in error.sentence
