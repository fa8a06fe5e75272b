"""Who reaches whom: registered nodes by name, pseudonyms by key, strangers and impostors not at all."""

import asyncio
import gc
import weakref
from dataclasses import replace

import pytest
import zmq
import zmq.asyncio

from light_client.rules.errors import LocalError, TransportError
from light_client.transport.admission import Admission, pseudonym
from light_client.transport.keys import TransportKey
from light_client.transport.limits import UNKNOWN_PEER, Fault
from light_client.transport.node import Address
from tests.light_client.transport.loopback import LIMITS, node, push, until

_OPEN = Admission(pseudonyms=True)


def test_a_registered_node_is_known_by_name_and_gets_its_answer() -> None:
    async def scene() -> None:
        key = TransportKey.generate()
        closed = Admission(names={key.public: "miner-1"}, pseudonyms=False)
        async with (
            node(admission=closed) as server,
            node(key=key, peers={"miner-2": server.address}) as client,
        ):
            assert client.transport.send("miner-2", b"hello")
            received = await server.next()
            assert (received.peer, received.message) == ("miner-1", b"hello")
            assert server.transport.send("miner-1", b"welcome")
            answer = await client.next()
            assert (answer.peer, answer.message) == ("miner-2", b"welcome")
            assert client.transport.connected == {"miner-2"}

    asyncio.run(scene())


def test_a_pseudonym_is_called_by_its_key_and_a_channel_is_another_pseudonym() -> None:
    async def scene() -> None:
        async with node(admission=_OPEN) as server, node(peers={"miner-1": server.address}) as client:
            client.transport.send("miner-1", b"main")
            main = await server.next()
            assert main.peer == pseudonym(client.key.public)
            client.transport.send("miner-1/7", b"offer")
            channel = await server.next()
            assert channel.peer.startswith("anon-")
            assert channel.peer != main.peer
            server.transport.send(channel.peer, b"posted")
            answer = await client.next()
            assert (answer.peer, answer.message) == ("miner-1/7", b"posted")
            client.transport.send("miner-1/7", b"again")
            assert (await server.next()).peer == channel.peer

    asyncio.run(scene())


def test_two_servers_cannot_tell_that_a_pseudonymous_node_is_the_same() -> None:
    async def scene() -> None:
        async with node(admission=_OPEN) as one, node(admission=_OPEN) as two:
            peers = {"miner-1": one.address, "dso": two.address}
            async with node(peers=peers, pseudonymous=True) as meter:
                for peer in peers:
                    meter.transport.send(peer, b"hello")
                names = {(await one.next()).peer, (await two.next()).peer}
                assert len(names) == 2
                with pytest.raises(LocalError, match="needs a key"):
                    async with node(admission=_OPEN, pseudonymous=True):
                        pass

    asyncio.run(scene())


def test_the_oldest_channel_makes_room() -> None:
    async def scene() -> None:
        async with node(admission=_OPEN) as server, node(peers={"miner-1": server.address}) as client:
            names = []
            for label in ("a", "b", "c", "a"):
                client.transport.send(f"miner-1/{label}", label.encode())
                names.append((await server.next()).peer)
            assert len(set(names)) == 4, "a channel that was closed comes back under another key"
            await until(
                lambda: client.transport.connected == {"miner-1", "miner-1/c", "miner-1/a"}, "channels"
            )

    asyncio.run(scene())


def test_a_channel_that_is_not_used_any_more_is_closed() -> None:
    async def scene() -> None:
        limits = replace(LIMITS, channel_idle_ms=100)
        async with (
            node(admission=_OPEN) as server,
            node(peers={"miner-1": server.address}, limits=limits) as client,
        ):
            client.transport.send("miner-1/a", b"offer")
            first = await server.next()
            await until(lambda: client.transport.connected == {"miner-1"}, "the channel to be closed")
            client.transport.send("miner-1/a", b"deposit")
            again = await server.next()
            assert again.message == b"deposit"
            assert again.peer != first.peer, "a key is used for one opening"

    asyncio.run(scene())


@pytest.mark.parametrize("answers", [True, False])
def test_a_channel_that_was_closed_leaves_nothing_for_the_garbage_collector(answers: bool) -> None:
    """A board opens some for every offer, for years: what a cycle kept would stay until somebody looks for cycles."""

    async def scene() -> None:
        async with node(admission=_OPEN) as server:
            there = (
                server.address
                if answers
                else Address(endpoint="tcp://127.0.0.1:1", server_key=server.address.server_key)
            )
            async with node(peers={"miner-1": there}) as client:
                opened: list[weakref.ref[object]] = []
                for number in range(12):
                    name = f"miner-1/{number}"
                    assert client.transport.send(name, b"here")
                    if answers:
                        await server.next()
                    channel = client.transport._channels[name]
                    opened += map(weakref.ref, (channel, channel._socket, channel._monitor))
                    del channel
                await until(
                    lambda: sum(each() is not None for each in opened) <= 3 * LIMITS.channels, "them to go"
                )

    gc.collect()
    gc.disable()
    try:
        asyncio.run(scene())
    finally:
        gc.enable()


def test_who_is_told_something_is_not_forgotten_for_those_who_come_and_go() -> None:
    async def scene() -> None:
        limits = replace(LIMITS, known_senders=2)
        async with (
            node(admission=_OPEN, limits=limits) as server,
            node(peers={"miner-1": server.address}) as client,
        ):
            client.transport.send("miner-1", b"subscribe")
            follower = (await server.next()).peer
            for label in ("a", "b", "c"):
                client.transport.send(f"miner-1/{label}", b"offer")
                await server.next()
                assert server.transport.send(follower, b"block")
                assert (await client.next()).message == b"block"

    asyncio.run(scene())


def test_a_stranger_is_refused_where_only_registered_nodes_may_come() -> None:
    async def scene() -> None:
        closed = Admission(names={TransportKey.generate().public: "miner-1"}, pseudonyms=False)
        async with node(admission=closed) as server, node(peers={"miner-2": server.address}) as stranger:
            stranger.transport.send("miner-2", b"let me in")
            who = pseudonym(stranger.key.public)
            await until(lambda: server.transport.tally.of(who, Fault.REFUSED) > 0, "refusal counted")
            await until(lambda: stranger.transport.tally.of("miner-2", Fault.HANDSHAKE) > 0, "and noticed")
            assert server.inbox.empty()
            assert stranger.transport.connected == frozenset()

    asyncio.run(scene())


def test_a_server_with_another_key_gets_no_message() -> None:
    async def scene() -> None:
        async with node(admission=_OPEN) as impostor:
            expected = Address(endpoint=impostor.address.endpoint, server_key=TransportKey.generate().public)
            async with node(peers={"miner-1": expected}) as client:
                client.transport.send("miner-1", b"secret offer")
                await until(
                    lambda: impostor.transport.tally.of(UNKNOWN_PEER, Fault.HANDSHAKE) > 0, "handshake failed"
                )
                assert impostor.inbox.empty()
                assert client.transport.connected == frozenset()

    asyncio.run(scene())


def test_a_client_with_a_public_key_that_is_not_its_own_fails() -> None:
    async def scene() -> None:
        victim, thief = TransportKey.generate(), TransportKey.generate()
        admission = Admission(names={victim.public: "dso"}, pseudonyms=False)
        async with node(admission=admission) as server:
            context = zmq.asyncio.Context()
            socket = context.socket(zmq.DEALER)
            socket.linger = 0
            socket.curve_publickey = victim.public.encode()
            socket.curve_secretkey = thief.secret.encode()
            socket.curve_serverkey = server.key.public.encode()
            socket.connect(server.address.endpoint)
            push(socket, b"I am the DSO")
            await until(lambda: server.transport.tally.of(UNKNOWN_PEER, Fault.HANDSHAKE) > 0, "handshake")
            assert server.inbox.empty()
            socket.close()
            context.term()

    asyncio.run(scene())


def test_plain_text_and_noise_get_nowhere() -> None:
    async def scene() -> None:
        async with node(admission=_OPEN) as server, node(peers={"miner-1": server.address}) as client:
            context = zmq.asyncio.Context()
            plain = context.socket(zmq.DEALER)
            plain.linger = 0
            plain.connect(server.address.endpoint)
            push(plain, b"no encryption")
            port = int(server.address.endpoint.rpartition(":")[2])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes(range(256)) * 4)
            await writer.drain()
            await until(lambda: server.transport.tally.of(UNKNOWN_PEER, Fault.HANDSHAKE) > 0, "handshake")
            client.transport.send("miner-1", b"still here?")
            assert (await server.next()).message == b"still here?"
            assert server.inbox.empty()
            writer.close()
            plain.close()
            context.term()

    asyncio.run(scene())


def test_a_client_finds_its_server_again_after_a_restart() -> None:
    async def scene() -> None:
        key = TransportKey.generate()
        async with node(key=key, admission=_OPEN) as first:
            endpoint = first.address.endpoint
            address = first.address
        async with node(peers={"miner-1": address}) as client:
            client.transport.send("miner-1", b"before it is up")
            async with node(key=key, admission=_OPEN, endpoint=endpoint) as second:
                assert (await second.next()).message == b"before it is up"
            await until(lambda: not client.transport.connected, "the loss is noticed")
            async with node(key=key, admission=_OPEN, endpoint=endpoint) as third:
                await until(lambda: client.transport.connected == {"miner-1"}, "dialled again")
                client.transport.send("miner-1", b"after")
                received = await third.next()
                assert received.message == b"after"
                third.transport.send(received.peer, b"yes")
                assert (await client.next()).message == b"yes"

    asyncio.run(scene())


_ZMTP_WITHOUT_KEYS = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16 + 32)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n" + bytes(200), id="login page"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_10.0\r\n", id="another service"),
        pytest.param(_ZMTP_WITHOUT_KEYS, id="no keys"),
        pytest.param(_ZMTP_WITHOUT_KEYS.replace(b"NULL\0", b"CURVE") + b"\xff" * 300, id="keys, then noise"),
    ],
)
def test_whoever_else_answers_at_the_port_is_dialled_until_it_is_the_server(answer: bytes) -> None:
    """Libzmq gives a connection up for good at the first answer that breaks its protocol; a meter must not."""

    async def scene() -> None:
        calls = 0

        async def impostor(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal calls
            calls += 1
            writer.write(answer)
            writer.close()

        other = await asyncio.start_server(impostor, "127.0.0.1", 0)
        endpoint = f"tcp://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        key = TransportKey.generate()
        async with node(peers={"miner-1": Address(endpoint=endpoint, server_key=key.public)}) as client:
            await until(lambda: calls >= 3, "another call")
            other.close()
            await other.wait_closed()
            async with node(key=key, admission=_OPEN, endpoint=endpoint) as server:
                await until(lambda: client.transport.connected == {"miner-1"}, "the server is found")
                assert client.transport.send("miner-1", b"at last")
                assert (await server.next()).message == b"at last"

    asyncio.run(scene())


def test_a_message_to_nobody_is_dropped_and_counted() -> None:
    async def scene() -> None:
        async with node(admission=_OPEN) as server, node() as other:
            assert not server.transport.send("anon-00", b"hello")
            assert not other.transport.send("miner-9", b"hello")
            assert not other.transport.send("miner-9/1", b"hello")
            assert server.transport.tally.of("anon-00", Fault.UNREACHABLE) == 1
            assert other.transport.tally.totals() == {"unreachable": 2}
            async with node(peers={"miner-1": server.address}) as client:
                client.transport.send("miner-1", b"hello")
                gone = (await server.next()).peer
            await until(lambda: not server.transport.send(gone, b"are you there?"), "a client who left")
            assert server.transport.tally.of(gone, Fault.UNREACHABLE) == 1

    asyncio.run(scene())


def test_a_queue_is_bounded_and_what_does_not_fit_is_counted() -> None:
    async def scene() -> None:
        nobody = Address(endpoint="tcp://127.0.0.1:1", server_key=TransportKey.generate().public)
        async with node(peers={"miner-1": nobody}) as client:
            sent = [client.transport.send("miner-1", b"x") for _ in range(LIMITS.queue_messages + 5)]
            assert sent == [True] * LIMITS.queue_messages + [False] * 5
            assert client.transport.tally.of("miner-1", Fault.QUEUE_FULL) == 5

    asyncio.run(scene())


def test_wrong_use_is_refused() -> None:
    async def scene() -> None:
        async with node(admission=_OPEN) as server:
            with pytest.raises(TransportError, match="cannot listen"):
                async with node(admission=_OPEN, endpoint=server.address.endpoint):
                    pass
            with pytest.raises(LocalError, match="slash"):
                async with node(peers={"miner/1": server.address}):
                    pass
            async with node(peers={"miner-1": server.address}) as client:
                with pytest.raises(LocalError, match="empty message"):
                    client.transport.send("miner-1", b"")
        with pytest.raises(LocalError, match="no registered node"):
            Admission(names={TransportKey.generate().public: "anon-1"}, pseudonyms=True)
        with pytest.raises(LocalError, match="TCP"):
            Address(endpoint="ipc:///tmp/x", server_key=TransportKey.generate().public)

    asyncio.run(scene())
