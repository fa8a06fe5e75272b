"""Bounds of a transport: sizes, queues and patience; and the tally of what broke them."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from light_client.rules.errors import LocalError
from light_client.session.actor import PeerName

_CEILING: Final = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a node is willing to hold and to wait for.

    The memory that peers can occupy is at most about `queue_messages` x `max_message_bytes` for each connection.
    """

    max_message_bytes: int = 5 << 20
    """Largest message taken or sent, bytes: the largest block and its envelope."""
    queue_messages: int = 256
    """Most messages that wait in one direction of one connection (ZMQ_SNDHWM, ZMQ_RCVHWM)."""
    heartbeat_ms: int = 2_000
    """Pause between heartbeats, ms; a peer silent for three of them is dropped and dialled again.

    A node that does not take its messages for that long while its queue is full counts as silent too.
    """
    handshake_ms: int = 10_000
    """How long a new connection may take to prove its key, ms."""
    reconnect_min_ms: int = 100
    """First pause before dialling again, ms; it doubles up to `reconnect_max_ms`."""
    reconnect_max_ms: int = 5_000
    """Longest pause before dialling again, ms."""
    channels: int = 8
    """Most channels, that is connections under a key of their own, open at a time; the longest unused is closed."""
    channel_idle_ms: int = 30_000
    """A channel over which nothing went or came for so long is closed, ms."""
    known_senders: int = 4_096
    """Most peers whose way back and whose faults are remembered one by one."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value < _CEILING:
                raise LocalError(f"limit {name} out of range", got=value, expected=f"1..{_CEILING - 1}")

    @property
    def max_frame_bytes(self) -> int:
        """What libzmq lets in before it cuts the connection (ZMQ_MAXMSGSIZE), bytes.

        Twice the size of a message: up to here we can still say who sent too much.
        """
        return 2 * self.max_message_bytes


class Fault(StrEnum):
    """Why a message or a connection came to nothing."""

    MALFORMED = "malformed"
    """A peer sent something other than one message of one frame."""
    OVERSIZED = "oversized"
    """A message, from the peer or for it, is larger than `max_message_bytes`."""
    REFUSED = "refused"
    """A client's key is not among those admitted."""
    HANDSHAKE = "handshake"
    """A connection did not get as far as a proven key."""
    QUEUE_FULL = "queue-full"
    """A message for a peer was dropped: he takes less than we send."""
    UNREACHABLE = "unreachable"
    """A message for a peer was dropped: there is no way to him."""


UNKNOWN_PEER: Final = "unknown"
"""Stands in the tally for peers without a proven key, and for those beyond the number remembered."""


class Tally:
    """Counts of faults by peer; it never grows beyond a fixed number of peers."""

    def __init__(self, known_senders: int) -> None:
        self._known_senders = known_senders
        self._counts: dict[PeerName, Counter[Fault]] = {}

    def count(self, peer: PeerName, fault: Fault) -> None:
        """Count one fault."""
        if peer not in self._counts and len(self._counts) >= self._known_senders:
            peer = UNKNOWN_PEER
        self._counts.setdefault(peer, Counter())[fault] += 1

    def of(self, peer: PeerName, fault: Fault) -> int:
        """How often the peer had this fault."""
        counts = self._counts.get(peer)
        return 0 if counts is None else counts[fault]

    def totals(self) -> dict[str, int]:
        """Number of each kind of fault over all peers, sorted by kind."""
        total: Counter[Fault] = Counter()
        for counts in self._counts.values():
            total.update(counts)
        return {fault.value: total[fault] for fault in sorted(total)}
