"""Whether a server is there, is the right one, and answers: each look goes as far as it can, and says where it ends.

    name         is known to the resolver
    connection   somebody accepts one
    key          whoever it is proves the key that the configuration names (CURVE)
    answer       a miner brings headers, which a quorum of the enrolled chain signed up to the newest
    clock        the newest of them is no later than this board's time

A fresh key is taken for it and thrown away: the server learns that somebody asks, and not who.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing
from typing import Final, Literal

import zmq.asyncio

from firmware_app.config.schema import ServerSection
from firmware_app.status import wording
from firmware_app.status.checks import Check
from light_client.messages.chain import GetUpdate, UpdateMessage
from light_client.messages.codec import decode_message, encode_message
from light_client.rules.errors import RuleViolation, TransportError
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.light import LightParams, TrustedState, trust_genesis, verify_update
from light_client.rules.verdict import Accepted
from light_client.transport.client import Client
from light_client.transport.keys import TransportKey
from light_client.transport.limits import Limits
from light_client.transport.sockets import Wiring

LIMIT_S: Final = 5.0
"""Of each of the looks."""
_LOOK_S: Final = 0.02
_MOST_ANSWERS: Final = 200
"""Each brings the headers of some epochs."""
_WIRE: Final = "check the cable and the router; then tell the operator"

Role = Literal["market", "management", "witness"]


class _UnreachedError(Exception):
    """Where a look ended: what is wrong, and the next step."""

    def __init__(self, found: str, step: str) -> None:
        super().__init__(found)
        self.found = found
        self.step = step


def reach(name: str, role: Role, server: ServerSection, genesis: Genesis) -> Check:
    """Look at one server.

    Args:
        name: of the check.
        role: what it is to the device; the management's server, the grid operator, keeps no headers.
        genesis: of the enrolled chain.
    """
    try:
        took_ms = _connect(server)
        said = asyncio.run(_spoken_with(server, None if role == "management" else genesis))
    except _UnreachedError as end:
        state: Literal["warn", "FAIL"] = "warn" if role == "witness" else "FAIL"
        found = f"{role} {server.name} at {server.endpoint}: {end.found}"
        return Check(name=name, state=state, found=found, next=end.step)
    return Check(name=name, state="ok", found=f"{role} {server.name} proves its key, {took_ms} ms{said}")


def _connect(server: ServerSection) -> int:
    """Resolve the name, open a connection and close it again; returns how long that took, ms."""
    host, _, port = server.endpoint.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]")
    began_s = time.monotonic()
    try:
        socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _UnreachedError(
            f"the name {host} is not known: {why}", f"getent hosts {host}; {_WIRE}"
        ) from None
    try:
        with socket.create_connection((host, int(port)), timeout=LIMIT_S):
            return int((time.monotonic() - began_s) * 1_000)
    except OSError as error:
        raise _UnreachedError(error.strerror or str(error) or type(error).__name__, _WIRE) from None


async def _spoken_with(server: ServerSection, genesis: Genesis | None) -> str:
    """Let the server prove its key and, where there is a chain to ask for, bring its headers; what it said."""
    context = zmq.asyncio.Context()
    wiring = Wiring(context, Limits(reconnect_max_ms=1_000))
    try:
        client = Client(
            wiring,
            peer=server.name,
            endpoint=server.endpoint,
            server_key=server.key,
            key=TransportKey.generate(),
        )
    except TransportError as error:
        context.destroy(linger=0)
        raise _UnreachedError(str(error), "gridlight run --check") from None
    try:
        with closing(client):
            await _proven(client)
            return "" if genesis is None else await _answer(client, genesis)
    finally:
        wiring.failure.cancel()
        context.destroy(linger=0)


async def _proven(client: Client) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not client.connected:
        if time.monotonic() > end_s:
            raise _UnreachedError(
                "somebody accepts connections there, and does not prove the key that the configuration names",
                "ask the operator whether the server has another key now, or the address another server",
            )
        await asyncio.sleep(_LOOK_S)


async def _answer(client: Client, genesis: Genesis) -> str:
    """Ask for headers until there is no newer one; how far they reach, and how old the newest is."""
    reached = trust_genesis(genesis)
    for _ in range(_MOST_ANSWERS):
        client.send(encode_message(GetUpdate(trusted_height=reached.height)))
        try:
            received = await asyncio.wait_for(client.receive(), LIMIT_S)
        except TimeoutError:
            raise _UnreachedError(
                f"it proves its key, and answers nothing within {LIMIT_S:g} s", "tell the operator"
            ) from None
        before, reached = reached, _followed(received.message, reached, genesis)
        if reached.height == before.height:
            break
    ahead_ms = reached.time_ms - time.time_ns() // 1_000_000
    if ahead_ms > genesis.chain.max_drift_ms:
        raise _UnreachedError(
            f"its newest header is of {wording.span(ahead_ms)} from now: this board's clock is behind",
            "timedatectl; chronyc tracking",
        )
    return f"; height {wording.grouped(reached.height)}, signed {wording.span(max(0, -ahead_ms))} ago"


def _followed(message: bytes, trusted: TrustedState, genesis: Genesis) -> TrustedState:
    """What an answer leads to; each header is judged as of its own time, since the board's may be wrong."""
    try:
        answer = decode_message(message)
    except RuleViolation as error:
        raise _UnreachedError(f"its answer cannot be read: {error}", "tell the operator") from None
    if not isinstance(answer, UpdateMessage):
        raise _UnreachedError("it answers something that was not asked", "tell the operator")
    for update in answer.updates:
        if update.header.hash() == trusted.header_hash:
            continue
        now_ms = update.header.time_ms
        verdict, trusted = verify_update(trusted, update, genesis, LightParams(), now_ms=now_ms)
        if not isinstance(verdict, Accepted):
            raise _UnreachedError(
                f"its headers are not signed by the enrolled chain's committee: {verdict}",
                "compare [market] fingerprint with the operator's",
            )
    return trusted
