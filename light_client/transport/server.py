"""The listening side: one ROUTER socket for all clients, each known by the key it proved."""

import asyncio
from collections import OrderedDict

import zmq

from light_client.rules.errors import TransportError
from light_client.session.actor import PeerName, Received
from light_client.transport.admission import Admission, Gatekeeper
from light_client.transport.keys import TransportKey
from light_client.transport.limits import UNKNOWN_PEER, Fault
from light_client.transport.sockets import Inbox, Monitor, Wiring


class Server:
    """A bound socket. One per context: libzmq asks one gatekeeper per context."""

    def __init__(self, wiring: Wiring, *, endpoint: str, key: TransportKey, admission: Admission) -> None:
        """Bind; clients are admitted from now on.

        Raises:
            TransportError: the endpoint is taken or is none.
            LocalError: the context serves another server already.
        """
        self._wiring = wiring
        self._tally = wiring.tally
        self._limits = wiring.limits
        self._routes: OrderedDict[PeerName, bytes] = OrderedDict()
        self._gatekeeper = Gatekeeper(wiring, admission)
        self._socket = wiring.open_socket(zmq.ROUTER, key)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # say so when a client is gone
        self._socket.curve_server = True
        self._socket.zap_domain = b"gridlight"
        self._inbox = Inbox(self._socket)
        self._monitor = Monitor(wiring, self._socket, UNKNOWN_PEER)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise TransportError(f"cannot listen on {endpoint}", got=str(error)) from error
        self.endpoint = bytes(self._socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode("ascii")

    @property
    def connections(self) -> int:
        """Number of clients connected now."""
        return self._monitor.connections

    async def receive(self) -> Received:
        """Wait for the next well-formed message of any client; count and pass over the others."""
        while True:
            frames = await self._inbox.take()
            peer = str(frames[-1].get("User-Id"))
            if len(frames) != 2 or not len(frames[1]):
                self._tally.count(peer, Fault.MALFORMED)
            elif len(frames[1]) > self._limits.max_message_bytes:
                self._tally.count(peer, Fault.OVERSIZED)
            else:
                self._remember(peer, frames[0].bytes)
                return Received(peer=peer, message=frames[1].bytes)
            await asyncio.sleep(0)  # a flood of rubbish must not keep others from their turn

    def _remember(self, peer: PeerName, route: bytes) -> None:
        """Note the way back to a peer, and forget the one silent for longest if there are too many."""
        self._routes[peer] = route
        self._routes.move_to_end(peer)
        if len(self._routes) > self._limits.known_senders:
            self._routes.popitem(last=False)

    def send(self, peer: PeerName, message: bytes) -> bool:
        """Answer a client, or count why not; return whether the message is on its way."""
        route = self._routes.get(peer)
        if route is None:
            self._tally.count(peer, Fault.UNREACHABLE)
            return False
        self._routes.move_to_end(peer)  # channels come by the thousand, followers must stay
        return self._wiring.send_now(self._socket, [route, message], peer)

    def close(self) -> None:
        """Stop listening; the last answers have half a second to leave."""
        self._gatekeeper.close()
        self._monitor.close()
        self._socket.close()
