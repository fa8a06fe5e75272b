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


def desired(offers: Iterable[Offer], *, lies: bytes) -> bytes:
    """Hash of the bundle that has to lie in the topic; empty for none.

    What a device keeps stays there, so that one that lost its memory finds it again; what failed on it, or was
    withdrawn, does not.

    Args:
        lies: the hash of what lies there now.
    """
    known = sorted(offers)
    wanted = next((offer for offer in known if is_wanted(offer.standing, offer.outcome)), None)
    kept = next((offer for offer in reversed(known) if offer.outcome is Outcome.HEALTHY), None)
    chosen = wanted or kept
    if chosen is not None:
        return chosen.hash
    return b"" if lies in {offer.hash for offer in known} else lies
