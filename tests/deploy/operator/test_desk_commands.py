"""The commands of a desk as they are typed: enrolment, revocation, keys, taking a version back, letters, the audit."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.broker.authority import Authority
from deploy.operator.cli import main
from deploy.operator.desk.folder import open_desk
from deploy.operator.keys import write_secret
from deploy.operator.rollout.engine import Standing
from deploy.operator.rollout.outcomes import Outcome
from firmware_app.console import CommandError
from firmware_app.fleet.enrolling import Grant, read_grant, request_bytes, ticket_from_json
from firmware_app.fleet.letters import DELIVERY_REPORT, Letter
from firmware_app.fleet.topics import Said
from light_client.rules.crypto import public_key_of
from tests.deploy.operator.desk_kit import TOPICS, World
from tests.firmware_app.fleet.world import ANNA, BERT, CLEO, EXAMPLE, FLEET

KEYS = {"anna": ANNA, "bert": BERT, "cleo": CLEO}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A desk named `fleet` with four meters, the operators' keys, and their clock at today."""
    monkeypatch.chdir(tmp_path)
    made = World(tmp_path / "fleet", 4, time.time_ns() // 1_000_000)
    for name, secret in KEYS.items():
        write_secret(tmp_path / f"{name}.key", secret)
        (tmp_path / f"{name}.pub").write_text(public_key_of(secret).hex())
    made.live(2)
    return made


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json."""
    capsys.readouterr()
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def push(world: World, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Push a change, and let the fleet live until it is through."""
    pace = ("--waves", "1,100%", "--window", "30s", "--hold", "2s", "--expires", "90d")
    found = run(capsys, "push", *words, *pace, "--key", "anna.key")
    world.live(25)
    return found


def test_a_dry_run_tells_and_sends_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = push(world, capsys, "--set", "privacy.lot_wh=250", "--dry-run")
    assert (code, found["devices"], found["dry_run"]) == (0, 4, True)
    (effect,) = found["effects"]
    assert effect["devices"] == sorted(world.meters)
    assert [(row["key"], row["old"], row["new"]) for row in effect["changes"]] == [
        ("privacy.lot_wh", 100, 250)
    ]
    assert world.desk.rollouts.summaries() == []
    assert not any(topic.endswith("desired") for topic in world.retained)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--set", "privacy.no_such=1"), "FLT-15"),
        (("--set", "privacy.lot_wh=oops"), "no TOML"),
        (("--set", "market.feeder=3"), "FLT-08"),
        (("--set", "privacy.lot_wh=1", "--target", "feeder=99"), "no device matches"),
        (("--set", "privacy.lot_wh=1", "--abort", "5"), "such as 5%"),
        (("nowhere.bundle",), "cannot be read"),
    ],
)  # fmt: skip
def test_what_would_fail_is_not_pushed(
    world: World, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    assert main(["push", *words, "--key", "anna.key", "--detach"]) in (1, 2)
    assert hint in capsys.readouterr().err
    assert world.desk.rollouts.summaries() == []


def test_a_version_is_taken_back_by_a_higher_one(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert push(world, capsys, "--set", "privacy.lot_wh=250")[0] == 0
    assert push(world, capsys, "--set", "privacy.spread_intervals=3")[0] == 0
    assert world.versions() == [2] * 4
    code, found = run(capsys, "rollback", "v1", "--key", "anna.key", "--expires", "90d")
    assert code == 0
    assert [(row["version"], len(row["devices"])) for row in found["bundles"]] == [(3, 4)]
    world.live(25)
    assert world.summary(3).standing is Standing.DONE
    privacy = [meter.driver.running["privacy"] for meter in world.meters.values()]
    assert [(part["lot_wh"], part["spread_intervals"]) for part in privacy] == [(100, 3)] * 4
    assert world.desk.papers.of_version(3).undoes == world.desk.papers.of_version(1).hash
    what = [entry.what for entry in world.desk.audit.entries()]
    assert what.count("rollback") == 1


def test_status_is_for_the_eye_and_for_scripts(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.leave("meter-0002")
    push(world, capsys, "--set", "privacy.lot_wh=250")
    code, found = run(capsys, "status")
    assert (code, found["devices"]["online"], found["rollouts"][0]["standing"]) == (0, 3, "done")
    code, found = run(capsys, "status", "v1")
    assert (code, found["counts"]["healthy"], found["counts"]["away"]) == (0, 3, 1)
    code, found = run(capsys, "status", "meter-0002")
    assert (code, found["online"], found["rollouts"][0]["outcome"]) == (0, False, "away")
    for what in ((), ("v1",), ("meter-0002",)):
        assert main(["status", *what]) == 0
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
    assert main(["status", "meter-9999"]) == 2
    assert main(["status", "v9"]) == 2


def test_a_device_joins_by_its_token_once(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Authority.create(world.desk.authority_folder, FLEET, world.time)
    code, found = run(capsys, "enroll", "meter-0042", "--feeder", "7", "--label", "site=north")
    assert (code, found["devices"][0]["has_token"]) == (0, True)
    path = Path(found["devices"][0]["ticket"])
    assert path.stat().st_mode & 0o077 == 0
    ticket = ticket_from_json(path.read_bytes())
    assert ticket.key_set == world.desk.papers.key_set()
    other, mine = world.request("meter-0042"), world.request("meter-0042")

    def asks(request: bytes, token: bytes = ticket.token) -> Grant | None:
        raw = request_bytes(token, FLEET, "meter-0042", request)
        answers = [
            sent
            for sent in world.ask_to_join("meter-0042", raw)
            if sent.topic.endswith("grant") and sent.payload
        ]
        return read_grant(answers[0].payload, ticket.token, FLEET, "meter-0042", request) if answers else None

    assert asks(mine, token=bytes(16)) is None, "without the token nobody is answered"
    granted = asks(mine)
    assert granted is not None
    assert granted.certificate_pem.startswith(b"-----BEGIN CERTIFICATE")
    assert asks(mine) == granted, "the same request is answered again"
    refused = asks(other)
    assert refused is not None
    assert "another key" in refused.refusal
    world.now_ms += 8 * 86_400_000
    assert asks(mine) is None, "its time is over"
    assert main(["enroll", "meter-0042"]) == 1
    assert "known already" in capsys.readouterr().err


def test_a_list_is_enrolled_whole_or_not_at_all(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Authority.create(world.desk.authority_folder, FLEET, world.time)
    (tmp_path / "m.toml").write_text(EXAMPLE.read_text())
    (tmp_path / "list.csv").write_text(
        "name,feeder,labels,document\nmeter-0100,3,site=a;roof=pv,m.toml\nmeter-0101,4,,m.toml\n"
    )
    code, found = run(capsys, "enroll", "--csv", "list.csv")
    assert (code, len(found["devices"])) == (0, 2)
    desk = open_desk(tmp_path / "fleet")
    assert dict(desk.devices.named("meter-0100").labels) == {"site": "a", "roof": "pv"}
    document = desk.documents.of("meter-0101")
    assert document is not None
    assert document["device"]["name"] == "meter-0101"
    for row in (
        "meter-0200,x,,",
        "Meter 1,1,,",
        "meter-0001,1,,",
        "meter-0200,1,oops,",
        "meter-0200,1,,none.toml",
    ):
        (tmp_path / "bad.csv").write_text(f"name,feeder,labels,document\nmeter-0300,1,,\n{row}\n")
        assert main(["enroll", "--csv", "bad.csv", "--out", "elsewhere"]) in (1, 2)
        assert desk.devices.find("meter-0300") is None
    assert not (tmp_path / "elsewhere").exists()
    desk.close()


def test_who_is_revoked_is_not_heard(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    Authority.create(world.desk.authority_folder, FLEET, world.time)
    assert run(capsys, "revoke", "meter-0003", "--reason", "stolen")[0] == 0
    push(world, capsys, "--set", "privacy.lot_wh=250")
    assert world.summary(1).devices == 3
    world.hear([world.meters["meter-0003"].health(problem="let me in")])
    assert world.desk.devices.named("meter-0003").problem == ""
    assert world.desk.devices.named("meter-0003").online is False


def test_a_stolen_key_is_taken_out(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    push(world, capsys, "--set", "privacy.lot_wh=250")
    assert main(["keys", "revoke", "anna.pub", "--key", "bert.key"]) == 1, "too few of the old keys"
    code, found = run(capsys, "keys", "revoke", "anna.pub", "--key", "bert.key", "--key", "cleo.key")
    assert (code, found["version"]) == (0, 2)
    assert public_key_of(ANNA).hex() not in json.dumps(found["roles"])
    world.live(5)
    assert TOPICS.keys(2) in world.retained
    assert world.summary(1).standing is Standing.ABORTED
    assert main(["push", "--set", "privacy.lot_wh=300", "--key", "anna.key", "--detach"]) == 1
    assert "FLT-05" in capsys.readouterr().err
    assert main(["push", "--set", "privacy.lot_wh=300", "--key", "bert.key", "--detach", "--quiet"]) == 0
    assert run(capsys, "keys", "show")[1]["version"] == 2


def test_letters_are_collected_once(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meter = world.meters["meter-0001"]
    for number in (1, 2, 2):
        letter = Letter(key=f"report-{number}", at_ms=None, body=b"sealed %d" % number)
        sent = world.hear([meter.letter(DELIVERY_REPORT, letter)])
        assert [message.topic for message in sent] == [TOPICS.device("meter-0001", Said.RECEIPT)]
    code, found = run(capsys, "collect", "--out", "reports")
    assert (code, found["written"]) == (0, 2)
    assert {path.read_bytes() for path in (tmp_path / "reports").rglob("*.delivery-report")} == {
        b"sealed 1",
        b"sealed 2",
    }
    assert run(capsys, "collect", "--out", "reports")[1]["there_already"] == 2


def test_the_audit_is_exported_and_compared(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push(world, capsys, "--set", "privacy.lot_wh=250")
    assert run(capsys, "audit", "export", "--out", "noted.jsonl")[0] == 0
    push(world, capsys, "--set", "privacy.lot_wh=300")
    for words in ((), ("--noted", "noted.jsonl"), ("--file", "noted.jsonl")):
        assert run(capsys, "audit", "verify", *words)[1]["valid"] is True
    with world.clerk.database.transaction():
        world.clerk.database.run("UPDATE audit SET detail = replace(detail, '250', '100') WHERE seq > 0")
        world.clerk.database.run("UPDATE audit SET who = 'mallory' WHERE seq = 2")
    code, found = run(capsys, "audit", "verify")
    assert (code, found["valid"], found["broken_at"]) == (1, False, 2)
    assert run(capsys, "audit", "show", "--last", "3")[0] == 0
    assert main(["audit", "verify", "--noted", "anna.key"]) == 2


def test_a_folder_that_is_no_desk_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("status", "serve"):
        assert main([command, "--desk", str(tmp_path)]) == 2
        assert "no desk" in capsys.readouterr().err
    (tmp_path / "desk.sqlite").write_bytes(b"not a database, but long enough to look at" * 100)
    write_secret(tmp_path / "audit.key", ANNA)
    with pytest.raises(CommandError, match="damaged"):
        open_desk(tmp_path)


def test_two_services_never_serve_one_desk(world: World) -> None:
    with world.desk.serving():
        assert world.clerk.is_served
        with pytest.raises(CommandError, match="served already"), world.clerk.serving():
            pass
    assert not world.clerk.is_served


def test_wishes_wait_for_a_service(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.leave("meter-0001")
    assert run(capsys, "push", "--set", "privacy.lot_wh=250", "--key", "anna.key", "--expires", "90d")[0] == 0
    world.live(2)
    assert run(capsys, "pause", "v1")[0] == 3
    world.live(1)
    assert world.summary(1).standing is Standing.PAUSED
    assert main(["pause", "v1"]) == 1
    assert main(["rollback", "v1", "--key", "anna.key"]) == 1
    assert "still paused" in capsys.readouterr().err
    assert run(capsys, "abort", "v1", "--reason", "enough")[0] == 3
    world.live(1)
    assert world.summary(1).reason == "enough"
    assert Outcome.WITHDRAWN in world.summary(1).counts
