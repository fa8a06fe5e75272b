"""The two planes never meet: nothing that goes over the broker lets anybody but the DSO link a device to an address."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from firmware_app.fleet.topics import Said, Topics
from testbed.privacy.planes import Linked, Trace, Word, link, numbers_of, spoken
from tests.firmware_app.fleet.world import FLEET
from tests.testbed.privacy.two_planes import TwoPlanes, play

HEALTH = f"{Topics(FLEET).root}/device/meter-0000/{Said.HEALTH}"


@pytest.fixture(scope="module")
def planes() -> Iterator[TwoPlanes]:
    """One day, for all tests of this file; its stores lie in memory where that can be, for they sync often."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    place = memory if os.access(memory, os.W_OK) else None
    with TemporaryDirectory(dir=place) as folder, pytest.MonkeyPatch.context() as patch:
        yield play(Path(folder), patch)


def test_there_is_something_to_link(planes: TwoPlanes) -> None:
    assert planes.homes >= 6
    assert len(planes.traces) >= 100
    assert len({trace.home for trace in planes.traces}) == planes.homes
    kinds = {"/".join(word.topic.split("/")[5:]) for word in planes.words}
    assert kinds >= {"presence", "reported", "health", "letter/delivery-report"}
    assert sum(word.topic.endswith("/health") for word in planes.words) >= planes.homes * 288


def test_nothing_of_the_ledger_is_said_over_the_broker(planes: TwoPlanes) -> None:
    assert len(planes.secrets) > len(planes.traces)
    assert spoken(planes.words, planes.secrets) == []


@pytest.mark.parametrize("spelling", ["raw", "hex", "cut"])
def test_a_device_that_says_an_address_is_found(planes: TwoPlanes, spelling: str) -> None:
    secret = next(iter(sorted(planes.secrets)))
    said = {"raw": secret, "hex": secret.hex().upper().encode(), "cut": b"x" + secret[:7].hex().encode()}
    leak = Word(at_ms=0, device=0, topic=HEALTH, payload=b"{" + said[spelling] + b"}")
    assert spoken([*planes.words[:20], leak], planes.secrets)[0][0] == leak


NUMBERS = frozenset(
    {
        ".at_ms",
        ".since_ms",
        ".key_set",
        ".version.key_set",
        ".version.version",
        ".figures.letters",
        ".figures.up_s",
        ".figures.resident_bytes",
        ".figures.disk_free_bytes",
        ".figures.temperature_mc",
        ".figures.written_today_bytes",
    }
)
"""Every number that a device says on such a day; what moves among them is for the attack by habits."""


def test_no_number_is_said_that_could_be_an_amount(planes: TwoPlanes) -> None:
    """Amounts may equal a count of seconds by chance: so the places are listed, and none is of the market."""
    assert {place for word in planes.words for place in numbers_of(word.payload)} <= NUMBERS


def attacked(planes: TwoPlanes, words: tuple[Word, ...] | None = None) -> Linked:
    """The attack by habits."""
    return link(planes.words if words is None else words, planes.traces, planes.homes)


def test_habits_of_devices_do_not_tell_whose_addresses_are_whose(planes: TwoPlanes) -> None:
    linked = attacked(planes)
    assert linked.chance > 0.05, linked
    assert linked.advantage < 0.05, linked


def chatty(planes: TwoPlanes) -> tuple[Word, ...]:
    """Devices that tell their health whenever they trade."""
    more = [
        Word(at_ms=at_ms + 2_000, device=trace.home, topic=HEALTH, payload=b'{"problem":""}')
        for trace in planes.traces
        for at_ms in trace.at_ms
    ]
    return (*planes.words, *more)


def counting(planes: TwoPlanes) -> tuple[Word, ...]:
    """Devices whose health counts the bytes that were written for their own trades."""
    return tuple(_with_count(word, planes.traces) for word in planes.words)


def _with_count(word: Word, traces: tuple[Trace, ...]) -> Word:
    if not word.topic.endswith(f"/{Said.HEALTH}"):
        return word
    events = sum(
        at_ms <= word.at_ms for trace in traces if trace.home == word.device for at_ms in trace.at_ms
    )
    document = json.loads(word.payload)
    document["figures"]["written_bytes"] = 4_096 * events
    return replace(word, payload=json.dumps(document).encode())


def boasting(planes: TwoPlanes) -> tuple[Word, ...]:
    """Devices that say at the day's end what they paid and got."""
    more = [
        Word(
            at_ms=trace.at_ms[-1], device=trace.home, topic=HEALTH, payload=json.dumps({"a": amount}).encode()
        )
        for trace in planes.traces[::3]
        for amount in trace.amounts
    ]
    return (*planes.words, *more)


@pytest.mark.parametrize("leak", [chatty, counting, boasting])
def test_devices_that_leak_are_found(planes: TwoPlanes, leak: object) -> None:
    assert callable(leak)
    linked = attacked(planes, leak(planes))
    assert linked.chance <= 0.01, linked
    assert linked.advantage > 0.1, linked
