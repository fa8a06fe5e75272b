"""What a device reports of its configuration, and how often: health and versions, never a word of the market."""

from __future__ import annotations

from typing import Any, Final

from firmware_app.fleet.memory import Memory
from light_client.rules.errors import LocalError

REPORTED: Final = "gridlight.reported/1"


class Allowance:
    """So many at once, and one more each so many milliseconds: bounds reports, and bundles that are looked at."""

    def __init__(self, burst: int, each_ms: int) -> None:
        if burst < 1 or each_ms < 1:
            raise LocalError("allowance", got=(burst, each_ms), expected="one or more")
        self._burst = burst
        self._each_ms = each_ms
        self._left = burst
        self._since_ms: int | None = None

    def take(self, now_ms: int) -> bool:
        """Whether one more is allowed now; if so, it is taken.

        Args:
            now_ms: monotonic ms.
        """
        if self._since_ms is None:
            self._since_ms = now_ms
        earned = max(0, now_ms - self._since_ms) // self._each_ms
        self._since_ms += earned * self._each_ms
        self._left = min(self._burst, self._left + earned)
        if self._left == 0:
            return False
        self._left -= 1
        return True


def reported_of(
    name: str,
    memory: Memory,
    *,
    health: str,
    refused: dict[str, int],
    last_refusal: str,
    last_refused: str,
    waiting: str,
    fetching: str = "",
) -> dict[str, Any]:
    """The reported document.

    Args:
        name: of the device.
        health: ``ok``, a sentence, or empty where it is not known yet.
        refused: rule -> how many bundles it refused since the start.
        last_refusal: the sentence of the last of them.
        last_refused: its hash, hexadecimal; empty where it had none.
        waiting: what a newer bundle waits for, or empty.
        fetching: the hash of the bundle whose files are being fetched, hexadecimal, or empty.
    """
    following, failure = memory.following, memory.failure
    return {
        "schema": REPORTED,
        "device": name,
        "state": memory.phase.value,
        "key_set": memory.key_set.version,
        "version": _version(memory.current.order, memory.current.hash),
        "next": None
        if following is None
        else _version(following.configuration.order, following.configuration.hash),
        "failed": None
        if failure is None
        else {**_version(failure.order, failure.hash), "reason": failure.reason},
        "health": health or None,
        "waiting_for": waiting or None,
        "fetching": fetching or None,
        "refused": dict(sorted(refused.items())),
        "last_refusal": last_refusal or None,
        "last_refused": last_refused or None,
    }


def _version(order: tuple[int, int], name: bytes) -> dict[str, Any]:
    return {"key_set": order[0], "version": order[1], "hash": name.hex() or None}
