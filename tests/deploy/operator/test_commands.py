"""`gridlight-fleet` as it is typed: keys, key sets, bundles, and what becomes of mistakes."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.operator.cli import build_parser, main
from firmware_app.config.load import read
from firmware_app.config.schema import DeviceConfig
from firmware_app.fleet.document import toml_of
from firmware_app.fleet.memory import Configuration, Memory
from tests.firmware_app.fleet.world import EXAMPLE, Driver, example

KEYS = ("anna", "bert", "cleo")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with three keys, a key set and a change."""
    monkeypatch.chdir(tmp_path)
    for name in KEYS:
        assert main(["keygen", name]) == 0
    roles = [
        "--keys",
        "2:anna.pub,bert.pub,cleo.pub",
        "--config",
        "1:anna.pub",
        "--grid",
        "2:bert.pub,cleo.pub",
    ]
    assert main(["keyset", *roles, "--out", "keys-1"]) == 0
    (tmp_path / "change.toml").write_text('[privacy]\nlot_wh = 250\n[meter."*"]\npoll_ms = 20_000\n')
    (tmp_path / "device.toml").write_text(EXAMPLE.read_text(encoding="utf-8"))
    capsys.readouterr()
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json."""
    capsys.readouterr()
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def sign(*more: str) -> int:
    """Sign the change as version 18."""
    return main(["sign", "change.toml", "--version", "18", "--key-set", "keys-1", "--key", "anna.key", *more])


def test_a_signed_change_is_what_a_device_takes(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sign("--target", "id=meter-0101 or feeder=99", "--hold", "10s") == 0
    code, found = run(capsys, "verify", "change.bundle", "--key-set", "keys-1", "--device", "device.toml")
    assert (code, found["schema"], found["valid"]) == (0, "gridlight.fleet.verify/1", True)
    assert (found["target"], found["depth"][-1]) == ("id=meter-0101 or feeder=99", "meaning")
    code, changes = run(capsys, "diff", "device.toml", "change.bundle")
    assert {row["key"]: (row["sign"], row["new"]) for row in changes["changes"]} == {
        "privacy.lot_wh": ("~", 250),
        "meter.house.poll_ms": ("~", 20_000),
    }
    from deploy.operator.files import read_key_set
    from firmware_app.fleet.agent import Agent
    from light_client.rules.crypto import verify
    from tests.firmware_app.fleet.world import FACTS

    kept = Memory(key_set=read_key_set(desk / "keys-1"), current=Configuration(document=example()))
    agent = Agent(kept, FACTS, verify_signature=verify)
    driver = Driver(kept, knows_time=False, agent=agent, now_ms=time.time_ns() // 1_000_000)
    driver.offer((desk / "change.bundle").read_bytes())
    assert driver.state["waiting_for"] == "a trusted time"
    driver.knows_time = True
    driver.live(12)
    assert (driver.state["version"]["version"], driver.running["privacy"]["lot_wh"]) == (18, 250)


def test_secrets_stay_where_they_are(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = (desk / "anna.key").read_text().split()[-1]
    assert stat.S_IMODE((desk / "anna.key").stat().st_mode) == 0o600
    sign()
    main(["keygen", "dora"])
    main(["keygen", "dora"])
    said = capsys.readouterr()
    dora = (desk / "dora.key").read_text().split()[-1]
    assert secret not in said.out + said.err
    assert dora not in said.out + said.err
    assert "not replaced" in said.err
    (desk / "anna.key").chmod(0o644)
    assert main(["sign", "change.bundle", "--key-set", "keys-1", "--key", "anna.key"]) == 1
    said = capsys.readouterr()
    assert "open to others" in said.err
    assert secret not in said.out + said.err


def test_a_dangerous_change_wants_more_signatures(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "change.toml").write_text("[market]\nfeeder = 8\n")
    sign()
    check = ("verify", "change.bundle", "--key-set", "keys-1")
    assert run(capsys, *check)[1]["rule"] == "FLT-08"
    for name in ("bert", "cleo"):
        assert main(["sign", "change.bundle", "--key-set", "keys-1", "--key", f"{name}.key"]) == 0
    code, found = run(capsys, *check)
    assert (code, len(found["signatures"])) == (0, 3)


def test_keys_are_rotated_and_the_old_set_does_not_do(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sign()
    main(["keygen", "dora"])
    roles = [
        "--keys",
        "2:anna.pub,bert.pub,dora.pub",
        "--config",
        "1:dora.pub",
        "--grid",
        "2:bert.pub,dora.pub",
    ]
    assert main(["keyset", "--after", "keys-1", *roles, "--out", "keys-2"]) == 0
    assert run(capsys, "verify", "keys-2", "--key-set", "keys-1")[1]["rule"] == "FLT-19"
    assert main(["sign", "keys-2", "--key-set", "keys-1", "--key", "anna.key", "--key", "bert.key"]) == 0
    assert run(capsys, "verify", "keys-2", "--key-set", "keys-1")[1]["valid"] is True
    code, found = run(capsys, "verify", "change.bundle", "--key-set", "keys-2")
    assert (code, found["rule"]) == (1, "FLT-04")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["sing", "change.toml"], "Did you mean 'sign'?"),
        (["sign", "change.toml", "--verson", "1", "--key-set", "keys-1", "--key", "anna.key"],
         "Did you mean '--version'?"),
        (["sign", "change.toml", "--version", "1", "--key-set", "keys-1", "--key", "anna.pub"],
         "open to others"),
        (["sign", "change.toml", "--key-set", "keys-1", "--key", "anna.key"], "--version"),
        (["sign", "change.toml", "--version", "1", "--key-set", "keys-1", "--key", "anna.key", "--target", "feder=7"],
         "Did you mean 'feeder'?"),
        (["sign", "change.toml", "--version", "1", "--key-set", "keys-1", "--key", "anna.key", "--expires", "soon"],
         "7d, 12h"),
        (["sign", "change.toml", "--version", "1", "--key-set", "device.toml", "--key", "anna.key"], "FLT-02"),
        (["keyset", "--keys", "3:anna.pub", "--config", "1:anna.pub", "--grid", "1:anna.pub", "--out", "k"], "FLT-02"),
        (["diff", "device.toml", "keys-1"], "is a key set"),
        (["verify", "nowhere", "--key-set", "keys-1"], "No such file"),
    ],
)  # fmt: skip
def test_mistakes_are_answered(
    desk: Path, capsys: pytest.CaptureFixture[str], words: list[str], hint: str
) -> None:
    assert main(words) in (1, 2)
    said = capsys.readouterr()
    assert hint in said.err
    assert "Traceback" not in said.err
    assert not (desk / "change.bundle").exists()


def test_what_no_bundle_may_hold_is_not_signed(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "change.toml").write_text('[status]\npassword_file = "open-sesame-42"\n')
    assert sign() == 2
    assert "FLT-13" in capsys.readouterr().err
    (desk / "new.toml").write_text(toml_of(example()))
    main(["diff", "device.toml", "new.toml"])
    said = capsys.readouterr()
    assert "(secret)" in said.out
    assert "hunter" not in said.out
    bare = {key: value for key, value in example().items() if key != "status"}
    (desk / "bare.toml").write_text(toml_of(bare))
    main(["diff", "bare.toml", "new.toml"])
    said = capsys.readouterr()
    assert "status" in said.out
    assert "hunter" not in said.out, "nor inside a table that is new as a whole"


def test_a_mistyped_setting_is_named_before_it_is_pushed(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "change.toml").write_text("[privacy]\nlot_whh = 250\n")
    sign()
    code, found = run(capsys, "verify", "change.bundle", "--key-set", "keys-1", "--device", "device.toml")
    assert (code, found["rule"]) == (1, "FLT-15")
    assert "Did you mean 'lot_wh'?" in found["reason"]


def test_every_command_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    _, commands = build_parser()
    for name in commands.choices:
        with pytest.raises(SystemExit):
            main([name, "--help"])
        assert f"gridlight-fleet {name}" in capsys.readouterr().out


def test_toml_is_written_as_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "written.toml").write_text(toml_of(example()), encoding="utf-8")
    text = EXAMPLE.read_text(encoding="utf-8").replace(
        '# password_file = ""', 'password_file = "hunter-two-hunter"'
    )
    (tmp_path / "given.toml").write_text(text, encoding="utf-8")
    assert read(tmp_path / "written.toml", DeviceConfig) == read(tmp_path / "given.toml", DeviceConfig)
