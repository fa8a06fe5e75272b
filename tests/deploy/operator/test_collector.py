"""What devices, and whoever speaks in their names, may say: no bytes stop the desk, or make it grow without end."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.operator.desk.database import Database
from deploy.operator.desk.inbox import Inbox, Retention
from deploy.operator.desk.schema import STEPS
from deploy.operator.serving.hearing import MAX_REPORTED_BYTES, reported_from_bytes
from deploy.operator.serving.wire import Message
from firmware_app.fleet.letters import Letter
from firmware_app.fleet.telemetry import Alarm
from firmware_app.fleet.topics import Said
from light_client.rules.errors import RuleViolation
from light_client.store.errors import StoreDamagedError
from tests.deploy.operator.desk_kit import TOPICS, Meter, World

DAY_MS = 86_400_000
NAME = "meter-0001"
REPORT = Meter(NAME).driver.state


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("collector") / "desk", 2)


def hear(world: World, said: Said, payload: bytes, kind: str = "") -> list[str]:
    """Say something in a device's name; the topics that the desk answers in."""
    world.now_ms += 1
    return [sent.topic for sent in world.hear([Message(TOPICS.device(NAME, said, kind), payload)])]


def test_a_true_report_is_read() -> None:
    found = reported_from_bytes(json.dumps(REPORT).encode(), NAME)
    assert found == {key: value for key, value in REPORT.items() if key not in ("schema", "device")}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 70) | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(REPORT)), value=JSON)
@settings(max_examples=200, deadline=None)
def test_a_report_with_a_strange_field_is_read_whole_or_refused(field: str, value: Any) -> None:
    raw = json.dumps({**REPORT, field: value}).encode()
    try:
        found = reported_from_bytes(raw, NAME)
    except RuleViolation as error:
        assert error.rule == "FLT-02"
    else:
        assert type(found["refused"]) is dict
        assert type(found["version"]["version"]) is int


@given(
    said=st.sampled_from([Said.REPORTED, Said.PRESENCE, Said.HEALTH, Said.LETTER, Said.DESIRED]),
    raw=st.binary(max_size=80),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_noise_changes_nothing(world: World, said: Said, raw: bytes) -> None:
    before = world.desk.devices.named(NAME)
    answers = hear(world, said, raw, "alarm" if said is Said.LETTER else "")
    assert not [topic for topic in answers if topic.endswith("receipt")]
    assert world.desk.devices.named(NAME) == before


def test_who_is_too_long_or_another_is_refused(world: World) -> None:
    before = world.desk.inbox.figures().get("messages_refused", 0)
    for payload in (
        b"x" * (MAX_REPORTED_BYTES + 1),
        json.dumps({**REPORT, "device": "meter-0002"}).encode(),
        json.dumps({**REPORT, "state": "dancing"}).encode(),
        b'{"schema": ' * 5_000,
    ):
        hear(world, Said.REPORTED, payload)
    assert world.desk.inbox.figures()["messages_refused"] == before + 4
    strange = Message(TOPICS.device("meter-7777", Said.HEALTH), b"{}")
    world.hear([strange, Message("gridlight/1/other/device/meter-0001/health", b"{}"), Message("", b"")])
    assert world.desk.inbox.figures()["messages_unknown"] == 1
    assert world.desk.devices.find("meter-7777") is None


def test_a_receipt_comes_for_what_is_on_the_disk_and_again_for_a_repetition(world: World) -> None:
    letter = Letter(key="k-1", at_ms=5, body=b"sealed").encode()
    for _ in range(3):
        assert hear(world, Said.LETTER, letter, "delivery-report") == [TOPICS.device(NAME, Said.RECEIPT)]
        assert world.clerk.inbox.letters(NAME, "delivery-report") == [("k-1", 5, b"sealed")]


def test_alarms_follow_health_and_keep_their_history(world: World) -> None:
    meter = world.meters[NAME]
    for holding in ((Alarm.CLOCK, Alarm.METER), (Alarm.METER,), (Alarm.METER,), ()):
        world.now_ms += 1_000
        world.hear([meter.health(alarms=tuple(sorted(holding)), at_ms=world.now_ms)])
        assert world.desk.inbox.alarm_counts() == {alarm.value: 1 for alarm in sorted(holding)}
    ended = {row.code: row.ended_ms for row in world.desk.inbox.alarms(NAME)}
    assert set(ended) == {"clock", "meter"}
    assert all(ended.values())
    said = [row["what"] for row in world.desk.inbox.history(NAME) if row["what"].startswith("alarm")]
    assert sorted(said) == ["alarm", "alarm", "alarm over", "alarm over"]


def test_what_is_old_or_too_much_is_forgotten(tmp_path: Path) -> None:
    database = Database(tmp_path / "desk.sqlite")
    inbox = Inbox(database)
    retention = Retention(letters_days=10, letters_each=5, history_days=3, history_each=4)
    with database.transaction():
        for number in range(30):
            at_ms = number * DAY_MS // 2
            inbox.keep_letter("a", "alarm", Letter(key=f"{number:02}", at_ms=None, body=b""), at_ms)
            inbox.note("a", at_ms, "x", str(number))
        inbox.keep_letter("b", "alarm", Letter(key="b", at_ms=None, body=b""), 15 * DAY_MS)
        inbox.raise_alarm("a", Alarm.CLOCK, 1)
        inbox.end_alarm("a", Alarm.CLOCK, 2)
        inbox.raise_alarm("a", Alarm.METER, 1)
        assert inbox.forget(retention, 15 * DAY_MS) > 0
    assert [key for key, _, _ in inbox.letters("a", "alarm")] == ["25", "26", "27", "28", "29"]
    assert len(inbox.letters("b", "alarm")) == 1
    assert [row["sentence"] for row in inbox.history("a")] == ["29", "28", "27", "26"]
    assert [row.code for row in inbox.alarms("a")] == ["meter"], "what holds is never forgotten"
    with database.transaction():
        assert inbox.forget(retention, 15 * DAY_MS) == 0
    database.close()


def test_a_file_of_another_kind_or_of_a_later_format_is_refused(tmp_path: Path) -> None:
    Database(tmp_path / "desk.sqlite").close()
    Database(tmp_path / "desk.sqlite").close()
    later = sqlite3.connect(tmp_path / "desk.sqlite")
    assert later.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    later.execute(f"PRAGMA user_version={len(STEPS) + 1}")
    later.close()
    with pytest.raises(StoreDamagedError, match="no desk of this release"):
        Database(tmp_path / "desk.sqlite")
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE things (name TEXT)")
    other.close()
    with pytest.raises(StoreDamagedError, match="no desk of this release"):
        Database(tmp_path / "other.sqlite")


def test_an_older_format_is_brought_forward_with_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of a later release, tried with a step that does not exist yet."""
    database = Database(tmp_path / "desk.sqlite")
    with database.transaction():
        Inbox(database).note("a", 1, "x", "kept")
    database.close()
    monkeypatch.setattr(
        "deploy.operator.desk.database.STEPS", (*STEPS, ("ALTER TABLE history ADD COLUMN more TEXT",))
    )
    from dataclasses import replace

    from deploy.operator.desk import database as module

    monkeypatch.setattr(module, "KIND", replace(module.KIND, format_=len(STEPS) + 1))
    newer = Database(tmp_path / "desk.sqlite")
    assert [row["sentence"] for row in Inbox(newer).history("a")] == ["kept"]
    assert newer.row("SELECT more FROM history") is not None
    newer.close()
