"""One actor's transport: at most one server, a client for each peer it knows the address of, and channels.

A channel is a further connection to a known peer under a fresh key that nobody has seen before, so that what is sent on
it cannot be linked to the actor's other connections by the key. A peer name with a slash, `miner-2/3f9a`, means the
channel `3f9a` to `miner-2`: it opens when first sent to, and what comes back on it carries the same name. It is closed
when nothing has passed over it for a while, or when others need the room; the next message opens it under another key.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import zmq.asyncio

from light_client.rules.errors import LightClientError, LocalError
from light_client.session.actor import PeerName, Received
from light_client.transport.admission import Admission
from light_client.transport.client import Client
from light_client.transport.keys import TransportKey, check_public_key
from light_client.transport.limits import Fault, Limits, Tally
from light_client.transport.server import Server
from light_client.transport.sockets import Wiring

Deliver: TypeAlias = Callable[[Received], Awaitable[None]]
"""Takes a message in; while it waits, the sockets' bounded queues fill and the peers are held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a peer listens and the key that it has to prove."""

    endpoint: str
    """Such as `tcp://127.0.0.1:7001`."""
    server_key: str
    """Public transport key, Z85."""

    def __post_init__(self) -> None:
        check_public_key(self.server_key)
        if not self.endpoint.startswith("tcp://"):
            raise LocalError("an endpoint is a TCP address", got=self.endpoint, expected="tcp://host:port")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What a node needs in order to serve others."""

    endpoint: str
    """Such as `tcp://127.0.0.1:7001`; port 0 takes a free one."""
    admission: Admission


class Transport:
    """Sends an actor's messages and delivers what comes for it. Needs a running event loop."""

    def __init__(
        self,
        context: zmq.asyncio.Context,
        *,
        key: TransportKey | None,
        peers: Mapping[PeerName, Address],
        deliver: Deliver,
        listening: Listening | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Listen and dial everyone.

        Args:
            context: of libzmq; one that listens has it for itself.
            key: our own; None takes a fresh one for each peer, so that they cannot tell that we are the same.
            peers: those to dial.
            deliver: takes what comes in.
            listening: where to serve, if at all.
            limits: bounds, if not the usual ones.

        Raises:
            TransportError: an endpoint cannot be used.
            LocalError: the name of a peer has a slash, which is for channels; or there is no key to listen with.
        """
        self._wiring = Wiring(context, limits or Limits())
        self._deliver = deliver
        self._peers = dict(peers)
        self._readers: dict[PeerName, asyncio.Task[None]] = {}
        self._clients: dict[PeerName, Client] = {}
        self._channels: OrderedDict[PeerName, Client] = OrderedDict()
        """The longest unused first."""
        self._used_s: dict[PeerName, float] = {}
        """When something last passed over a channel, monotonic s."""
        self._sweeper: asyncio.Task[None] | None = None
        self._server: Server | None = None
        if any("/" in peer for peer in peers):
            raise LocalError("the name of a peer has a slash, which is for channels", got=sorted(peers))
        if listening is not None and key is None:
            raise LocalError("a node that listens needs a key that its clients can know")
        try:
            if listening is not None and key is not None:
                self._server = Server(
                    self._wiring, endpoint=listening.endpoint, key=key, admission=listening.admission
                )
                self._read("", self._server.receive)
            for peer in self._peers:
                self._clients[peer] = self._dial(peer, peer, key or TransportKey.generate())
        except LightClientError:
            self.close()
            raise

    @property
    def tally(self) -> Tally:
        """What went wrong, by peer."""
        return self._wiring.tally

    @property
    def failure(self) -> asyncio.Future[None]:
        """Done with an error when the transport no longer works."""
        return self._wiring.failure

    @property
    def endpoint(self) -> str | None:
        """Where the server listens, or None."""
        return None if self._server is None else self._server.endpoint

    @property
    def connected(self) -> frozenset[PeerName]:
        """Peers with a proven connection that we dialled, channels included."""
        return frozenset(
            name for clients in (self._clients, self._channels) for name in clients if clients[name].connected
        )

    def send(self, peer: PeerName, message: bytes) -> bool:
        """Send to a peer we know or who wrote to us; drop and count what cannot be sent.

        Returns:
            Whether the message is on its way; nobody promises that it arrives.
        """
        if peer in self._clients:
            return self._clients[peer].send(message)
        base, slash, label = peer.partition("/")
        if slash and label and base in self._peers:
            return self._channel(peer, base).send(message)
        if self._server is not None:
            return self._server.send(peer, message)
        self.tally.count(peer, Fault.UNREACHABLE)
        return False

    def _channel(self, name: PeerName, base: PeerName) -> Client:
        """Return the open channel of that name, or open it under a fresh key."""
        if name not in self._channels:
            self._channels[name] = self._dial(name, base, TransportKey.generate())
        self._use(name)
        if len(self._channels) > self._wiring.limits.channels:
            self._hang_up(next(iter(self._channels)))
        if self._sweeper is None:
            self._sweeper = self._wiring.start(self._sweep())
        return self._channels[name]

    def _use(self, name: PeerName) -> None:
        self._channels.move_to_end(name)
        self._used_s[name] = time.monotonic()

    def _hang_up(self, name: PeerName) -> None:
        """Close a channel; its key is never used again."""
        del self._used_s[name]
        self._readers.pop(name).cancel()
        self._channels.pop(name).close()

    async def _sweep(self) -> None:
        """Close the channels that are not used any more."""
        idle_s = self._wiring.limits.channel_idle_ms / 1_000
        while True:
            await asyncio.sleep(idle_s / 4)
            for name in list(self._channels):
                if time.monotonic() - self._used_s[name] < idle_s:
                    break
                self._hang_up(name)

    def _dial(self, name: PeerName, base: PeerName, key: TransportKey) -> Client:
        address = self._peers[base]
        client = Client(
            self._wiring,
            peer=name,
            endpoint=address.endpoint,
            server_key=address.server_key,
            key=key,
        )
        self._read(name, client.receive)
        return client

    def _read(self, name: PeerName, receive: Callable[[], Awaitable[Received]]) -> None:
        async def deliver_all() -> None:
            while True:
                received = await receive()
                if name in self._channels:
                    self._use(name)
                await self._deliver(received)

        self._readers[name] = self._wiring.start(deliver_all())

    def close(self) -> None:
        """Hang up everywhere; the last messages have half a second to leave."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for reader in self._readers.values():
            reader.cancel()
        for client in (*self._clients.values(), *self._channels.values()):
            client.close()
        if self._server is not None:
            self._server.close()
        self._wiring.failure.cancel()
