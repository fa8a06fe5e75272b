"""How a bundle is rolled out: waves, when to stop, and what a device must show before it keeps the change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from firmware_app.fleet.form import form, record, rows, whole
from light_client.rules.errors import RuleViolation

MAX_WAVES: Final = 16
_MAX_DEVICES: Final = 10_000_000
_MAX_MS: Final = 86_400_000
_ALL_PERMILLE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Up to how far a wave goes: so many devices, or a share of those meant; one of the two.

    Raises:
        RuleViolation: FLT-02.
    """

    devices: int = 0
    permille: int = 0

    def __post_init__(self) -> None:
        whole("devices of a wave", self.devices, 0, _MAX_DEVICES)
        whole("share of a wave", self.permille, 0, _ALL_PERMILLE)
        if bool(self.devices) is bool(self.permille):
            raise form("wave", (self.devices, self.permille), "devices or a share, one of them")

    def reaches(self, devices: int) -> int:
        """How many of so many devices have been reached when this wave is done: rounded up, one at least."""
        if self.devices:
            return min(self.devices, devices)
        return -(-devices * self.permille // _ALL_PERMILLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """Signed with the bundle.

    Raises:
        RuleViolation: FLT-02.
    """

    waves: tuple[Wave, ...] = (Wave(permille=1_000),)
    abort_permille: int = 50
    """The next wave is not begun where more than so many of the devices reached have failed."""
    window_ms: int = 600_000
    """So long after the change the device may take until it is well, ms."""
    hold_ms: int = 120_000
    """So long without a break it must have been well, ms."""

    def __post_init__(self) -> None:
        rows("waves", self.waves, 1, MAX_WAVES)
        whole("abort threshold", self.abort_permille, 0, _ALL_PERMILLE)
        whole("health window", self.window_ms, 1_000, _MAX_MS)
        whole("healthy time", self.hold_ms, 0, _MAX_MS)
        if self.hold_ms > self.window_ms:
            raise form("healthy time", self.hold_ms, f"at most the window, {self.window_ms} ms")
        if self.waves[-1] != Wave(permille=_ALL_PERMILLE):
            raise form("last wave", self.waves[-1], "all devices")

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        waves = tuple((wave.devices, wave.permille) for wave in self.waves)
        return (waves, self.abort_permille, self.window_ms, self.hold_ms)


def plan_from_wire(wire: Any) -> RolloutPlan:
    """Read the canonical form.

    Raises:
        RuleViolation: FLT-02.
    """
    waves, abort, window, hold = record("rollout plan", wire, 4)
    pairs = [record("wave", pair, 2) for pair in rows("waves", waves, 1, MAX_WAVES)]
    return RolloutPlan(
        waves=tuple(Wave(devices=devices, permille=permille) for devices, permille in pairs),
        abort_permille=abort,
        window_ms=window,
        hold_ms=hold,
    )


def waves_of(words: str) -> tuple[Wave, ...]:
    """Read ``1,5%,25%,100%``.

    Raises:
        RuleViolation: FLT-02.
    """
    return tuple(_wave_of(word.strip()) for word in words.split(","))


def _wave_of(word: str) -> Wave:
    number, percent, rest = word.partition("%")
    if not number.isascii() or not number.isdecimal() or len(number) > 8 or rest:
        raise RuleViolation(
            "FLT-02", "wave", got=word, expected="a number of devices or a percentage, such as 5%"
        )
    return Wave(permille=int(number) * 10) if percent else Wave(devices=int(number))
