"""The part that joins operator and device, over a real mosquitto: bundles, letters, alarms, and worse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from firmware_app.device.reporting import OPERATOR
from firmware_app.fleet.letters import ALARM, Receipt, letter_from_bytes
from firmware_app.fleet.telemetry import Alarm, AlarmNote, alarm_from_bytes, health_from_bytes
from firmware_app.fleet.topics import Said as Kind
from firmware_app.management.part import ALARMS
from firmware_app.status.snapshot import Absent
from firmware_app.store.outbox import Message
from tests.firmware_app.fleet.test_hostile import FAMILIES
from tests.firmware_app.fleet.world import NOW_MS, bundle, delta, next_key_set, signed
from tests.firmware_app.management import kit
from tests.firmware_app.management.home import SPEED, Home
from tests.firmware_app.management.world import PLAN, lot
from tests.status_kit import TRADING

pytestmark = pytest.mark.system

DESIRED = kit.TOPICS.device(kit.NAME, Kind.DESIRED)
RECEIPT = kit.TOPICS.device(kit.NAME, Kind.RECEIPT)
REPORTED = kit.TOPICS.device(kit.NAME, Kind.REPORTED)
HEALTH = kit.TOPICS.device(kit.NAME, Kind.HEALTH)
ALARM_LETTER = kit.TOPICS.device(kit.NAME, Kind.LETTER, ALARM)
REPORT_LETTER = kit.TOPICS.device(kit.NAME, Kind.LETTER, "delivery-report")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_app.management.part._TICK_S", 1 / SPEED)


def _play(
    tmp_path: Path,
    scene: Callable[[Home, Callable[..., Awaitable[Any]], kit.Operator], Awaitable[None]],
    version: int = 0,
) -> Home:
    """A device and an operator; what the operator waits for is waited for beside the device's life."""
    with kit.broker(tmp_path / "broker") as broker:
        home = Home(tmp_path, broker.authority, broker.port, version=version)
        operator = kit.Operator(broker)

        async def played() -> None:
            stop = asyncio.Event()
            living = asyncio.create_task(home.part.run(home.found, stop))
            try:
                async with asyncio.timeout(2 * kit.PATIENCE_S):
                    await scene(home, asyncio.to_thread, operator)
            finally:
                stop.set()
                with suppress(asyncio.CancelledError):
                    await living

        try:
            asyncio.run(played())
        finally:
            operator.close()
            home.store.close()
    return home


def _is(version: int) -> Callable[[bytes], bool]:
    return lambda raw: json.loads(raw)["version"]["version"] == version


QUICK = replace(PLAN, hold_ms=1_000, window_ms=30_000)


def _lot(version: int, lot_wh: int) -> bytes:
    return signed(bundle(version, delta(("privacy.lot_wh", lot_wh)), plan=QUICK))


def test_the_newest_bundle_is_taken_up_and_illness_brings_the_old_one_back(tmp_path: Path) -> None:
    async def scene(home: Home, beside: Callable[..., Awaitable[Any]], operator: kit.Operator) -> None:
        await beside(operator.until, REPORTED, _is(0))
        await beside(operator.say, DESIRED, _lot(3, 250))
        await beside(operator.until, REPORTED, _is(3))
        await beside(operator.say, DESIRED, _lot(2, 500))
        await beside(operator.until, REPORTED, lambda raw: json.loads(raw)["refused"] == {"FLT-09": 1})
        await beside(operator.say, DESIRED, _lot(4, 1_000))
        while len(home.ran) < 2:  # noqa: ASYNC110 - it happens in the part
            await asyncio.sleep(0.05)
        assert isinstance(home.seen.meters, tuple)
        home.seen = replace(TRADING, meters=(replace(home.seen.meters[0], age_ms=Absent("no answer")),))
        raw = await beside(operator.until, REPORTED, lambda raw: json.loads(raw)["failed"] is not None)
        assert "the meter is not read" in json.loads(raw)["failed"]["reason"]

    home = _play(tmp_path, scene)
    assert [document["privacy"]["lot_wh"] for document in home.ran] == [250, 1_000, 250]


def test_what_waits_for_time_and_keys_is_taken_up_when_they_come(tmp_path: Path) -> None:
    fresh, raw_keys = next_key_set()

    async def scene(home: Home, beside: Callable[..., Awaitable[Any]], operator: kit.Operator) -> None:
        home.utc_ms = None
        early = signed(bundle(1, delta(("privacy.lot_wh", 250)), plan=QUICK, key_set=2))
        await beside(operator.say, DESIRED, early, retain=True)
        await beside(operator.until, REPORTED, lambda raw: json.loads(raw)["waiting_for"] == "key set 2")
        await beside(operator.say, kit.TOPICS.keys(2), raw_keys, retain=True)
        await beside(operator.until, REPORTED, lambda raw: json.loads(raw)["waiting_for"] == "a trusted time")
        home.utc_ms = NOW_MS
        await beside(operator.until, REPORTED, _is(1))

    home = _play(tmp_path, scene)
    assert home.steward.memory.key_set == fresh


def _letter(key: str) -> Message:
    return Message(destination=OPERATOR, key=key, kind="delivery-report", body=b"sealed", at_ms=NOW_MS)


def test_letters_stay_until_a_receipt_and_no_receipt_takes_others_away(tmp_path: Path) -> None:
    async def scene(home: Home, beside: Callable[..., Awaitable[Any]], operator: kit.Operator) -> None:
        for number in range(12):
            home.store.outbox.put(_letter(f"report/{number:02}"))
        heard = [letter_from_bytes(await beside(operator.until, REPORT_LETTER)).key for _ in range(8)]
        assert heard == [f"report/{number:02}" for number in range(8)]
        await beside(operator.say, RECEIPT, Receipt(keys=("report/11",)).encode())
        await beside(operator.say, RECEIPT, b"garbage")
        await beside(operator.say, RECEIPT, Receipt(keys=tuple(heard)).encode())
        for number in range(8, 12):
            assert letter_from_bytes(await beside(operator.until, REPORT_LETTER)).key == f"report/{number:02}"
        assert home.store.outbox.waiting() == {OPERATOR: 4}

    home = _play(tmp_path, scene)
    assert "fleet.refused" in home.names


def test_letters_are_sent_again_by_the_next_life_and_after_a_reconnection(tmp_path: Path) -> None:
    async def scene(home: Home, beside: Callable[..., Awaitable[Any]], operator: kit.Operator) -> None:
        home.store.outbox.put(_letter("report/1"))
        await beside(operator.until, REPORT_LETTER)
        assert home.part.caller.link is not None
        home.part.caller.link.hang_up()
        await beside(operator.until, REPORT_LETTER)

    _play(tmp_path, scene)


def test_alarms_begin_and_reach_the_operator_beside_health(tmp_path: Path) -> None:
    async def scene(home: Home, beside: Callable[..., Awaitable[Any]], operator: kit.Operator) -> None:
        assert health_from_bytes(await beside(operator.until, HEALTH)).problem == ""
        assert not isinstance(TRADING.proof, Absent)
        why = "two blocks of height 40812 by address 0xfeed"
        home.seen = replace(TRADING, proof=replace(TRADING.proof, standing="halted", why=why))
        raw = await beside(operator.until, HEALTH, lambda raw: b"halted" in raw)
        assert health_from_bytes(raw).problem == "trading is halted"
        assert (b"40812" in raw, b"feed" in raw) == (False, False)
        told: set[AlarmNote] = set()
        while len(told) < 2:
            letter = letter_from_bytes(await beside(operator.until, ALARM_LETTER))
            told.add(alarm_from_bytes(letter.body))
            assert b"40812" not in letter.body
            await beside(operator.say, RECEIPT, Receipt(keys=(letter.key,)).encode())
        assert told == {
            AlarmNote(alarm=Alarm.EVIDENCE, raised=True),
            AlarmNote(alarm=Alarm.HALTED, raised=True),
        }
        while home.store.outbox.waiting():  # noqa: ASYNC110 - it happens in the part
            await asyncio.sleep(0.05)

    home = _play(tmp_path, scene)
    assert ALARMS not in home.store.outbox.waiting()


def test_whatever_is_said_on_whatever_topic_changes_nothing_and_the_device_goes_on(tmp_path: Path) -> None:
    """Some of each family of hostile bundles, as bundles, key sets and receipts; then a good one."""
    chance = Random(11)
    cases = [case.raw for family in FAMILIES for case in list(family(Random(7)))[:4]]
    cases += [chance.randbytes(size) for size in (1, 7, 100, 5_000)]
    cases += [b"\0", b"{}", b"[" * 60_000, b"x" * (64 << 10)]

    async def scene(home: Home, beside: Callable[..., Awaitable[Any]], operator: kit.Operator) -> None:
        await beside(operator.until, REPORTED, _is(5))
        before = home.steward.memory

        def shout() -> None:
            for raw in cases:
                for topic in (DESIRED, RECEIPT, kit.TOPICS.keys(2)):
                    operator.client.publish(topic, raw, qos=1)
            operator.client.publish(kit.TOPICS.keys("x"), b"", qos=1)

        await beside(shout)
        raw = await beside(operator.until, REPORTED, lambda raw: "FLT-17" in json.loads(raw)["refused"])
        assert json.loads(raw)["last_refusal"]
        assert (home.steward.memory, home.ran) == (before, [])
        await asyncio.sleep(3.0 / SPEED)  # the allowance for looks comes back
        await beside(operator.say, DESIRED, lot(7, 250))
        while not home.ran:
            await asyncio.sleep(1.0 / SPEED)
            await beside(operator.say, DESIRED, lot(7, 250))

    home = _play(tmp_path, scene, version=5)
    assert [document["privacy"]["lot_wh"] for document in home.ran] == [250]
    assert home.steward.memory.current.order in {(1, 5), (1, 7)}
