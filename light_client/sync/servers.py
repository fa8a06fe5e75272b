"""The servers of a light client: whom to ask, whom to let rest, and how much to take from one.

A server that fails is left for another and rests for a time that doubles with every failure, give or take half of it,
so that a thousand meters that lost one server do not all come back to it at once. Whatever a server sends is paid from
its allowance of bytes, before anything of it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from random import Random

from light_client.rules.errors import LocalError
from light_client.session.actor import PeerName

_LONGEST_DOUBLING = 20


class Fault(IntEnum):
    """What a server did, by how many failures it counts."""

    SILENT = 1
    """It did not answer in time, or has not got what was asked for, as also happens to an honest one."""
    BEHIND = 2
    """It has less than it should, or withholds it."""
    LYING = 6
    """It sent what breaks a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersParams:
    """How servers are rested and rationed."""

    rest_ms: int = 1_000
    """Rest after the first failure, ms; doubles with each further one."""
    longest_rest_ms: int = 900_000
    burst_bytes: int = 96 << 20
    """What one server may send at once: a few answers with blocks."""
    bytes_per_s: int = 32 << 10
    """By how much its allowance grows again, bytes a second."""


@dataclass(slots=True)
class _Server:
    """What is remembered of one server."""

    name: PeerName
    failures: int = 0
    rest_until_ms: int = 0
    allowance: int = 0
    """Bytes it may still send, as of ``counted_ms``."""
    counted_ms: int | None = None


class Servers:
    """A fixed list of servers; one of them is the primary, the others may be witnesses."""

    def __init__(
        self, names: tuple[PeerName, ...], chance: Random | None = None, params: ServersParams | None = None
    ) -> None:
        """Begin with the first one as primary.

        Args:
            chance: spreads the rests and picks witnesses; without it rests are exact, and the first witness is taken.

        Raises:
            LocalError: there is no server, or one twice.
        """
        if not names or len(set(names)) != len(names):
            raise LocalError("a client needs servers, each once", got=names, expected="at least one")
        self._params = params or ServersParams()
        self._chance = chance
        self._servers = {name: _Server(name) for name in names}
        self._primary = names[0]
        self.switches = 0
        """How often the primary was left for another."""

    @property
    def names(self) -> tuple[PeerName, ...]:
        """All servers."""
        return tuple(self._servers)

    @property
    def primary(self) -> PeerName:
        """The server that is followed."""
        return self._primary

    def failures(self, name: PeerName) -> int:
        """How badly a server stands; 0 is best."""
        return self._servers[name].failures

    def ready_ms(self, name: PeerName) -> int:
        """When a server has rested."""
        return self._servers[name].rest_until_ms

    def answered(self, name: PeerName) -> None:
        """A server did what it should: half of its failures are forgotten."""
        server = self._servers[name]
        server.failures //= 2

    def failed(self, name: PeerName, fault: Fault, now_ms: int) -> None:
        """A server did what it should not: let it rest, and leave it if it is the primary."""
        server, params = self._servers[name], self._params
        server.failures += fault
        doubled = params.rest_ms << min(server.failures - 1, _LONGEST_DOUBLING)
        rest_ms = min(doubled, params.longest_rest_ms)
        if self._chance is not None:
            rest_ms = rest_ms // 2 + self._chance.randrange(rest_ms + 1)
        server.rest_until_ms = now_ms + rest_ms
        if name == self._primary:
            self._turn(now_ms)

    def _turn(self, now_ms: int) -> None:
        """Take the next server that has rested, round the list; if none has, the one that is ready first."""
        names = list(self._servers)
        at = names.index(self._primary)
        others = [self._servers[name] for name in (*names[at + 1 :], *names[: at + 1])]
        rested = [server for server in others if server.rest_until_ms <= now_ms]
        best = (
            min(rested, key=lambda server: server.failures)
            if rested
            else min(others, key=lambda server: server.rest_until_ms)
        )
        if best.name != self._primary:
            self._primary = best.name
            self.switches += 1

    def witness(self, now_ms: int) -> PeerName | None:
        """Somebody else to ask than the primary; None while nobody has rested."""
        rested = [
            server.name
            for server in self._servers.values()
            if server.name != self._primary and server.rest_until_ms <= now_ms
        ]
        if not rested:
            return None
        return rested[0] if self._chance is None else self._chance.choice(rested)

    def admits(self, name: PeerName, size: int, now_ms: int) -> bool:
        """Whether a server may send so many bytes now; if so, they are taken off its allowance."""
        server, params = self._servers[name], self._params
        before_ms = now_ms if server.counted_ms is None else server.counted_ms
        held = params.burst_bytes if server.counted_ms is None else server.allowance
        held += max(0, now_ms - before_ms) * params.bytes_per_s // 1_000
        server.allowance, server.counted_ms = min(held, params.burst_bytes), now_ms
        if size > server.allowance:
            return False
        server.allowance -= size
        return True
