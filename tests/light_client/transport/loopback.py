"""Nodes on the loopback interface for the tests of the transport."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import zmq
import zmq.asyncio

from light_client.session.actor import Received
from light_client.transport.admission import Admission
from light_client.transport.keys import TransportKey
from light_client.transport.limits import Limits
from light_client.transport.node import Address, Listening, Transport

LIMITS = Limits(
    max_message_bytes=64 << 10,
    queue_messages=32,
    heartbeat_ms=100,
    handshake_ms=1_000,
    reconnect_min_ms=20,
    reconnect_max_ms=100,
    channels=2,
)
PATIENCE_S = 5.0


class Node:
    """A transport with its inbox."""

    def __init__(self, key: TransportKey, transport: Transport, inbox: asyncio.Queue[Received]) -> None:
        self.key = key
        self.transport = transport
        self.inbox = inbox

    @property
    def address(self) -> Address:
        """Where others find this node."""
        endpoint = self.transport.endpoint
        assert endpoint is not None
        return Address(endpoint=endpoint, server_key=self.key.public)

    async def next(self) -> Received:
        """The next message, which must come soon."""
        return await asyncio.wait_for(self.inbox.get(), PATIENCE_S)


@asynccontextmanager
async def node(
    *,
    key: TransportKey | None = None,
    peers: Mapping[str, Address] | None = None,
    admission: Admission | None = None,
    endpoint: str = "tcp://127.0.0.1:0",
    limits: Limits = LIMITS,
    pseudonymous: bool = False,
) -> AsyncIterator[Node]:
    """Run a node; with an admission it listens; a pseudonymous one takes another key for each peer."""
    inbox: asyncio.Queue[Received] = asyncio.Queue()
    key = key or TransportKey.generate()
    context = zmq.asyncio.Context()
    listening = None if admission is None else Listening(endpoint=endpoint, admission=admission)
    try:
        transport = Transport(
            context,
            key=None if pseudonymous else key,
            peers=peers or {},
            deliver=inbox.put,
            listening=listening,
            limits=limits,
        )
        try:
            yield Node(key, transport, inbox)
        finally:
            transport.close()
            await asyncio.sleep(0)  # the cancelled readers end
    finally:
        context.term()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds, or fail and say for what."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


def push(socket: zmq.asyncio.Socket, message: bytes) -> None:
    """Send as an intruder, who may have been thrown out already: waiting for a way to send would be for ever."""
    with suppress(zmq.Again):
        zmq.Socket(shadow=socket.underlying).send(message, zmq.DONTWAIT)
