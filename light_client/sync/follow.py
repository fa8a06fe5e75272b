"""Following a chain from one of several servers, block by block or by its headers: a planner without I/O.

Servers announce new heights; the planner asks for what is missing, one request at a time, and turns to the next
server when one does not answer in time or sends what the caller refuses. When all of them have failed it waits.
Announcements are hints: whatever matters is in the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from light_client.messages.chain import Announce, Blocks, GetBlocks, GetUpdate, Subscribe
from light_client.messages.codec import encode_message
from light_client.session.actor import Effect, PeerName, Send, SetTimer
from light_client.sync.servers import Fault, Servers

TIMER = "follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowParams:
    """How patient a follower is."""

    retry_ms: int = 3_000
    """How long an answer may take before the next server is asked, ms."""
    poll_ms: int = 500_000
    """After how long without an announcement to ask, and to renew the subscription, ms."""

    limit: int = 64
    """Most blocks asked for at once."""

    def follower(self, servers: tuple[PeerName, ...]) -> BlockFollower:
        """A follower as patient as this, of servers that nobody else asks."""
        return self.follower_of(Servers(servers))

    def follower_of(self, servers: Servers) -> BlockFollower:
        """A follower as patient as this."""
        return BlockFollower(servers, limit=self.limit, retry_ms=self.retry_ms, poll_ms=self.poll_ms)


class BlockFollower:
    """Plans requests for the blocks after ``height``."""

    def __init__(
        self,
        servers: Servers,
        *,
        limit: int = 64,
        retry_ms: int = 3_000,
        poll_ms: int = 500_000,
    ) -> None:
        self.servers = servers
        self.wants = Announce.BLOCKS
        """Whole blocks, or headers alone: what is subscribed to and asked for."""
        self._limit = limit
        self._retry_ms = retry_ms
        self._poll_ms = poll_ms
        self._asked = False
        self._announced = 0
        self._announced_when_asked = 0
        self._subscribed_ms = 0

    @property
    def server(self) -> PeerName:
        """The server asked at present."""
        return self.servers.primary

    @property
    def waits(self) -> bool:
        """Whether an answer is outstanding."""
        return self._asked

    def start(self, height: int, now_ms: int) -> list[Effect]:
        """Subscribe to announcements, and catch up; later, if the server has to rest before."""
        ready_ms = self.servers.ready_ms(self.server)
        if ready_ms > now_ms:
            self._asked = False
            return [SetTimer(name=TIMER, at_ms=ready_ms)]
        return [self._subscribe(height, now_ms), *self._ask(height, now_ms)]

    def announced(self, announced: int, height: int, now_ms: int) -> list[Effect]:
        """A server says that it has the block of height ``announced``; the caller has ``height``."""
        self._announced = max(self._announced, announced)
        if self._asked or self._announced <= height:
            return []
        return self._ask(height, now_ms)

    def came(self, received: int, newest: int, height: int, now_ms: int) -> list[Effect]:
        """Blocks came in, asked for or not: ``received`` new ones, the last at ``newest``; the caller now has
        ``height``.

        A server that has nothing to show for a height that was announced before it was asked is left, since asking it
        again would never end.
        """
        self._announced = max(self._announced, newest)
        was_asked, self._asked = self._asked, False
        if was_asked and not received and self._announced_when_asked > height:
            return self.refused(height, now_ms, Fault.BEHIND)
        if received:
            self.servers.answered(self.server)
        if self._announced > height or received >= self._limit:
            return self._ask(height, now_ms)
        # a chain that is neither busy nor quiet must not let the subscription lapse
        return [SetTimer(name=TIMER, at_ms=max(now_ms + 1, self._subscribed_ms + self._poll_ms))]

    def refused(self, height: int, now_ms: int, fault: Fault = Fault.LYING) -> list[Effect]:
        """The caller refused what the server sent: turn to the next one."""
        self._leave(fault, now_ms)
        return self.start(height, now_ms)

    def woken(self, height: int, now_ms: int) -> list[Effect]:
        """The timer has run out: no answer, or nothing heard for long."""
        if self._asked:
            self._leave(Fault.SILENT, now_ms)
        return self.start(height, now_ms)

    def _leave(self, fault: Fault, now_ms: int) -> None:
        self.servers.failed(self.server, fault, now_ms)
        self._announced = 0

    def _subscribe(self, height: int, now_ms: int) -> Send:
        self._subscribed_ms = now_ms
        request = Subscribe(from_height=height, announce=self.wants)
        return Send(peer=self.server, message=encode_message(request))

    def _ask(self, height: int, now_ms: int) -> list[Effect]:
        self._asked = True
        self._announced_when_asked = self._announced
        blocks = GetBlocks(from_height=height + 1, limit=self._limit)
        request = blocks if self.wants is Announce.BLOCKS else GetUpdate(trusted_height=height)
        return [
            Send(peer=self.server, message=encode_message(request)),
            SetTimer(name=TIMER, at_ms=now_ms + self._retry_ms),
        ]


def newest_of(blocks: Blocks) -> int:
    """Height of the last block of a message; 0 if it holds none."""
    return blocks.blocks[-1].header.height if blocks.blocks else 0
