"""Where the client stands at a moment, and why: the one place that changes its standing."""

from __future__ import annotations

from light_client.client.status import NEXT_STANDINGS, Standing
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.light import LightParams, TrustedState, clock_is_set, trusted_header_is_fresh

FOLLOWS = (Standing.SYNCING, Standing.FOLLOWING)
"""While the chain is followed."""
STUCK = (Standing.EXPIRED, Standing.HALTED)
"""While only a checkpoint of the registry helps."""


class Situation:
    """A standing and the reason for it."""

    def __init__(self, alarm: str | None) -> None:
        """Begin halted if an earlier life was."""
        self.standing = Standing.SYNCING if alarm is None else Standing.HALTED
        self.why = alarm or ""

    def turn(self, standing: Standing, why: str = "") -> None:
        """Go to a standing that the table allows; anything else is a bug of ours."""
        if standing is not self.standing and standing not in NEXT_STANDINGS[self.standing]:
            expected = [allowed.value for allowed in NEXT_STANDINGS[self.standing]]
            raise LocalError("standing of a light client", got=standing.value, expected=expected)
        self.standing, self.why = standing, why

    def look_at_time(
        self, trusted: TrustedState, now_ms: int, params: LightParams, max_drift_ms: int
    ) -> bool:
        """Whether clock and trusted header allow to go on (LC-08, LC-03); if not, the standing says so."""
        try:
            clock_is_set(trusted, now_ms, max_drift_ms)
        except RuleViolation as broken:
            self.turn(Standing.WAITING_FOR_CLOCK, str(broken))
            return False
        try:
            trusted_header_is_fresh(trusted, now_ms, params)
        except RuleViolation as broken:
            self.turn(Standing.EXPIRED, str(broken))
            return False
        return True
