"""`sign`, `push` and `keyset` with files: what is attached, who must sign it, and where it lies afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.operator.cli import main
from deploy.operator.desk.folder import Desk, open_desk
from deploy.operator.rollout.engine import Place, Rollout, Seen, Standing, Tick
from deploy.operator.rollout.outcomes import Outcome, Sight
from deploy.operator.serving.supplying import BURST, EACH_MS, Supplying
from firmware_app.fleet.attachment import CHUNK_BYTES, Want, attachment_of, chunk_from_bytes
from firmware_app.fleet.attachment import Use as Kind
from firmware_app.fleet.bundle import Delta, bundle_from_bytes
from firmware_app.fleet.envelope import read_envelope
from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.topics import Topics
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from tests.firmware_app.config.kit import genesis

PLAN = RolloutPlan(window_ms=60_000, hold_ms=5_000)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A desk with one meter, and a firmware."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--local", "--quiet"]) == 0
    assert main(["enroll", "meter-0101", "--quiet"]) == 0
    (tmp_path / "release.raucb").write_bytes(b"x" * (CHUNK_BYTES + 10))
    return tmp_path


@pytest.fixture
def desk(place: Path) -> Iterator[Desk]:
    made = open_desk(place / "fleet")
    yield made
    made.close()


PUSH = ("push", "--key", "fleet/operator.key", "--detach", "--quiet")


def test_a_firmware_is_pushed_with_nothing_else(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main([*PUSH, "--firmware", "release.raucb", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    firmware = attachment_of(Path("release.raucb"), Kind.FIRMWARE)
    assert said["attachments"] == [
        {"use": "firmware", "name": firmware.root.hex(), "bytes": CHUNK_BYTES + 10}
    ]
    bundle = desk.papers.of_version(1).bundle
    assert bundle.attachments == (firmware,)
    assert bundle.content == Delta(changes=())
    assert bundle.plan.window_ms == 3_600_000, "a firmware takes longer"
    assert desk.attachments.file(firmware.root).read_bytes() == Path("release.raucb").read_bytes()


def test_a_genesis_is_named_in_the_change_that_brings_it(desk: Desk) -> None:
    Path("genesis.cbor").write_bytes(encode(genesis().to_wire()))
    assert main([*PUSH, "--genesis", "genesis.cbor", "--set", "privacy.lot_wh=250"]) == 0
    bundle = desk.papers.of_version(1).bundle
    assert isinstance(bundle.content, Delta)
    values = {".".join(change.path): change.value for change in bundle.content.changes}
    assert values == {
        "market.genesis": f"attachment:{bundle.attachments[0].root.hex()}",
        "market.fingerprint": genesis().chain_id().hex(),
        "privacy.lot_wh": 250,
    }
    assert bundle.plan.window_ms == 600_000


def test_what_is_none_is_not_attached(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    Path("genesis.cbor").write_bytes(b"none")
    assert main([*PUSH, "--genesis", "genesis.cbor"]) == 2
    assert "is no genesis" in capsys.readouterr().err
    Path("empty").touch()
    for name, word in (("empty", "FLT-22"), ("missing", "cannot be read")):
        assert main([*PUSH, "--firmware", name]) == 2
        assert word in capsys.readouterr().err
    assert desk.rollouts.summaries(5) == []


def test_a_signed_bundle_brings_its_files_beside_it(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    Path("keys").write_bytes(desk.papers.key_sets()[0][1])
    words = ["sign", "-", "--version", "3", "--key-set", "keys", "--key", "fleet/operator.key", "--quiet"]
    assert main([*words, "--firmware", "release.raucb", "--out", "v3.bundle"]) == 0
    bundle = bundle_from_bytes(read_envelope(Path("v3.bundle").read_bytes()).body)
    lying = Path("attachments") / bundle.attachments[0].root.hex()
    good = lying.read_bytes()
    lying.write_bytes(good[:-1] + b"?")
    assert main(["push", "v3.bundle", "--detach", "--quiet"]) == 1
    assert "it was changed" in capsys.readouterr().err
    lying.write_bytes(good)
    assert main(["push", "v3.bundle", "--detach", "--quiet", "--firmware", "release.raucb"]) == 2
    assert main(["push", "v3.bundle", "--detach", "--quiet"]) == 0
    assert desk.attachments.file(bundle.attachments[0].root).read_bytes() == good


def test_a_fleet_without_firmware_keys_is_told_how_to_get_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("anna", "bert"):
        assert main(["keygen", name, "--quiet"]) == 0
    roles = ["--keys", "1:anna.pub", "--config", "1:anna.pub", "--grid", "1:anna.pub"]
    assert main(["keyset", "--out", "keys-1", *roles, "--quiet"]) == 0
    Path("release.raucb").write_bytes(b"x")
    sign = ["sign", "-", "--version", "1", "--firmware", "release.raucb", "--out", "v1", "--quiet"]
    assert main([*sign, "--key-set", "keys-1", "--key", "anna.key"]) == 1
    assert "FLT-23" in capsys.readouterr().err
    fresh = ["keyset", "--out", "keys-2", "--after", "keys-1", *roles, "--firmware", "1:bert.pub", "--quiet"]
    assert main(fresh) == 0
    assert main([*sign, "--key-set", "keys-2", "--key", "anna.key"]) == 0
    verify = ["verify", "v1", "--key-set", "keys-2", "--quiet"]
    capsys.readouterr()
    assert main([*verify]) == 1
    assert "FLT-23" in capsys.readouterr().out
    assert main(["sign", "v1", "--key-set", "keys-2", "--key", "bert.key", "--quiet"]) == 0
    assert main(verify) == 0


def test_a_device_that_asks_without_end_gets_so_much_and_no_more(desk: Desk) -> None:
    assert main([*PUSH, "--firmware", "release.raucb"]) == 0
    name = desk.papers.of_version(1).bundle.attachments[0].root
    supplying = Supplying(desk.attachments, Topics(bytes(32)))
    want = Want(root=name, first=0, count=8).encode()
    sent = [len(supplying.hear("meter-0101", want, 0)) for _ in range(50)]
    assert sum(sent) == 2 * BURST, "two chunks each time, as often as is allowed at once"
    assert len(supplying.hear("meter-0102", want, 0)) == 2, "others are not made to wait"
    assert len(supplying.hear("meter-0101", want, EACH_MS)) == 2
    chunk = chunk_from_bytes(supplying.hear("meter-0103", want, 0)[1].payload)
    assert (chunk.number, len(chunk.data)) == (1, 10)
    with pytest.raises(RuleViolation, match="FLT-02"):
        supplying.hear("meter-0104", b"?", 0)


def rollout(sight: Sight) -> Rollout:
    made = Rollout(
        bundle="ab",
        plan=PLAN,
        expires_ms=10**12,
        places=[Place(device="meter-0101")],
        sights=lambda _: sight,
    )
    made.handle(Tick(), 0)
    return made


@pytest.mark.parametrize(("fetching", "outcome"), [("ab", Outcome.SENT), ("", Outcome.LOST)])
def test_who_fetches_is_waited_for_and_who_is_silent_is_not(fetching: str, outcome: Outcome) -> None:
    sight = Sight(connected=True, fetching_hash=fetching)
    made = rollout(sight)
    made.handle(Seen(device="meter-0101", sight=sight), 1_000)
    made.handle(Tick(), 300_000)
    assert made.outcome("meter-0101") is outcome
    made.handle(Tick(), 600_000)
    assert made.outcome("meter-0101") is Outcome.LOST, "but not for ever"
    assert made.standing is Standing.ABORTED
