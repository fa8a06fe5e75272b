"""Solvers that submit what is not optimal, as if it were."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from light_client.messages.submission import SubmitTx
from light_client.rules.ledger.transactions import SubmitSolution, decode_transaction, sign_transaction
from light_client.session.actor import Actor, Effect, Send
from testbed.adversaries.disguise import Disguise, Window, saying, told
from testbed.adversaries.lies import SOLUTION_LIES

_MAX_BYTES = 4 << 20
STALE = "stale"
"""Hands in what it found for an earlier interval."""


class LyingSolver(Disguise):
    """Turns each solution into a lie of a kind drawn for it: infeasible, worse, with forged duals, or stale."""

    def __init__(self, inner: Actor, window: Window, secret: bytes, chain_id: bytes, chance: Random) -> None:
        super().__init__(inner, window)
        self._secret = secret
        self._chain_id = chain_id
        self._chance = chance
        self._lies: dict[bytes, bytes] = {}
        self._earlier: bytes = b""

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """A lie instead of a solution, the same one to everybody."""
        del now_ms
        message = saying(send)
        if not isinstance(message, SubmitTx):
            return (send,)
        if message.raw not in self._lies:
            self._lies[message.raw] = self._lie(message.raw)
            self._earlier = message.raw
        return (told(send.peer, SubmitTx(raw=self._lies[message.raw])),)

    def _lie(self, raw: bytes) -> bytes:
        kind = self._chance.choice([*SOLUTION_LIES, STALE])
        honest = decode_transaction(raw, max_bytes=_MAX_BYTES).transaction
        if kind == STALE or not isinstance(honest, SubmitSolution):
            return self._earlier or raw[:-1] + bytes((raw[-1] ^ 1,))
        lie = SubmitSolution(solution=SOLUTION_LIES[kind](honest.solution))
        return sign_transaction(lie, self._chain_id, self._secret).raw
