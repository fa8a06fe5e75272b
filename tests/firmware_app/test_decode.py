"""`gridlight decode`: documents, hex, keys, exit codes, and what a wrong file gets to hear."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware_app import cli
from firmware_app.console import Exit
from tests.meter_io.encoders import (
    DSMR5,
    Entry,
    encrypted,
    iec_data,
    p1_telegram,
    sml_telegram,
    whole,
    with_even_parity,
)

P1 = p1_telegram("XYZ5\\2TEST", DSMR5)
METER = b"\x0a\x01DZG\x00" + (42_082_910).to_bytes(4, "big")
SML = sml_telegram(
    METER,
    [
        Entry(code=bytes([1, 0, 1, 8, 0, 255]), value=whole(54_301_577, 8, signed=True), unit=30, scaler=-1),
        Entry(code=bytes([1, 0, 16, 7, 0, 255]), value=whole(-29_912, 2, signed=True), unit=27, scaler=-2),
    ],
)
KEY, AUTHENTICATION = bytes(range(16)), bytes(range(16, 32))


def decoded(capsys: pytest.CaptureFixture[str], code: Exit, *words: str) -> dict[str, Any]:
    """Run the command with --json and return its document."""
    assert cli.main(["decode", *words, "--json"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert next(iter(document)) == "schema"
    return document


def test_a_document_says_all_of_a_telegram(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture"
    file.write_bytes(b"noise" + SML)
    document = decoded(capsys, Exit.OK, "--protocol", "sml", str(file))
    assert document == {
        "schema": "gridlight.decode/1",
        "protocol": "sml",
        "bytes": 5 + len(SML),
        "accepted": 1,
        "refused": 0,
        "telegrams": [
            {
                "offset": 5,
                "length": len(SML),
                "ok": True,
                "error": None,
                "model": "DZG DVS74",
                "dialect": "SML 1.04",
                "meter_id": "1 DZG 00 42082910",
                "meter_time_ms": None,
                "values": [
                    {"obis": "1-0:1.8.0", "value": 5430157.7, "unit": "Wh", "time_ms": None},
                    {"obis": "1-0:16.7.0", "value": 356.24, "unit": "W", "time_ms": None},
                ],
                "texts": [],
            }
        ],
        "noise": [{"offset": 0, "length": 5}],
    }


def test_people_get_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture"
    file.write_bytes(SML + SML[:-1] + b"\x00" + SML[:30])
    assert cli.main(["decode", "--protocol", "sml", str(file)]) == Exit.FAILED
    shown = capsys.readouterr().out
    assert "5 430 157.7 Wh" in shown
    assert "1 DZG 00 42082910" in shown
    assert "checksum  byte" in shown
    assert "incomplete  byte" in shown
    assert shown.splitlines()[-1] == f"1 telegram accepted, 1 refused, in {2 * len(SML) + 30} bytes"


@pytest.mark.parametrize(
    "text",
    [
        P1.hex(),
        P1.hex(" ").upper(),
        ", ".join(f"0x{byte:02x}" for byte in P1),
        P1.hex("\n", 16) + "\n",
    ],
)
def test_hex_text_is_understood(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture"
    file.write_text(text)
    document = decoded(capsys, Exit.OK, "--protocol", "p1", str(file))
    assert (document["accepted"], document["bytes"]) == (1, len(P1))


def test_stdin_is_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(P1)))
    document = decoded(capsys, Exit.OK, "--protocol", "p1", "-")
    (telegram,) = document["telegrams"]
    gas = next(value for value in telegram["values"] if value["obis"] == "0-1:24.2.1")
    assert gas == {"obis": "0-1:24.2.1", "value": 246.138, "unit": "m3", "time_ms": 1_784_676_600_000}


@pytest.mark.parametrize("parity", [False, True])
def test_an_optical_readout_is_decoded_with_and_without_parity_bits(
    parity: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = b"/LGZ4ZMF100AC\r\n" + iec_data(["1.8.0(000123.456*kWh)"])
    file = tmp_path / "capture"
    file.write_bytes(with_even_parity(data) if parity else data)
    (telegram,) = decoded(capsys, Exit.OK, "--protocol", "iec62056-21", str(file))["telegrams"]
    assert telegram["model"] == "LGZ ZMF100AC"
    assert telegram["values"][0]["value"] == 123_456


def test_anonymous_output_has_no_serial_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture"
    file.write_bytes(P1)
    for words in (["--json"], []):
        assert cli.main(["decode", "--protocol", "p1", str(file), "--anonymous", *words]) == Exit.OK
        shown = capsys.readouterr().out
        assert "4530303434303037" not in shown
        assert "1-0:1.8.1" in shown


def test_keys_come_from_a_file_or_the_environment_and_are_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, keys = tmp_path / "capture", tmp_path / "keys"
    file.write_bytes(encrypted(P1, key=KEY, authentication=AUTHENTICATION))
    keys.write_text(f"{KEY.hex()} {AUTHENTICATION.hex()}")
    words = ("--protocol", "p1", str(file))
    refused = decoded(capsys, Exit.FAILED, *words)["telegrams"]
    assert [telegram["error"]["reason"] for telegram in refused] == ["key"]
    assert decoded(capsys, Exit.OK, *words, "--key-file", str(keys))["accepted"] == 1
    monkeypatch.setenv("GRIDLIGHT_P1_KEY", KEY.hex())
    wrong = decoded(capsys, Exit.FAILED, *words)
    assert wrong["telegrams"][0]["error"]["reason"] == "authentication"
    assert KEY.hex() not in json.dumps(wrong)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"00112233", "the encryption key has 16 bytes, got 4"), (b"\xff", "is no text"), (None, "cannot read")],
)
def test_a_bad_key_file_is_wrong_use(
    content: bytes | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, keys = tmp_path / "capture", tmp_path / "keys"
    file.write_bytes(P1)
    if content is not None:
        keys.write_bytes(content)
    assert cli.main(["decode", "--protocol", "p1", str(file), "--key-file", str(keys)]) == Exit.USAGE
    error = capsys.readouterr().err
    assert sentence in error
    assert "00112233" not in error


def test_a_board_that_cannot_decrypt_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "capture"
    file.write_bytes(P1)
    monkeypatch.setenv("GRIDLIGHT_P1_KEY", KEY.hex())
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    assert cli.main(["decode", "--protocol", "p1", str(file)]) == Exit.FAILED
    assert "next: apt install python3-cryptography" in capsys.readouterr().err


def test_a_file_without_telegrams_is_a_failure_with_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "capture"
    for content in (b"", bytes(100), SML):
        file.write_bytes(content)
        assert cli.main(["decode", "--protocol", "p1", str(file)]) == Exit.FAILED
        assert "another protocol" in capsys.readouterr().err


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["decode", "--protocol", "sml", str(tmp_path / "missing")]) == Exit.USAGE
    assert "No such file or directory" in capsys.readouterr().err
    assert cli.main(["decode", "--protocol", "smi", "x"]) == Exit.USAGE
    assert "Did you mean 'sml'?" in capsys.readouterr().err


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware_app.decode._MAX_FILE_BYTES", 100)
    file = tmp_path / "capture"
    file.write_bytes(bytes(101))
    assert cli.main(["decode", "--protocol", "sml", str(file)]) == Exit.FAILED
    assert "too large" in capsys.readouterr().err


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["decode", "--help"])
    assert "gridlight decode --protocol p1 encrypted.bin --key-file p1.key --json" in capsys.readouterr().out
