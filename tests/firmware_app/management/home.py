"""A device as its management part sees it: it can be made ill, and remembers what it was told to run by."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

from firmware_app.fleet.document import Tree
from firmware_app.fleet.key_set import KeySet
from firmware_app.fleet.verification import Clock
from firmware_app.management.in_force import memory_file
from firmware_app.management.part import FleetPart
from firmware_app.management.steward import enter
from firmware_app.management.updater import Updater
from firmware_app.runtime.board_time import real_monotonic_ms
from firmware_app.status.health import Health
from firmware_app.status.snapshot import Snapshot
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from tests.firmware_app.fleet.world import KEY_SET, NOW_MS
from tests.firmware_app.management import kit
from tests.status_kit import TRADING

SPEED = 10
"""How much faster the agent's time passes than the wire's: its pauses are what these tests would wait for."""


class _Clock:
    def utc_ms(self) -> int | None:
        return NOW_MS

    def monotonic_ms(self) -> int:
        return real_monotonic_ms()


class _Journal:
    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []

    def info(self, kind: str, message: str) -> None:
        self.notes.append((kind, message))

    warning = info


class Home:
    """The device."""

    def __init__(
        self,
        folder: Path,
        authority: kit.Issuer,
        port: int,
        *,
        version: int = 0,
        key_set: KeySet = KEY_SET,
        now_ms: int = NOW_MS,
        updater: Updater | None = None,
    ) -> None:
        self.path = kit.enrolled(folder, authority, port=port)
        file = memory_file(folder / "data")
        kept = file.load()
        assert kept is not None
        order = (1, version) if version else (0, 0)
        current = replace(kept.current, order=order, hash=bytes(32)) if version else kept.current
        file.save(replace(kept, key_set=key_set, floor=order, current=current))
        self._begin(now_ms, updater)

    def again(self) -> Home:
        """The next life of the program, on what lies on the disk."""
        fresh = copy(self)
        fresh._begin(self._now_ms, self._updater)
        return fresh

    def _begin(self, now_ms: int, updater: Updater | None) -> None:
        self._now_ms, self._updater = now_ms, updater
        self.found, steward = enter(
            self.path,
            monotonic_ms=lambda: SPEED * real_monotonic_ms(),
            board="test",
            updater=updater,
        )
        assert steward is not None
        self.steward = steward
        self.journal = _Journal()
        self.store = DeviceStore(self.found.folder, StoreParams(), clock=_Clock(), boot_id="here")
        self.utc_ms: int | None = now_ms
        steward.join(self.journal, self.store, lambda: Clock(utc_ms=self.utc_ms))  # type: ignore[arg-type]
        self.seen: Snapshot = TRADING
        self.ran: list[Tree] = []
        self.part = FleetPart(
            steward,
            self.store,
            snapshot=lambda: Health().look(self.seen),
            supervised=tuple,
            utc_ms=lambda: self.utc_ms,
            apply=self.apply,
        )

    async def apply(self, document: Tree) -> str | None:
        self.ran.append(document)
        return ""

    @property
    def names(self) -> set[str]:
        """Of what was noted."""
        return {name for name, _ in self.journal.notes}
