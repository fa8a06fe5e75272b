"""`gridlight read` via the running service: the same table and the same document as with a port."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from firmware_app import cli
from firmware_app.console import CommandError, Exit
from firmware_app.meters.relay import QUEUE, Relay
from firmware_app.meters.relayed import understood
from meter_io.bus.dialogue import Said
from meter_io.errors import NoReply
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, POWER_NET
from meter_io.reading import MeterId, Moment, Quality, Reading, TimeBasis, Unit, Value
from tests.firmware_app.status.test_control import service

SAID = Said(
    model="Eastron SDM630",
    values={
        POWER_NET: Value(Decimal("-2312.4"), Unit.WATT),
        IMPORT_TOTAL: Value(Decimal(14_382_417), Unit.WATT_HOUR),
        EXPORT_TOTAL: Value(Decimal(3_905_220), Unit.WATT_HOUR),
    },
)
READING = Reading(
    meter=MeterId("house"),
    moment=Moment(utc_ms=1_790_000_000_000, monotonic_ms=5, basis=TimeBasis.RECEIVED),
    import_j=51_776_701_200,
    export_j=14_058_792_000,
    power_w=Decimal("-2312.4"),
    quality=Quality.GOOD,
)
METERS = {"house": ("Eastron SDM630", "ttyUSB0 id 1"), "pv": ("ABB B23", "ttyUSB0 id 4")}


def relay() -> Relay:
    """A relay that has heard both meters."""
    made = Relay(METERS)
    made.hear("house", SAID, READING, 62)
    made.miss("pv", NoReply("slave 4 did not answer", hint="check power"))
    return made


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A service that goes on reading."""
    made = relay()

    async def reading(given: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        async for report in made.handle(given):
            yield report
            made.hear("house", SAID, READING, 61)

    monkeypatch.setenv("GRIDLIGHT_SOCKET", str(tmp_path / "s"))
    with service(tmp_path / "s", {"read": reading}):
        yield


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(["read", *words, "--color", "never"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.usefixtures("running")
def test_the_table_is_the_usual_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "--once")
    assert (code, err) == (Exit.OK, "via the running service\n")
    assert out.startswith("Eastron SDM630   ttyUSB0 id 1   ")
    assert re.search(r"Active power +16.7.0 +-2.312 kW", out)
    assert "quality good   read in 62 ms   fed into the grid" in out


@pytest.mark.usefixtures("running")
def test_the_document_is_the_usual_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "--once", "--json")
    document = json.loads(out)
    assert code == Exit.OK
    assert (document["schema"], document["meter"], document["power_w"]) == (
        "gridlight.read/1",
        "house",
        -2_312,
    )
    code, out, _ = said(capsys, "--count", "3", "--json")
    assert [json.loads(line)["read_ms"] for line in out.splitlines()] == [62, 61, 61] or code == Exit.OK
    assert len(out.splitlines()) == 3


@pytest.mark.usefixtures("running")
def test_a_meter_that_does_not_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "--once", "--meter", "pv")
    assert code == Exit.FAILED
    assert "slave 4 did not answer" in err


@pytest.mark.usefixtures("running")
def test_a_meter_that_is_not_there_is_answered_with_the_likely_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = said(capsys, "--once", "--meter", "hose")
    assert code == Exit.FAILED
    assert "the service reads no meter 'hose'. Did you mean 'house'?" in err


def test_without_a_service_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRIDLIGHT_SOCKET", str(tmp_path / "none"))
    code, _, err = said(capsys)
    assert code == Exit.FAILED
    assert "the service is not running" in err
    for words in (
        ("--port", "/dev/x"),
        ("--profile", "sml"),
        ("--port", "/dev/x", "--profile", "sml", "--meter", "a"),
    ):
        assert said(capsys, *words)[0] == Exit.USAGE


def test_a_watcher_that_does_not_read_holds_up_nobody_and_misses_the_oldest() -> None:
    async def watch() -> tuple[list[int], int]:
        made = Relay(METERS)
        slow = made.handle({})
        waiting = asyncio.ensure_future(anext(slow))
        await asyncio.sleep(0)
        for number in range(3 * QUEUE):
            made.hear("house", SAID, READING, number)
        seen = [(await waiting)["read_ms"]]
        seen += [(await anext(slow))["read_ms"] for _ in range(QUEUE - 1)]
        assert isinstance(slow, AsyncGenerator)
        await slow.aclose()
        return seen, len(made._watchers)

    seen, watchers = asyncio.run(watch())
    assert seen[-1] == 3 * QUEUE - 1
    assert len(seen) == QUEUE
    assert watchers == 0


def test_nothing_is_read_where_no_meter_is_configured() -> None:
    async def ask() -> None:
        await anext(Relay({}).handle({}))

    with pytest.raises(CommandError, match="reads no meter None"):
        asyncio.run(ask())


@pytest.mark.parametrize(
    "wrong",
    [{}, {"values": 3}, {"values": [{"obis": "x", "value": 1, "unit": ""}]}, {"values": [], "power_w": "x"}],
)
def test_a_report_of_another_kind_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="not understood"):
        understood(wrong)
