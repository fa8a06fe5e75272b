"""What a peer with a valid key can send that is no message: it is dropped, counted against him, and harms nobody."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import zmq
import zmq.asyncio

from light_client.rules.errors import LocalError
from light_client.transport.admission import Admission, pseudonym
from light_client.transport.keys import TransportKey
from light_client.transport.limits import UNKNOWN_PEER, Fault, Limits, Tally
from light_client.transport.node import Address
from tests.light_client.transport.loopback import LIMITS, node, until

_OPEN = Admission(pseudonyms=True)


@asynccontextmanager
async def _raw_peer(
    kind: int, server: Address | None, key: TransportKey
) -> AsyncIterator[zmq.asyncio.Socket]:
    """A socket that keeps to CURVE and to nothing else of ours."""
    context = zmq.asyncio.Context()
    socket = context.socket(kind)
    socket.linger = 0
    socket.curve_secretkey = key.secret.encode()
    socket.curve_publickey = key.public.encode()
    if server is None:
        socket.curve_server = True
        socket.bind("tcp://127.0.0.1:0")
    else:
        socket.curve_serverkey = server.server_key.encode()
        socket.connect(server.endpoint)
    try:
        yield socket
    finally:
        socket.close()
        context.term()


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        ([b"two", b"frames"], Fault.MALFORMED),
        ([b""], Fault.MALFORMED),
        ([b"x"] * 50, Fault.MALFORMED),
        ([bytes(LIMITS.max_message_bytes + 1)], Fault.OVERSIZED),
    ],
    ids=["two frames", "empty", "many frames", "oversized"],
)
def test_rubbish_is_dropped_and_counted_against_its_sender(frames: Sequence[bytes], fault: Fault) -> None:
    async def scene() -> None:
        key = TransportKey.generate()
        async with node(admission=_OPEN) as server, _raw_peer(zmq.DEALER, server.address, key) as socket:
            await socket.send_multipart(frames)
            await socket.send(bytes(LIMITS.max_message_bytes))
            received = await server.next()
            assert received.peer == pseudonym(key.public)
            assert len(received.message) == LIMITS.max_message_bytes
            assert server.transport.tally.of(received.peer, fault) == 1
            assert server.transport.tally.totals() == {fault.value: 1}

    asyncio.run(scene())


def test_a_frame_beyond_all_bounds_costs_its_sender_the_connection_and_others_nothing() -> None:
    async def scene() -> None:
        key = TransportKey.generate()
        async with (
            node(admission=_OPEN) as server,
            node(peers={"miner-1": server.address}) as honest,
            _raw_peer(zmq.DEALER, server.address, key) as socket,
        ):
            honest.transport.send("miner-1", b"one")
            await server.next()
            await socket.send(bytes(LIMITS.max_frame_bytes + 1))
            await socket.send(b"never read")  # lost with the connection, or read after it is dialled again
            for number in range(20):
                honest.transport.send("miner-1", bytes([number + 1]))
            seen = [await server.next() for _ in range(20)]
            sizes = {len(received.message) for received in seen}
            assert max(sizes) < LIMITS.max_frame_bytes
            assert honest.transport.connected == {"miner-1"}

    asyncio.run(scene())


def test_a_server_that_answers_rubbish_is_counted_too() -> None:
    async def scene() -> None:
        key = TransportKey.generate()
        async with _raw_peer(zmq.ROUTER, None, key) as socket:
            endpoint = bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()
            async with node(peers={"miner-1": Address(endpoint=endpoint, server_key=key.public)}) as client:
                client.transport.send("miner-1", b"hello")
                route, _ = await socket.recv_multipart()
                await socket.send_multipart([route, b"two", b"frames"])
                await socket.send_multipart([route, bytes(LIMITS.max_message_bytes + 1)])
                await socket.send_multipart([route, b"sense"])
                assert (await client.next()).message == b"sense"
                assert client.transport.tally.of("miner-1", Fault.MALFORMED) == 1
                assert client.transport.tally.of("miner-1", Fault.OVERSIZED) == 1

    asyncio.run(scene())


def test_our_own_oversized_message_never_leaves() -> None:
    async def scene() -> None:
        async with node(admission=_OPEN) as server, node(peers={"miner-1": server.address}) as client:
            assert not client.transport.send("miner-1", bytes(LIMITS.max_message_bytes + 1))
            assert client.transport.tally.of("miner-1", Fault.OVERSIZED) == 1
            client.transport.send("miner-1", b"small")
            assert (await server.next()).message == b"small"

    asyncio.run(scene())


def test_a_slow_reader_holds_its_senders_back_and_memory_stays_bounded() -> None:
    async def scene() -> None:
        gate = asyncio.Event()
        taken = 0
        patient = replace(
            LIMITS, heartbeat_ms=5_000
        )  # a reader who is held back does not see heartbeats either
        async with node(admission=_OPEN, limits=patient) as server:

            async def reluctant(_: object) -> None:
                nonlocal taken
                await gate.wait()
                taken += 1

            server.transport._deliver = reluctant
            async with node(peers={"miner-1": server.address}, limits=patient) as client:
                sent = 0
                for _ in range(400):
                    sent += client.transport.send("miner-1", bytes(60_000))
                    await asyncio.sleep(0.001)
                dropped = client.transport.tally.of("miner-1", Fault.QUEUE_FULL)
                assert sent + dropped == 400
                assert dropped > 0, "nothing held the sender back"
                assert taken == 0
                gate.set()
                await until(lambda: taken == sent, "what was taken on arrives in the end")

    asyncio.run(scene())


def test_the_tally_does_not_grow_with_the_number_of_pseudonyms() -> None:
    tally = Tally(known_senders=3)
    for number in range(100):
        tally.count(f"anon-{number}", Fault.MALFORMED)
    assert tally.totals() == {"malformed": 100}
    assert tally.of("anon-0", Fault.MALFORMED) == 1
    assert tally.of(UNKNOWN_PEER, Fault.MALFORMED) == 97
    assert len(tally._counts) == 4


def test_limits_are_checked() -> None:
    with pytest.raises(LocalError, match="queue_messages"):
        Limits(queue_messages=0)
