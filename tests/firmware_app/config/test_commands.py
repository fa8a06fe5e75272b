"""`gridlight run --check`, `--example` and `enroll` as people type them."""

import json
from pathlib import Path
from typing import Any

import pytest

from firmware_app import cli
from firmware_app.config import keys
from firmware_app.config.check import check
from firmware_app.config.commands import EXAMPLE
from firmware_app.config.view import key_count, look
from meter_io.profiles import load
from tests.firmware_app.config.kit import genesis, write_device


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main([*words, "--color", "never"])
    out, err = capsys.readouterr()
    return code, out, err


def _json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code, out, _ = _run(capsys, *words, "--json")
    return code, json.loads(out)


def test_a_document_that_holds_together_is_named_with_the_depth_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_device(tmp_path)
    code, out, err = _run(capsys, "run", "--check", str(path))
    assert code == 0
    assert str(path) in out
    assert "valid: syntax and meaning; meter not tried; not enrolled yet" in out
    assert f"gridlight enroll {path}" in err
    code, document = _json(capsys, "run", "--check", str(path))
    assert (code, document["schema"], document["depth"]) == (0, "gridlight.check/1", ["syntax", "meaning"])
    assert document["file"] == str(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("eastron-sdm630", "eastron-sdm631", "Did you mean 'eastron-sdm630'?"),
        ("genesis.cbor", "genesys.cbor", "No such file"),
        ("genesis.cbor", "device.toml", "is no genesis"),
        ("feeder = 1", "feeder = 77", "expected one of the chain's grid"),
        ("[market]", "[markt]", "Did you mean 'market'?"),
    ],
)
def test_what_does_not_hold_together_ends_with_2_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, told: str
) -> None:
    path = write_device(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    code, _, err = _run(capsys, "run", "--check", str(path))
    assert code == 2
    assert told in err
    assert str(path) in err


def test_a_genesis_of_another_chain_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_device(tmp_path)
    text = path.read_text(encoding="utf-8").replace(genesis().chain_id().hex(), "ab" * 32)
    path.write_text(text, encoding="utf-8")
    code, _, err = _run(capsys, "run", "--check", str(path))
    assert code == 2
    assert "another chain" in err


def test_without_a_document_the_next_step_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _run(capsys, "run", "--check", str(tmp_path / "none.toml"))
    assert code == 2
    assert "gridlight run --example" in err


def test_the_example_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "run", "--example")
    assert (code, out.rstrip()) == (0, EXAMPLE.read_text(encoding="utf-8").rstrip())


def test_enrolling_twice_gives_the_same_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_device(tmp_path)
    code, first = _json(capsys, "enroll", str(path))
    assert code == 0
    assert first["made"] == [keys.IDENTITY, keys.SEED]
    code, second = _json(capsys, "enroll", str(path))
    assert code == 0
    assert second["made"] == []
    written = json.loads((tmp_path / "data" / "enrolment.json").read_text(encoding="utf-8"))
    for key in ("name", "identity_key", "fingerprint", "signature", "chain"):
        assert first[key] == second[key] == written[key]
    secret = (tmp_path / "data" / keys.IDENTITY).read_text(encoding="ascii").split()[-1]
    assert secret not in json.dumps(first)
    code, document = _json(capsys, "run", "--check", str(path))
    assert document["enrolled"]


def test_enrolling_where_nothing_can_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_device(tmp_path)
    (tmp_path / "data").write_text("a file in its place")
    code, _, err = _run(capsys, "enroll", str(path))
    assert code == 1
    assert "cannot be written" in err


def test_the_doctor_is_told_of_the_document_as_it_lies_there(tmp_path: Path) -> None:
    path = write_device(tmp_path)
    seen = look(path)
    assert (seen.state, seen.file, seen.problem) == ("healthy", str(path), "")
    assert seen.keys == key_count(check(path).config) > 50
    path.write_text("[device]\nnam = 1\n", encoding="utf-8")
    seen = look(path)
    assert seen.state == "rejected"
    assert "Did you mean 'name'?" in seen.problem


def test_a_battery_whose_meter_cannot_tell_its_charge_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_device(tmp_path)
    shipped = load.path_of("eastron-sdm630").read_text(encoding="utf-8")
    profile = tmp_path / "inverter.toml"
    text = path.read_text(encoding="utf-8") + (
        '[[meter]]\nname = "cellar"\nrole = "battery"\nprofile = "inverter.toml"\nport = "/dev/ttyUSB1"\n'
        '[battery]\nmeter = "cellar"\ncapacity_wh = 6_400\ncharge_w = 5_000\ndischarge_w = 5_000\n'
    )
    path.write_text(text, encoding="utf-8")
    for register, code, words in (
        ("", 2, "gives no 1-0:128.7.0"),
        (
            '[[register]]\nobis = "1-0:128.7.0"\naddress = 843\ntype = "u16"\nunit = "V"\n',
            2,
            "expected % or Wh",
        ),
        (
            '[[register]]\nobis = "1-0:128.7.0"\naddress = 843\ntype = "u16"\nunit = "%"\n',
            0,
            "meter not tried",
        ),
    ):
        profile.write_text(shipped + register, encoding="utf-8")
        found, out, err = _run(capsys, "run", "--check", str(path))
        assert (found, words in out + err) == (code, True), out + err
