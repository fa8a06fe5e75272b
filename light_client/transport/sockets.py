"""What our two kinds of socket have in common: bounds, heartbeats, keys, and drops that are counted."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from light_client.rules.errors import LocalError, TransportError
from light_client.session.actor import PeerName
from light_client.transport.keys import TransportKey
from light_client.transport.limits import Fault, Limits, Tally

_GOODBYE_MS: Final = 500
"""How long the last messages may take to leave when a socket is closed, ms."""
_SILENT_HEARTBEATS: Final = 3
_AT_ONCE: Final = 32
_AT_ONCE_BYTES: Final = 1 << 18
"""About how much is taken from a socket at one awakening; what is beyond it stays in the socket's bounded queue."""

HANDSHAKE_SUCCEEDED: Final = int(zmq.Event.HANDSHAKE_SUCCEEDED)
HANDSHAKE_FAILED: Final = int(
    zmq.Event.HANDSHAKE_FAILED_AUTH
    | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
    | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
)
DISCONNECTED: Final = int(zmq.Event.DISCONNECTED)
DIALS_AGAIN: Final = int(zmq.Event.CONNECT_RETRIED)


class Wiring:
    """What all sockets of one transport share: the context, the bounds, the tally, and the tasks that read them.

    Attributes:
        failure: the first error of any of the tasks, which no longer does its work then.
    """

    def __init__(self, context: zmq.asyncio.Context, limits: Limits) -> None:
        """Bind the context of libzmq and the bounds. Needs a running event loop."""
        self.context: Final = context
        self.limits: Final = limits
        self.tally: Final = Tally(limits.known_senders)
        self.failure: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run endless work beside us until it is cancelled, and keep the error that ends it before."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.failure.done():
            return
        error = task.exception()
        if error is not None:
            self.failure.set_exception(error)

    def open_socket(self, kind: int, key: TransportKey) -> zmq.asyncio.Socket:
        """Return a socket with our bounds and key, neither bound nor connected yet.

        Raises:
            TransportError: the context has no room for another socket.
        """
        try:
            socket = self.context.socket(kind)
        except zmq.ZMQError as error:
            raise TransportError("no further connection can be opened", got=str(error)) from error
        limits = self.limits
        socket.linger = _GOODBYE_MS
        socket.setsockopt(zmq.MAXMSGSIZE, limits.max_frame_bytes)
        socket.setsockopt(zmq.SNDHWM, limits.queue_messages)
        socket.setsockopt(zmq.RCVHWM, limits.queue_messages)
        socket.setsockopt(zmq.HEARTBEAT_IVL, limits.heartbeat_ms)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _SILENT_HEARTBEATS * limits.heartbeat_ms)
        socket.setsockopt(zmq.HANDSHAKE_IVL, limits.handshake_ms)
        socket.curve_publickey = key.public.encode("ascii")
        socket.curve_secretkey = key.secret.encode("ascii")
        return socket

    def send_now(self, socket: zmq.asyncio.Socket, frames: Sequence[bytes], peer: PeerName) -> bool:
        """Hand a message, the last frame, to libzmq, or count why it had to be dropped; never wait.

        Returns:
            Whether it is on its way; not whether it arrives.

        Raises:
            LocalError: the message is empty.
            TransportError: libzmq refuses for another reason than a full queue or a peer who is gone.
        """
        if not frames[-1]:
            raise LocalError(f"an empty message for {peer}")
        if len(frames[-1]) > self.limits.max_message_bytes:
            self.tally.count(peer, Fault.OVERSIZED)
            return False
        # With this flag the future is settled before we hold it. A second, plain handle on the same socket would do
        # without it, but would swallow the wake-up of the reader.
        error = asyncio.ensure_future(socket.send_multipart(frames, flags=zmq.DONTWAIT)).exception()
        if error is None:
            return True
        if not isinstance(error, zmq.ZMQError):
            raise error
        if error.errno == zmq.EAGAIN:
            self.tally.count(peer, Fault.QUEUE_FULL)
        elif error.errno == zmq.EHOSTUNREACH:
            self.tally.count(peer, Fault.UNREACHABLE)
        else:
            raise TransportError(f"cannot send to {peer}", got=str(error)) from error
        return False


class Inbox:
    """Takes the messages of a socket: all that wait, up to a bound, each time that it is woken.

    Being woken costs several times what taking a message does. The further messages are taken through a plain handle on
    the same socket, which is safe between two waits only: a wait looks for what is there before it sleeps.
    """

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        """Bind the socket, which nobody else receives from."""
        self._socket = socket
        self._plain: zmq.Socket[bytes] = zmq.Socket(shadow=socket.underlying)
        self._waiting: deque[list[zmq.Frame]] = deque()

    async def take(self) -> list[zmq.Frame]:
        """Wait for the next message; return its frames."""
        if not self._waiting:
            await self._fill()
        return self._waiting.popleft()

    async def _fill(self) -> None:
        frames = await self._socket.recv_multipart(copy=False)
        room = _AT_ONCE_BYTES
        for _ in range(_AT_ONCE):
            self._waiting.append(frames)
            room -= sum(map(len, frames))
            if room < 0:
                return
            try:
                frames = self._plain.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
        self._waiting.append(frames)


class Monitor:
    """Watches what libzmq does beneath a socket, where a failed handshake is otherwise silent.

    Attributes:
        connections: number of connections with proven keys now.
    """

    def __init__(
        self,
        wiring: Wiring,
        socket: zmq.asyncio.Socket,
        peer: PeerName,
        redial: Callable[[], None] | None = None,
    ) -> None:
        """Watch `socket`; faults are counted against `peer`.

        Args:
            wiring: what our sockets share.
            socket: the socket.
            peer: who is at the other end.
            redial: called when a dialling socket lost its connection and libzmq does not dial again by itself, which it
                says at once when it does. It gives up for good on whoever breaks the protocol: the login page of a
                hotel, or another program that had the port while our server was down.
        """
        self._peer = peer
        self._tally = wiring.tally
        self._socket = socket
        self._events = socket.get_monitor_socket(
            HANDSHAKE_SUCCEEDED | HANDSHAKE_FAILED | DISCONNECTED | DIALS_AGAIN
        )
        self.connections = 0
        self._redial = redial
        self._redial_after_s = wiring.limits.reconnect_max_ms / 1_000
        self._abandoned: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = wiring.start(self._watch())

    async def _watch(self) -> None:
        while True:
            event = parse_monitor_message(await self._events.recv_multipart())["event"]
            if event == HANDSHAKE_SUCCEEDED:
                self.connections += 1
            elif event == DISCONNECTED:
                self.connections = max(0, self.connections - 1)
                self._expect_another_dial()
            elif event == DIALS_AGAIN:
                self._drop_timer()
            elif event & HANDSHAKE_FAILED:
                self._tally.count(self._peer, Fault.HANDSHAKE)

    def _expect_another_dial(self) -> None:
        if self._redial is not None:
            self._drop_timer()
            loop = asyncio.get_running_loop()
            self._abandoned = loop.call_later(self._redial_after_s, self._redial)

    def _drop_timer(self) -> None:
        if self._abandoned is not None:
            self._abandoned.cancel()
            self._abandoned = None

    def close(self) -> None:
        """Stop watching, before the socket itself is closed.

        A task that was cancelled keeps its frame, and with it us and the sockets: held by us it would be a cycle, which
        stays until somebody looks for cycles. Thousands of channels are closed in a month.
        """
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._drop_timer()
        self._redial = None  # it leads back to us
        self._socket.disable_monitor()
        self._events.close()
