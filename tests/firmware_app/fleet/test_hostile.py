"""Hostile bundles by the hundred: none is applied, each is refused by the rule that it breaks, and the device goes on.

Each family of cases is also shown to a judge with one rule taken out, which takes some of them up: so the cases do
reach the rule that they are meant for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

import pytest

from firmware_app.fleet import ownership, verification
from firmware_app.fleet.bundle import Whole
from firmware_app.fleet.change import UNSET
from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES, Envelope, Kind
from firmware_app.fleet.events import Apply, Keep
from firmware_app.fleet.selector import AllOf, Labelled, Named, Not, OnBoard, OnFeeder, Since
from firmware_app.fleet.verification import Approved, Clock, judge
from light_client.rules.crypto import CURVE_ORDER, public_key_of, tagged_hash, verify
from light_client.rules.encoding import encode
from light_client.rules.verdict import Rejected
from tests.firmware_app.fleet.world import (
    ANNA,
    BERT,
    CLEO,
    DORA,
    EXAMPLE,
    FACTS,
    FLEET,
    KEY_SET,
    NOW_MS,
    ORDINARY,
    STRANGER,
    Driver,
    bundle,
    delta,
    example,
    memory,
    next_key_set,
    signed,
    standing,
)

FLOOR = (1, 5)
HERE = standing(floor=FLOOR, version=5)
GRID = delta(("market.feeder", 8))


class Case(NamedTuple):
    """Something to refuse."""

    family: str
    rule: str
    raw: bytes


def good() -> bytes:
    """What the device would take."""
    return signed(bundle(6))


def replayed(_: Random) -> Iterator[Case]:
    for version in range(1, 6):
        yield Case("replayed", "FLT-09", signed(bundle(version, expires_ms=NOW_MS + version + 1)))
        yield Case("replayed", "FLT-09", signed(bundle(version, GRID), (ANNA, BERT, CLEO)))


def expired(chance: Random) -> Iterator[Case]:
    for _ in range(25):
        late_ms = chance.choice((0, 1, 60_000, chance.randrange(10**10)))
        fields: dict[str, Any] = {"issued_ms": NOW_MS - late_ms - 1, "expires_ms": NOW_MS - late_ms}
        yield Case("expired", "FLT-10", signed(bundle(6, **fields)))


def elsewhere(chance: Random) -> Iterator[Case]:
    targets = [
        Named(("meter-0102", "meter-0103")),
        Named(("METER-0101", "meter-0101 ", "meter-01010")),
        Labelled("site", "south"),
        Labelled("Site", "north"),
        OnBoard("raspberry-pi"),
        OnFeeder((1, 2, 8)),
        Since((0, 4, 1)),
        Not(Since((0, 4, 0))),
        Not(Named(("meter-0101",))),
        AllOf((OnFeeder((7,)), Not(OnBoard("beaglebone-black")))),
    ]
    for version in range(6, 10):
        for target in targets:
            yield Case("elsewhere", "FLT-11", signed(bundle(version, target=target)))
    for _ in range(10):
        fleet = chance.randbytes(32)
        yield Case("other-fleet", "FLT-03", signed(bundle(6, fleet=fleet)))


def _flip(data: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def _high_s(signature: bytes) -> bytes:
    return signature[:32] + (CURVE_ORDER - int.from_bytes(signature[32:])).to_bytes(32)


def badly_signed(chance: Random) -> Iterator[Case]:
    envelope = bundle(6).envelope()
    for _ in range(60):
        ((key, signature),) = envelope.signed(FLEET, [ANNA]).signatures
        flipped = _flip(signature, chance)
        yield Case("forged", "FLT-07", replace(envelope, signatures=((key, flipped),)).encode())
    anna = public_key_of(ANNA)
    others = (
        *(
            e.signed(FLEET, [ANNA]).signatures[0][1]
            for e in (bundle(7).envelope(), bundle(6, GRID).envelope())
        ),
        envelope.signed(bytes(32), [ANNA]).signatures[0][1],  # for another fleet
        replace(envelope, kind=Kind.KEY_SET).signed(FLEET, [ANNA]).signatures[0][1],  # as a key set
        envelope.signed(FLEET, [BERT]).signatures[0][1],  # by somebody else
        bytes(64),
        _high_s(envelope.signed(FLEET, [ANNA]).signatures[0][1]),
    )
    for signature in others:
        yield Case("forged", "FLT-07", replace(envelope, signatures=((anna, signature),)).encode())
    for _ in range(20):
        stranger = chance.randbytes(31) + b"\x01"
        yield Case("stranger", "FLT-05", signed(bundle(6), [stranger]))
        yield Case("stranger", "FLT-05", signed(bundle(6), [ANNA, stranger]))
    changed = encode((1, 1, bundle(6, GRID).encode(), envelope.signed(FLEET, [ANNA, BERT]).signatures))
    yield Case("forged", "FLT-08", changed)


def under_signed(_: Random) -> Iterator[Case]:
    for version in range(6, 12):
        yield Case("unsigned", "FLT-06", signed(bundle(version), []))
        yield Case("under-signed", "FLT-06", signed(bundle(version), [CLEO, DORA]))
        for content in DANGEROUS:
            for secrets in ([ANNA], [BERT], [ANNA, BERT], [ANNA, DORA]):
                yield Case("under-signed", "FLT-08", signed(bundle(version, content), secrets))


DANGEROUS = (
    delta(("report.operator_key", "ab" * 32)),
    GRID,
    delta(("market.fingerprint", "ab" * 32)),
    delta(("market.dso.key", "0" * 40)),
    delta(("market.server.miner-0.endpoint", "tcp://192.0.2.66:7001")),
    delta(("market.server.*.endpoint", "tcp://192.0.2.66:7001")),
    delta(("clock.max_error_ms", 86_400_000)),
    delta(("clock.rescue_servers", 1), ("privacy.lot_wh", 250)),
    Whole(document={key: value for key, value in example().items() if key not in ("device", "status")}),
)


def malformed(chance: Random) -> Iterator[Case]:
    raw = good()
    yield Case("malformed", "FLT-02", b"")
    for length in sorted(chance.sample(range(1, len(raw)), 40)):
        yield Case("malformed", "FLT-02", raw[:length])
    for _ in range(40):
        yield Case("malformed", "FLT-02", raw + chance.randbytes(chance.randrange(1, 9)))
        yield Case("malformed", "FLT-02", chance.randbytes(chance.randrange(1, 400)))
    for size in (1, 2, 100, 10**6):
        yield Case("oversized", "FLT-01", raw + bytes(MAX_ENVELOPE_BYTES - len(raw) + size))
    body, signatures = bundle(6).encode(), bundle(6).envelope().signed(FLEET, [ANNA]).signatures
    shapes: list[Any] = [
        1, b"", "text", (), (1,), (1, 1, body), (2, 1, body, signatures), (1, 3, body, signatures),
        (1, 0, body, signatures), (1, 1, (), signatures), (1, 1, body, b""), (1, 1, body, signatures * 2),
        (1, 1, body, signatures[0]), (1, 1, body, ((b"", b""),)), (1, 1, b"", signatures), (1, 1, body, signatures, 0),
    ]  # fmt: skip
    for shape in shapes:
        yield Case("malformed", "FLT-02", encode(shape))


FIELDS = 9
ISSUED, NEEDS_CLOCK = 3, 5
"""Here nought is as good as any."""
ODD: tuple[Any, ...] = (-1, 0, (1 << 64) - 1, b"", b"x" * 32, "", "x", (), ((),), (0,), (9, 9), (0, 0, 0))


def type_confused(_: Random) -> Iterator[Case]:
    """Every field of the body in turn holds something else, truly signed."""
    fine = bundle(6)
    fields = [
        fine.fleet, fine.key_set, fine.version, fine.issued_ms, fine.expires_ms, 1, (0,),
        fine.plan.to_wire(), fine.content.to_wire(),
    ]  # fmt: skip
    for place in range(FIELDS):
        for odd in ODD:
            wire = (*fields[:place], odd, *fields[place + 1 :])
            if odd == fields[place] or (place in (ISSUED, NEEDS_CLOCK) and odd == 0):
                continue
            envelope = Envelope(kind=Kind.BUNDLE, body=encode(wire), signatures=())
            yield Case("type-confused", "", envelope.signed(FLEET, (ANNA, BERT, CLEO)).encode())


WRONG_SETTINGS: tuple[tuple[str, Any], ...] = (
    ("privacy.lot_whh", 250), ("privacy.lot_wh", "250"), ("privacy.lot_wh", True), ("privacy.lot_wh", [250]),
    ("privacy.lot_wh", {"x": 1}), ("privacy.lot_wh", 0), ("privacy.lot_wh", -(1 << 63)),
    ("privacy", 1), ("privac.lot_wh", 1),
    ("bidding.sell", 1), ("bidding.strategy", "greedy"), ("meter", []), ("meter", 1), ("meter.*.role", "pv"),
    ("meter.house.poll_ms", 1), ("meter.house.pole_ms", 1_000), ("meter.second", {"name": "second"}),
    ("store.quota_mb", 0),
    ("log.level", "loud"), ("status.host", "0.0.0.0.0"), ("*.lot_wh", 1),
    ("firmware", {"url": "http://192.0.2.1/"}), ("status", 5),
    ("watchdog.meter_ms", "never"), ("forecast.levels_permille", [2_000]),
)  # fmt: skip


def unknown_to_the_schema(_: Random) -> Iterator[Case]:
    for path, value in WRONG_SETTINGS:
        yield Case("schema", "FLT-15", signed(bundle(6, delta((path, value)))))
        yield Case(
            "schema", "FLT-15", signed(bundle(6, delta(("imbalance.surplus_uc_per_kwh", 1), (path, value))))
        )
    for path, value in (("meter.garage.poll_ms", 1_000), ("privacy.nothing", UNSET), ("meter.garage", UNSET),
                        ("privacy.lot_wh.deep", 1), ("meter.*", {"name": "x"}),
                        ("meter.a", {"name": "b"})):  # fmt: skip
        yield Case("nowhere", "FLT-14", signed(bundle(6, delta((path, value)))))
    for path, value in (("device.name", "meter-0666"), ("device", {"name": "x"}), ("status.password_file", "x"),
                        ("status", {"password_file": "x"}), ("device.data_folder", UNSET), ("device", {})):  # fmt: skip
        yield Case("not-yours", "FLT-13", signed(bundle(6, delta((path, value)))))
    yield Case("not-yours", "FLT-13", signed(bundle(6, Whole(document=example())), [ANNA, BERT, CLEO]))
    yield Case("base", "FLT-12", signed(bundle(6, delta(("privacy.lot_wh", 250), base=4))))


FAMILIES = (
    replayed, expired, elsewhere, badly_signed, under_signed, malformed, type_confused, unknown_to_the_schema,
)  # fmt: skip
CASES = [case for family in FAMILIES for case in family(Random(7))]


def answer(raw: bytes) -> object:
    """What the rules say, the clock being known."""
    return judge(raw, HERE, Clock(utc_ms=NOW_MS), verify, lambda _: "")


def test_there_are_five_hundred_different_cases() -> None:
    assert len({case.raw for case in CASES}) >= 500
    assert isinstance(answer(good()), Approved), "the device does take what is right"


@pytest.mark.parametrize("family", sorted({case.family for case in CASES}))
def test_no_hostile_bundle_is_approved_and_each_is_refused_by_its_rule(family: str) -> None:
    for case in (case for case in CASES if case.family == family):
        verdict = answer(case.raw)
        assert isinstance(verdict, Rejected), (case.rule, verdict)
        assert verdict.reason.startswith(verdict.rule)
        assert case.rule in ("", verdict.rule), verdict
        assert case.rule or verdict.rule in ("FLT-02", "FLT-03", "FLT-09"), verdict


def test_what_is_not_there_on_this_board_is_refused() -> None:
    verdict = judge(good(), HERE, Clock(utc_ms=NOW_MS), verify, lambda _: "no such profile")
    assert isinstance(verdict, Rejected)
    assert (verdict.rule, verdict.reason) == ("FLT-16", "FLT-16: no such profile")


def test_the_agent_applies_none_notes_each_and_goes_on() -> None:
    driver = Driver()
    driver.offer(signed(bundle(5, delta(("privacy.lot_wh", 500)))))
    driver.live(12)
    before = driver.running
    driver.effects.clear()
    for case in CASES:
        driver.offer(case.raw)
    assert not [effect for effect in driver.effects if isinstance(effect, Apply | Keep)]
    assert (driver.running, driver.disk.floor) == (before, (1, 5))
    assert len(driver.notes) + driver.notes.count("fleet.waits") >= len(CASES) - 1
    driver.offer(good())
    assert driver.running["privacy"]["lot_wh"] == 250


KEY_SET_CASES = {
    "two of three old keys": ("FLT-19", next_key_set(secrets=[ANNA])[1]),
    "a stolen key alone": ("FLT-05", next_key_set(secrets=[ANNA, STRANGER])[1]),
    "keys of another role": ("FLT-05", next_key_set(secrets=[ANNA, BERT, DORA])[1]),
    "the same version": ("FLT-18", next_key_set(next_key_set()[0])[1]),
    "another fleet": ("FLT-03", next_key_set(fleet=bytes(32))[1]),
}


@pytest.mark.parametrize("name", KEY_SET_CASES)
def test_no_key_set_comes_into_force_without_enough_old_and_new_keys(name: str) -> None:
    rule, raw = KEY_SET_CASES[name]
    driver = Driver()
    if name == "the same version":
        third = next_key_set(next_key_set()[0])[1]
        driver.offer(third)
        assert driver.disk == memory(), "one that skips a version waits"
        return
    driver.offer(raw)
    assert (driver.disk, driver.state["refused"]) == (memory(), {rule: 1})


def test_new_keys_must_agree_to_be_keys() -> None:
    roles = (replace(KEY_SET.roles[0], keys=tuple(sorted(public_key_of(s) for s in (ANNA, DORA, STRANGER)))),)
    _, raw = next_key_set(secrets=[ANNA, BERT], roles=(*roles, *KEY_SET.roles[1:]))
    driver = Driver()
    driver.offer(raw)
    assert (driver.disk, driver.state["refused"]) == (memory(), {"FLT-20": 1})


def test_an_old_key_set_is_refused() -> None:
    second, raw = next_key_set()
    third, raw_third = next_key_set(second)
    driver = Driver()
    driver.offer(raw)
    driver.offer(raw_third)
    driver.offer(raw)
    assert (driver.disk.key_set, driver.state["refused"]) == (third, {"FLT-18": 1})


# -- each rule taken out -------------------------------------------------------------------------------------------


def nothing(*_: object, **__: object) -> None:
    """A rule that is not asked."""


TWINS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "FLT-03": lambda patch: patch.setattr(verification, "check_fleet", nothing),
    "FLT-05": lambda patch: patch.setattr(verification, "check_signers", nothing),
    "FLT-06": lambda patch: patch.setattr(verification, "check_signers", nothing),
    "FLT-07": lambda patch: patch.setattr(verification, "check_signers", nothing),
    "FLT-08": lambda patch: patch.setattr(ownership, "GRID_SECTIONS", frozenset()),
    "FLT-09": lambda patch: patch.setattr(verification, "check_floor", nothing),
    "FLT-10": lambda patch: patch.setattr(verification, "check_expiry", nothing),
    "FLT-11": lambda patch: patch.setattr(verification, "check_target", nothing),
    "FLT-12": lambda patch: patch.setattr(verification, "check_base", nothing),
    "FLT-13": lambda patch: patch.setattr(verification, "check_owned", nothing),
    "FLT-15": lambda patch: patch.setattr(verification, "check_schema", nothing),
}


@pytest.mark.parametrize("rule", TWINS)
def test_a_judge_without_a_rule_takes_up_what_that_rule_refuses(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    TWINS[rule](monkeypatch)
    mine = [case for case in CASES if case.rule == rule]
    assert mine
    assert any(isinstance(answer(case.raw), Approved) for case in mine)


def test_what_is_signed_is_bound_to_fleet_and_kind() -> None:
    envelope = bundle(6).envelope()
    assert envelope.hash(FLEET) == tagged_hash("gridlight/fleet-bundle/1", FLEET, envelope.body)
    assert (
        len(
            {envelope.hash(FLEET), envelope.hash(bytes(32)), replace(envelope, kind=Kind.KEY_SET).hash(FLEET)}
        )
        == 3
    )


def test_the_example_that_the_cases_change_is_the_shipped_one() -> None:
    assert FACTS.name in EXAMPLE.read_text(encoding="utf-8")
    assert ORDINARY.changes[0].path == ("privacy", "lot_wh")
