"""Signed time of the tier: what a board without a time service learns from headers that a quorum signed.

While its own clock is not set, the light client judges nothing (LC-08). Here a header is judged as if the time that it
states were now. All its other rules hold: chain, quorum of the known committee, history, and that the trusted header
was still fresh *then*. So a header that passes proves that its time has come. Nothing of it is trusted beyond that:
once the gate is open the light client judges everything anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_app.clock.params import ClockParams
from light_client.messages.chain import GetUpdate, UpdateMessage
from light_client.messages.codec import decode_message, encode_message
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.light import LightParams, TrustedState, verify_update
from light_client.rules.verdict import Accepted
from light_client.session.actor import PeerName, Send


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTime:
    """A time that has come, by a quorum's signature: `ClockGate.vouch` wants it."""

    server: PeerName
    time_ms: int


class Rescue:
    """Asks servers for their newest header and reads the time off it."""

    def __init__(
        self, genesis: Genesis, trusted: TrustedState, params: ClockParams, light: LightParams | None = None
    ) -> None:
        """Begin at what the light client trusts."""
        self._genesis = genesis
        self._trusted = trusted
        self._light = light or LightParams()
        self._latest_ms = trusted.time_ms + params.rescue_horizon_ms
        self._reached: dict[PeerName, TrustedState] = {}

    def ask(self, servers: tuple[PeerName, ...]) -> list[Send]:
        """Ask each server for the way to its newest header."""
        return [
            Send(peer=server, message=encode_message(GetUpdate(trusted_height=self._at(server).height)))
            for server in servers
        ]

    def hear(self, server: PeerName, message: bytes) -> SignedTime | None:
        """Read an answer; None if it is none, proves nothing, or leads too far.

        Args:
            server: who sent it, by the transport.
            message: untrusted bytes.
        """
        try:
            answer = decode_message(message)
        except RuleViolation:
            return None
        if not isinstance(answer, UpdateMessage) or not answer.updates:
            return None
        reached = self._at(server)
        for update in answer.updates:
            if update.header.hash() == reached.header_hash:
                continue  # nothing newer: the trusted header's own time has come, at least
            verdict, reached = verify_update(
                reached, update, self._genesis, self._light, now_ms=update.header.time_ms
            )
            if not isinstance(verdict, Accepted) or reached.time_ms > self._latest_ms:
                return None
        self._reached[server] = reached
        return SignedTime(server=server, time_ms=reached.time_ms)

    def _at(self, server: PeerName) -> TrustedState:
        return self._reached.get(server, self._trusted)
