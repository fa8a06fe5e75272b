"""`gridlight fleet apply` says of this very bundle that it was refused, and why; another's refusal is not its own."""

from __future__ import annotations

from typing import Any

from firmware_app.console import Exit
from firmware_app.fleet.agent import FLOOD_RULE
from firmware_app.fleet.envelope import read_envelope
from firmware_app.management.commands import _outcome
from tests.firmware_app.fleet.world import FLEET, STRANGER, Driver, bundle, signed

GENUINE = signed(bundle(6))
FORGED = signed(bundle(7), [STRANGER])


def name_of(raw: bytes) -> str:
    return read_envelope(raw).hash(FLEET).hex()


def outcome(raw: bytes, before: dict[str, Any], answer: dict[str, Any]) -> tuple[str, str, Exit]:
    return _outcome(read_envelope(raw), name_of(raw), before, answer)


def test_a_refusal_is_that_of_the_bundle_that_was_refused() -> None:
    driver = Driver()
    before = driver.state
    driver.offer(FORGED)
    after = driver.state
    assert after["last_refused"] == name_of(FORGED)
    word, why, code = outcome(FORGED, before, after)
    assert (word, code) == ("refused", Exit.FAILED)
    assert why.startswith("FLT-05")
    assert outcome(GENUINE, before, after)[2] is Exit.UNDECIDED, (
        "somebody else's bundle was refused meanwhile"
    )


def test_a_flood_hides_no_refusal_and_is_told_to_who_ran_into_it() -> None:
    driver = Driver()
    driver.offer(FORGED)
    before = driver.state
    while FLOOD_RULE not in driver.state["refused"]:
        driver.monotonic_ms -= 1_000
        driver.offer(signed(bundle(8), [STRANGER]))
    after = driver.state
    assert after["last_refused"] == name_of(signed(bundle(8), [STRANGER]))
    assert not after["last_refusal"].startswith(FLOOD_RULE)
    word, why, _ = outcome(GENUINE, before, after)
    assert (word, why[:6]) == ("refused", FLOOD_RULE)
