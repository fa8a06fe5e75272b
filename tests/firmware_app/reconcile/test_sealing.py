"""Sealed reports: only the operator opens them, no changed byte passes, and their length tells nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.reconcile import sealing
from firmware_app.reconcile.metered import MeteredInterval, Quality
from firmware_app.reconcile.report import MAX_METER_ID, DeliveryReport, padded_bytes, sign_report
from firmware_app.reconcile.sealing import OVERHEAD_BYTES, public_seal_key, seal, unseal
from firmware_app.reconcile.settings import ReportSettings
from firmware_app.store.outbox import MAX_BODY_BYTES
from light_client.rules.crypto import sign
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.units import MAX_ENERGY_J, MAX_INTERVAL

SECRET = bytes(range(32))
OPERATOR = public_seal_key(SECRET)
ONCE = bytes(range(32, 64))
SMALL_ORDER = (
    *(0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18),
    0xB8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
)
"""Points with which all secrets agree on nothing, and spellings of them. Source: cr.yp.to/ecdh.html#validate."""
ROOT = Path(__file__).resolve().parents[3]


@settings(max_examples=30)
@given(st.binary(max_size=300), st.integers(300, 400), st.binary(min_size=32, max_size=32))
def test_the_operator_reads_what_was_written(document: bytes, size: int, ephemeral: bytes) -> None:
    sealed = seal(document, OPERATOR, size=size, ephemeral=ephemeral)
    assert unseal(sealed, SECRET) == document
    assert len(sealed) == size + OVERHEAD_BYTES
    with pytest.raises(RuleViolation, match="RPT-03"):
        unseal(sealed, bytes(31) + b"\x07")


@given(st.data())
@settings(max_examples=60)
def test_no_changed_byte_and_no_cut_passes(data: st.DataObject) -> None:
    sealed = bytearray(seal(b"what was metered", OPERATOR, size=64, ephemeral=ONCE))
    place = data.draw(st.integers(0, len(sealed) - 1))
    cut = bytes(sealed[:place])
    sealed[place] ^= data.draw(st.integers(1, 255))
    for wrong in (bytes(sealed), cut, bytes(sealed) + b"\0"):
        if place == 32 and wrong == bytes(sealed) and sealed[place] & 0x7F == ONCE_PUBLIC[31] & 0x7F:
            continue  # the top bit of a point is no part of it (RFC 7748 §5), yet it is bound by salt and label
        with pytest.raises(RuleViolation, match="RPT-03"):
            unseal(wrong, SECRET)


ONCE_PUBLIC = public_seal_key(ONCE)


def test_even_the_bit_that_is_no_part_of_a_point_is_bound() -> None:
    sealed = bytearray(seal(b"what was metered", OPERATOR, size=64, ephemeral=ONCE))
    sealed[32] ^= 0x80
    with pytest.raises(RuleViolation, match="RPT-03"):
        unseal(bytes(sealed), SECRET)


def test_the_same_document_looks_different_each_time() -> None:
    first, second = (seal(b"x", OPERATOR, size=64, ephemeral=bytes([n]) * 32) for n in (1, 2))
    assert not set(zip(first[1:], range(200), strict=False)) >= set(zip(second[1:], range(200), strict=False))
    assert first[33:] != second[33:]


def test_what_cannot_be_sealed_is_refused() -> None:
    with pytest.raises(LocalError, match="length of a document"):
        seal(bytes(9), OPERATOR, size=8, ephemeral=ONCE)
    with pytest.raises(LocalError, match="public sealing key"):
        seal(b"", OPERATOR[:-1], size=8, ephemeral=ONCE)
    with pytest.raises(LocalError, match="full order"):
        seal(b"", bytes(32), size=8, ephemeral=ONCE)
    with pytest.raises(LocalError, match="secret sealing key"):
        seal(b"", OPERATOR, size=8, ephemeral=b"short")


@pytest.mark.parametrize("number", SMALL_ORDER)
def test_nothing_is_sealed_to_a_point_with_which_all_agree(number: int) -> None:
    with pytest.raises(LocalError, match="full order"):
        seal(b"", number.to_bytes(32, "little"), size=8, ephemeral=ONCE)


def test_a_point_with_which_all_agree_opens_nothing() -> None:
    with pytest.raises(RuleViolation, match="RPT-03"):
        unseal(b"\x01" + bytes(32) + bytes(200), SECRET)


def test_a_length_beyond_the_padding_and_padding_that_is_none_are_refused() -> None:
    """Only the holder of the ephemeral secret can make such a thing; the operator must not believe it."""
    shared = X25519PrivateKey.from_private_bytes(ONCE).exchange(X25519PublicKey.from_public_bytes(OPERATOR))
    key = sealing._document_key(shared, ONCE_PUBLIC, OPERATOR)
    head = b"\x01" + ONCE_PUBLIC
    for inside in (b"\x00\x00\x00\x05abc", b"\x00\x00\x00\x01abc"):
        with pytest.raises(RuleViolation, match="RPT-03"):
            unseal(head + ChaCha20Poly1305(key).encrypt(bytes(12), inside, head), SECRET)


def test_a_device_seals_without_openssl() -> None:
    """Loading it for one report a day would cost a fifth of the memory that the whole device may have."""
    program = (
        "import sys; from firmware_app.device import reporting; from firmware_app.reconcile import sealing;"
        "sealing.seal(b'x', sealing.public_seal_key(bytes(31) + b'1'), size=9, ephemeral=bytes(31) + b'2');"
        "print(*(name for name in sys.modules if name.startswith(('cryptography', 'ssl'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.parametrize("interval_s", [60, 300, 900, 3_600, 86_400])
def test_every_report_of_an_interval_length_has_one_size(interval_s: int) -> None:
    """The largest numbers and the longest name fit, and so the smallest take as much room."""
    per_day = 86_400 // interval_s
    lengths = set()
    for name, first, energy_j in (
        ("m", 0, 0),
        ("\U0001f50b" * MAX_METER_ID, MAX_INTERVAL - per_day, MAX_ENERGY_J),
    ):
        rows = tuple(
            MeteredInterval(
                interval=first + place, import_j=energy_j, export_j=energy_j, quality=Quality.UNKNOWN
            )
            for place in range(per_day)
        )
        report = DeliveryReport(meter_id=name, interval_s=interval_s, version=1 << 16, rows=rows)
        document = sign_report(report, lambda message: sign(bytes(31) + b"\x05", message))
        lengths.add(len(seal(document, OPERATOR, size=padded_bytes(interval_s), ephemeral=ONCE)))
    assert len(lengths) == 1
    assert max(lengths) <= MAX_BODY_BYTES


def test_the_settings_name_a_key_or_none() -> None:
    assert ReportSettings().seal_key == b""
    assert ReportSettings(operator_key=OPERATOR.hex()).seal_key == OPERATOR
    for bad in ({"operator_key": "ab"}, {"operator_key": "zz" * 32}, {"after_min": 1_440}, {"after_min": -1}):
        with pytest.raises(LocalError, match=next(iter(bad))):
            ReportSettings(**bad)
    with pytest.raises(LocalError, match="operator_key"):
        ReportSettings(operator_key=" ".join(["ab"] * 32))
