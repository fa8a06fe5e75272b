"""How much of what a connection handed in was refused: whoever floods us with rubbish is cut off before it is read.

POOL-04: each refused transaction costs one point; points wear off at an even pace; whoever has too many is told to come
again when they have worn off, and nothing of what comes meanwhile is decoded or verified.
"""

from __future__ import annotations

from collections import OrderedDict

from light_client.session.actor import PeerName
from testbed.miner.params import PoolLimits

_MOST_PEERS = 4_096


class Standings:
    """Points of the connections that handed in something refused, in thousandths."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._points: OrderedDict[PeerName, tuple[int, int]] = OrderedDict()

    def pause_ms(self, peer: PeerName, now_ms: int) -> int:
        """How long a connection is not listened to, ms; 0 if it is."""
        over = self._now(peer, now_ms) - (self._limits.refusals - 1) * 1_000
        return max(0, -(-over // self._limits.refusals_per_s))

    def refused(self, peer: PeerName, now_ms: int) -> None:
        """Something was refused, and not as a matter of time."""
        points = self._now(peer, now_ms) + 1_000
        self._points[peer] = (points, now_ms)
        self._points.move_to_end(peer)
        if len(self._points) > _MOST_PEERS:
            self._points.popitem(last=False)

    def _now(self, peer: PeerName, now_ms: int) -> int:
        known = self._points.get(peer)
        if known is None:
            return 0
        points, at_ms = known
        return max(0, points - max(0, now_ms - at_ms) * self._limits.refusals_per_s)
