"""Pushing meters as the bus scheduler hears them: by shipped profile, with what was wrong in words."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from meter_io.bus.dialogue import Listener, Said
from meter_io.errors import GarbledReply, ProfileError, Refused
from meter_io.listener import TelegramListener
from meter_io.obis import IMPORT_TOTAL, POWER_NET
from meter_io.p1 import Decryptor, KeyMaterial
from meter_io.profiles.load import find
from meter_io.profiles.model import TelegramForm
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
SML = sml_telegram(
    b"\x0a\x01DZG\x00" + (42_082_910).to_bytes(4, "big"),
    [Entry(code=bytes([1, 0, 16, 7, 0, 255]), value=whole(-29_912, 2, signed=True), unit=27, scaler=-2)],
)
PUSHED = b"/EBZ5DD3 V1\r\n\r\n1-0:1.8.0*255(000001.2500*kWh)\r\n!\r\n"


def test_sml_by_its_shipped_profile() -> None:
    listener: Listener = TelegramListener(find("sml"))
    assert listener.feed(b"noise" + SML[:50]) == []
    (said,) = listener.feed(SML[50:])
    assert isinstance(said, Said)
    assert (said.model, said.values[POWER_NET].number) == ("DZG DVS74", Decimal("356.24"))


def test_p1_by_its_shipped_profile_has_totals() -> None:
    (said,) = TelegramListener(find("p1-dsmr5")).feed(P1)
    assert isinstance(said, Said)
    assert said.values[IMPORT_TOTAL].number == 2_130_115 + 245_467


def test_a_readout_that_is_pushed() -> None:
    (said,) = TelegramListener(find("iec62056-21-d")).feed(PUSHED)
    assert isinstance(said, Said)
    assert said.values[IMPORT_TOTAL].number == 1_250


def test_what_is_wrong_is_an_error_of_its_kind() -> None:
    listener = TelegramListener(find("p1-dsmr5"))
    damaged, locked, stranger = listener.feed(
        P1.replace(b"2130", b"2131")
        + encrypted(P1, key=KEY, authentication=KEY)
        + p1_telegram("XYZ5", ["1-3:0.2.8(99)"])
    )
    assert isinstance(damaged, GarbledReply)
    assert isinstance(locked, Refused)
    assert locked.hint == "ask the grid operator for the key of the port"
    assert isinstance(stranger, Refused)
    decrypting = TelegramListener(find("p1-dsmr5"), Decryptor(KeyMaterial(KEY, KEY)))
    sent = encrypted(P1, key=KEY, authentication=KEY)
    said, again = decrypting.feed(sent + sent)
    assert isinstance(said, Said)
    assert isinstance(again, Refused)


def test_another_model_than_the_profiles_is_refused() -> None:
    profile = find("p1-dsmr5")
    assert isinstance(profile.form, TelegramForm)
    form = replace(profile.form, identification=re.compile("/KFM5"))
    (error,) = TelegramListener(replace(profile, form=form)).feed(P1)
    assert isinstance(error, ProfileError)
    assert "XYZ5" in error.sentence


def test_a_meter_that_is_asked_has_no_listener() -> None:
    with pytest.raises(ProfileError, match="is asked"):
        TelegramListener(find("eastron-sdm630"))
