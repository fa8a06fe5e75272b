"""The chain on which the cases of light verification are played, and how a case tells what was decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from light_client.rules import light
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.light import LightParams, TrustedState
from tests.ledger_kit import Chain, genesis

Case = Callable[[], str]
"""Plays one situation; returns `accepted`, `undecided` with a rule, or the id of the broken rule."""
PARAMS = LightParams(trusting_period_ms=1_000_000)
OTHER = bytes(range(32))


def _chain() -> Chain:
    chain = Chain(genesis(epochs=EpochParams(blocks=3)))
    for _ in range(7):
        chain.add()
    return chain


CHAIN = _chain()
HEADERS = [block.header for block in CHAIN.blocks]
AT_GENESIS = light.trust_genesis(CHAIN.genesis)


def trusted(height: int) -> TrustedState:
    """Return what a meter believes that has verified the header of a height."""
    header = HEADERS[height - 1]
    return replace(
        AT_GENESIS, height=height, header_hash=header.hash(), time_ms=header.time_ms, header=header
    )


NOW_MS = HEADERS[-1].time_ms
THIRD, SIXTH = HEADERS[2], HEADERS[5]
SECOND = trusted(2)
PROOF = CHAIN.history.inclusion_proof(1, 5)
"""That header 2 is in the history of header 6."""


def rule_of(check: Callable[[], None]) -> str:
    """Return the rule that a check finds broken, or `accepted`."""
    try:
        check()
    except RuleViolation as broken:
        return broken.rule
    return "accepted"
