"""Hostile messages over a real connection, from a broker that holds the fleet's certificate: none is applied.

Every case that is offered offline in `tests/firmware_app/fleet/test_hostile.py` goes over the wire here, and what only
somebody in the middle can do besides: withhold, reorder, duplicate, deliver elsewhere, replay, forge, flood.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from firmware_app.fleet import verification
from firmware_app.fleet.agent import Agent
from firmware_app.fleet.memory import Phase
from firmware_app.fleet.selector import Named
from firmware_app.fleet.topics import Said
from testbed.adversaries.brokers import TACTICS
from tests.firmware_app.fleet.test_broken_agents import BelievesAtOnce, Chatters, ForgetsFloor
from tests.firmware_app.fleet.test_hostile import CASES, nothing
from tests.firmware_app.fleet.world import NOW_MS, STRANGER, bundle, delta, signed
from tests.testbed.rollout.visit import TOPICS, Visit

COUNT = 12


def genuine(count: int = COUNT) -> list[bytes]:
    """What an operator sent in the course of time."""
    return [signed(bundle(n, delta(("privacy.lot_wh", 100 * n)))) for n in range(1, count + 1)]


def lot_of(visit: Visit) -> int:
    """What the device runs by: 100 Wh times the version."""
    return int(visit.board.running["privacy"]["lot_wh"])


@pytest.fixture
def visit(tmp_path: Path) -> Visit:
    """An honest device at a lying broker."""
    return Visit(tmp_path)


def test_every_hostile_bundle_that_comes_over_the_wire_is_refused_with_its_reason(visit: Visit) -> None:
    with visit:
        visit.tell(signed(bundle(5, delta(("privacy.lot_wh", 500)))))
        visit.live(12)
        assert (lot_of(visit), visit.board.disk.phase) == (500, Phase.SETTLED)
        before = visit.board.disk
        hostile = [case for case in CASES if case.raw]
        assert len(hostile) >= 500
        visit.tell(*(case.raw for case in hostile))
        assert visit.board.disk == before, "nothing was taken up, not even written"
        silent = {raw for raw in visit.offered if raw == signed(bundle(5, delta(("privacy.lot_wh", 500))))}
        waited = sum(note.name == "fleet.waits" for note in visit.board.notes)
        assert len(visit.refusals) + waited >= len(hostile) - len(silent)
        assert all(sentence.startswith("FLT-") for sentence in visit.refusals)
        rules = Counter(sentence.split(":")[0] for sentence in visit.refusals)
        assert {"FLT-01", "FLT-02", "FLT-03", "FLT-05", "FLT-06", "FLT-07", "FLT-08", "FLT-09"} <= set(rules)
        assert {"FLT-10", "FLT-11", "FLT-12", "FLT-13", "FLT-14", "FLT-15"} <= set(rules)
        visit.tell(signed(bundle(6)))
        assert visit.board.running["privacy"]["lot_wh"] == 250, "and what is right is still taken"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tactic", TACTICS)
def test_whatever_is_done_to_genuine_bundles_the_newest_that_arrived_is_kept(
    visit: Visit, tactic: str, seed: int
) -> None:
    sent = genuine()
    with visit:
        for raw in TACTICS[tactic](sent, Random(seed)):
            visit.tell(raw)
            visit.live(11)
        visit.live(60)
        arrived = [sent.index(raw) + 1 for raw in visit.offered if raw in sent]
        assert visit.board.disk.phase is Phase.SETTLED
        assert lot_of(visit) == 100 * max(arrived)
        versions = [int(words.split()[1]) for words in visit.applied if words.endswith("is kept")]
        assert versions == sorted(set(versions)), "never twice, never backwards"
        forged = [raw for raw in visit.offered if raw not in sent]
        assert len(visit.refusals) >= len(set(forged))


def test_what_is_held_back_until_it_has_expired_is_not_taken(visit: Visit) -> None:
    late = signed(bundle(1, expires_ms=NOW_MS + 5_000))
    with visit:
        visit.live(6)
        visit.tell(late)
        assert visit.applied == []
        assert visit.refusals[0].startswith("FLT-10")


def test_what_is_delivered_to_the_wrong_device_is_not_taken(visit: Visit) -> None:
    with visit:
        visit.tell(signed(bundle(1, target=Named(("meter-0102",)))))
        assert visit.applied == []
        assert visit.refusals[0].startswith("FLT-11")


def test_where_it_is_said_and_how_it_is_marked_makes_no_bundle_genuine(visit: Visit) -> None:
    forged = signed(bundle(1), [STRANGER])
    with visit:
        for topic in (TOPICS.keys(2), TOPICS.device("meter-0101", Said.DESIRED), "elsewhere", "$SYS/x"):
            visit.tell(forged, topic=topic)
            visit.tell(forged, topic=topic, again=True)
        assert visit.applied == []


def test_a_flood_is_counted_and_answered_by_a_trickle(visit: Visit) -> None:
    """Two thousand messages within two seconds of the board: at most 22 are looked at, all are counted."""
    visit.looked_each_ms = 1
    with visit:
        forged = [signed(bundle(1), [STRANGER]) + bytes(n % 7) for n in range(200)]
        for _ in range(10):
            visit.tell(*forged)
        rules = Counter(sentence.split(":")[0] for sentence in visit.refusals)
        assert sum(rules.values()) == 2_000
        assert sum(rules.values()) - rules["FLT-17"] <= 22
        reported = [heard for heard in visit.broker.heard if heard.topic.endswith(Said.REPORTED)]
        assert len(reported) <= 3
        visit.monotonic_ms += 10_000
        visit.live(1)
        visit.tell(signed(bundle(1)))
        assert visit.board.disk.phase is not Phase.SETTLED, "afterwards what is right is taken"
        visit.live(12)
        visit.tell(b"")
        told = [
            json.loads(heard.payload) for heard in visit.broker.heard if heard.topic.endswith(Said.REPORTED)
        ]
        assert told[-1]["refused"]["FLT-17"] >= 1_978, "and the operator learns of the flood"


@pytest.mark.parametrize(
    "raw", [b"\x00" * 64, b"\x30\xff\xff\xff\xff\x7f", b"\xf0\x00", b"\x32\x03\x00\x05a"]
)
def test_bytes_that_are_no_mqtt_end_the_connection_and_nothing_else(visit: Visit, raw: bytes) -> None:
    with visit:
        before = visit.board.disk
        visit.broker.say(raw)
        lost = False
        try:
            visit.tell(signed(bundle(1), [STRANGER]))
        except (TimeoutError, OSError, ValueError):
            lost = True
        assert visit.board.disk == before
        visit.connect_anew()
        visit.tell(signed(bundle(1)))
        assert visit.board.disk.phase is Phase.STAGED or visit.board.disk.following is not None
        assert visit.broker.connections == 2
        assert lost or visit.refusals


# -- devices that are broken on purpose fall ---------------------------------------------------------------------------


def test_a_device_without_a_floor_falls_to_a_replay(tmp_path: Path) -> None:
    def replayed(folder: Path, kind: type[Agent]) -> int:
        folder.mkdir()
        with Visit(folder, kind) as visit:
            for raw in (genuine()[1], genuine()[0]):
                visit.tell(raw)
                visit.live(12)
            return lot_of(visit)

    assert replayed(tmp_path / "a", Agent) == 200
    assert replayed(tmp_path / "b", ForgetsFloor) == 100


def test_a_device_without_a_gate_keeps_what_makes_it_ill(tmp_path: Path) -> None:
    def kept(folder: Path, kind: type[Agent]) -> int:
        folder.mkdir()
        with Visit(folder, kind) as visit:
            visit.tell(genuine()[0])
            return visit.board.disk.current.order[1]

    assert (kept(tmp_path / "a", Agent), kept(tmp_path / "b", BelievesAtOnce)) == (0, 1)


def test_a_device_without_an_allowance_answers_a_flood_by_a_flood(tmp_path: Path) -> None:
    with Visit(tmp_path, Chatters) as visit:
        visit.looked_each_ms = 1
        for _ in range(200):
            visit.tell(b"x")
        reported = [heard for heard in visit.broker.heard if heard.topic.endswith(Said.REPORTED)]
        assert len(reported) >= 150


RULES = {
    "check_signers": signed(bundle(1), [STRANGER]),
    "check_expiry": signed(bundle(1, issued_ms=NOW_MS - 9_000, expires_ms=NOW_MS - 8_000)),
    "check_target": signed(bundle(1, target=Named(("meter-0102",)))),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_device_that_does_not_ask_a_rule_falls(
    visit: Visit, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with visit:
        visit.tell(RULES[rule])
        assert visit.applied == []
        monkeypatch.setattr(verification, rule, nothing)
        visit.tell(RULES[rule])
        assert visit.applied == ["version 1 is staged"]
