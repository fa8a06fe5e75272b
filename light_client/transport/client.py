"""The dialling side: one DEALER socket to one server, dialled again whenever it breaks."""

import asyncio
from contextlib import suppress

import zmq

from light_client.rules.errors import TransportError
from light_client.session.actor import PeerName, Received
from light_client.transport.keys import TransportKey
from light_client.transport.limits import Fault
from light_client.transport.sockets import Inbox, Monitor, Wiring


class Client:
    """A connection to a server whose public key is known beforehand.

    While there is no connection, messages wait in the bounded queue; a server with another key never gets one.
    """

    def __init__(
        self,
        wiring: Wiring,
        *,
        peer: PeerName,
        endpoint: str,
        server_key: str,
        key: TransportKey,
    ) -> None:
        """Dial; this does not wait for the connection.

        Args:
            wiring: what it shares with our other sockets.
            peer: what we call the server.
            endpoint: such as `tcp://127.0.0.1:7001`.
            server_key: public transport key of the server, Z85.
            key: our own for this connection.

        Raises:
            TransportError: the endpoint is none.
        """
        self.peer = peer
        self._endpoint = endpoint
        self._wiring = wiring
        self._tally = wiring.tally
        self._limits = limits = wiring.limits
        self._socket = wiring.open_socket(zmq.DEALER, key)
        self._socket.setsockopt(zmq.RECONNECT_IVL, limits.reconnect_min_ms)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, limits.reconnect_max_ms)
        self._socket.curve_serverkey = server_key.encode("ascii")
        self._inbox = Inbox(self._socket)
        self._monitor = Monitor(wiring, self._socket, peer, self._dial_again)
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(f"cannot dial {peer} at {endpoint}", got=str(error)) from error

    @property
    def connected(self) -> bool:
        """Whether the server has proven its key and admitted ours."""
        return self._monitor.connections > 0

    async def receive(self) -> Received:
        """Wait for the next well-formed message of the server; count and pass over the others."""
        while True:
            frames = await self._inbox.take()
            if len(frames) != 1 or not len(frames[0]):
                self._tally.count(self.peer, Fault.MALFORMED)
            elif len(frames[0]) > self._limits.max_message_bytes:
                self._tally.count(self.peer, Fault.OVERSIZED)
            else:
                return Received(peer=self.peer, message=frames[0].bytes)
            await asyncio.sleep(0)  # a flood of rubbish must not keep others from their turn

    def send(self, message: bytes) -> bool:
        """Send to the server, or count why not; return whether the message is on its way."""
        return self._wiring.send_now(self._socket, [message], self.peer)

    def _dial_again(self) -> None:
        with suppress(zmq.ZMQError):  # what libzmq gave up on may be gone from its books already
            self._socket.disconnect(self._endpoint)
        try:
            self._socket.connect(self._endpoint)
        except zmq.ZMQError:
            self._tally.count(self.peer, Fault.UNREACHABLE)

    def close(self) -> None:
        """Hang up; the last messages have half a second to leave."""
        self._monitor.close()
        self._socket.close()
