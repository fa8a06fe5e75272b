"""Asking the tier for the time while no time service tells it: what the servers answer goes to the clock gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from firmware_app.clock.gate import ClockEvent, ClockGate, ClockState
from firmware_app.clock.rescue import Rescue
from light_client.session.actor import Effect, PeerName, SetTimer

TIMER: Final = "signed-time"
_ASK_MS: Final = 60_000
"""From one question to the next while the time is not known, or known by signed time alone."""


class SignedTimeWatch:
    """Asks, as long as no time service holds the clock."""

    def __init__(
        self,
        rescue: Rescue,
        gate: ClockGate,
        *,
        servers: tuple[PeerName, ...],
        monotonic_ms: Callable[[], int],
        on_event: Callable[[ClockEvent], None],
    ) -> None:
        """Begin with nothing asked.

        Args:
            monotonic_ms: the clock that the gate was made with.
            on_event: is told what the answers brought about.
        """
        self._rescue = rescue
        self._gate = gate
        self._servers = servers
        self._monotonic_ms = monotonic_ms
        self._on_event = on_event

    def ask(self, now_ms: int) -> list[Effect]:
        """Ask all servers if the time rests on nothing better than their word; come again in a minute."""
        again = SetTimer(name=TIMER, at_ms=now_ms + _ASK_MS)
        if self._gate.state is ClockState.TRUSTED:
            return [again]
        return [*self._rescue.ask(self._servers), again]

    def hear(self, peer: PeerName, message: bytes) -> None:
        """Take a message that may be an answer; it is untrusted."""
        if self._gate.state is ClockState.TRUSTED or peer not in self._servers:
            return
        signed = self._rescue.hear(peer, message)
        if signed is not None:
            for event in self._gate.vouch(signed.server, signed.time_ms, self._monotonic_ms()):
                self._on_event(event)
