"""Which bundle lies in a device's topic, where several rollouts concern it.

A topic holds one bundle, and a device never takes up one that is older than what it has. So a device that was away
while two changes were pushed gets the older first, and the newer when it has settled with that: nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from deploy.operator.rollout.engine import Standing, is_wanted
from deploy.operator.rollout.outcomes import Outcome


class Offer(NamedTuple):
    """One rollout's part in a device."""

    order: tuple[int, int]
    """Of its bundle."""
    hash: bytes
    standing: Standing
    outcome: Outcome


def desired(offers: Iterable[Offer], *, lies: bytes, runs: str) -> bytes:
    """Hash of the bundle that has to lie in the topic; empty for none.

    Args:
        lies: the hash of what lies there now.
        runs: the hash of the bundle that the device runs by, hexadecimal: it may stay where it is.
    """
    wanted = min((offer for offer in offers if is_wanted(offer.standing, offer.outcome)), default=None)
    if wanted is not None:
        return wanted.hash
    return lies if lies.hex() == runs else b""
