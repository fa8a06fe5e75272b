"""Who may connect to a server, and what he is called: the policy, and the ZAP handler that libzmq asks.

A registered node has a key in the table and is called by the name that the table gives it. On the market plane any
other key is welcome too: peers there are pseudonyms, and a pseudonym's name is derived from its key.
Source: ZeroMQ RFC 27/ZAP, https://rfc.zeromq.org/spec/27/.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import zmq
from zmq.utils import z85

from light_client.rules.errors import LocalError
from light_client.session.actor import PeerName
from light_client.transport.keys import PUBLIC_KEY_BYTES, check_public_key
from light_client.transport.limits import Fault
from light_client.transport.sockets import Wiring

PSEUDONYM_PREFIX: Final = "anon-"
_ZAP_ENDPOINT: Final = "inproc://zeromq.zap.01"
_ZAP_VERSION: Final = b"1.0"


def pseudonym(public: str) -> PeerName:
    """The name of a peer whom nobody registered: `anon-` and 128 bits of a hash of its public transport key."""
    digest = sha256(b"gridlight/transport-pseudonym/1" + z85.decode(public.encode("ascii")))
    return f"{PSEUDONYM_PREFIX}{digest.hexdigest()[:32]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The policy of one server."""

    names: Mapping[str, PeerName] = field(default_factory=dict)
    """Registered nodes: public transport key in Z85 to name."""
    pseudonyms: bool
    """Whether keys outside the table may connect too."""

    def __post_init__(self) -> None:
        for key, name in self.names.items():
            check_public_key(key)
            if not name or name.startswith(PSEUDONYM_PREFIX) or "/" in name:
                raise LocalError("a name that no registered node can have", got=name)
        if len(set(self.names.values())) != len(self.names):
            raise LocalError("two transport keys are registered under one name")

    def name_of(self, public: str) -> PeerName | None:
        """What the holder of a proven key is called, or None if he may not connect."""
        name = self.names.get(public)
        if name is None and self.pseudonyms:
            return pseudonym(public)
        return name


class Gatekeeper:
    """Answers libzmq's question about each new connection of a context with the policy of its server."""

    def __init__(self, wiring: Wiring, admission: Admission) -> None:
        """Take the context's one place for a handler.

        Raises:
            LocalError: the context has a handler already.
        """
        self._admission = admission
        self._tally = wiring.tally
        self._socket = wiring.context.socket(zmq.REP)
        self._socket.linger = 0
        try:
            self._socket.bind(_ZAP_ENDPOINT)
        except zmq.ZMQError as error:
            self._socket.close()
            raise LocalError("a context can serve one server", got=str(error)) from error
        self._task = wiring.start(self._answer_all())

    async def _answer_all(self) -> None:
        while True:
            request = await self._socket.recv_multipart()
            await self._socket.send_multipart(self._answer(request))

    def _answer(self, request: list[bytes]) -> list[bytes]:
        """Return the reply to one request; libzmq itself made it, after the client proved the key it carries."""
        sequence = request[1] if len(request) > 1 else b""
        name: PeerName | None = None
        if len(request) == 7 and request[5] == b"CURVE" and len(request[6]) == PUBLIC_KEY_BYTES:
            public = z85.encode(request[6]).decode("ascii")
            name = self._admission.name_of(public)
            if name is None:
                self._tally.count(pseudonym(public), Fault.REFUSED)
        if name is None:
            return [_ZAP_VERSION, sequence, b"400", b"not admitted", b"", b""]
        return [_ZAP_VERSION, sequence, b"200", b"OK", name.encode(), b""]

    def close(self) -> None:
        """Stop answering: no further connection is admitted."""
        self._task.cancel()
        self._socket.close()
