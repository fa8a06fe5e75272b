"""What the wire makes of a meter's bytes: nothing, noise, silence, delay, a part of them."""

from typing import Final

from testbed.fleet.virtual_meters.script import FaultKind, Script
from testbed.fleet.virtual_meters.speaker import Emission
from testbed.scenarios.chance import Chance

LATE_MS: Final = 1_800
"""Longer than a reader waits, shorter than it leaves alone a slave that did not answer (`BusTiming.late_ms`)."""


class FaultyLine:
    """The way from one meter to the reader. Times of the script count from `start_ms`."""

    def __init__(self, script: Script, *, start_ms: int, seed: int = 0) -> None:
        self._script = script
        self._start_ms = start_ms
        self._chance = Chance(seed)
        self._carried = 0

    def carry(self, emission: Emission) -> list[Emission]:
        """Return what arrives of an emission, and when."""
        at_ms, data = emission
        active, since_ms = self._script.active, at_ms - self._start_ms
        self._carried += 1
        if active(FaultKind.SILENCE, since_ms) is not None:
            return []
        if active(FaultKind.NOISE, since_ms) is not None:
            data = self._noisy(data)
        if active(FaultKind.TRUNCATED, since_ms) is not None:
            data = data[: len(data) // 2]
        if active(FaultKind.LATE, since_ms) is not None:
            at_ms += LATE_MS
        return [Emission(at_ms, data)] if data else []

    def _noisy(self, data: bytes) -> bytes:
        """Flip one bit or three: too few for any of the checksums here to miss, the block check of IEC 62056-21 too."""
        damaged = bytearray(data)
        for flip in range(1 + 2 * self._chance.below(2, "flips", self._carried)):
            place = self._chance.below(8 * len(data), "bit", self._carried, flip)
            damaged[place // 8] ^= 1 << place % 8
        return bytes(damaged)
