"""A device that takes over one bundle after the other, put to the proof: old or new, never below its floor."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from firmware_app.fleet.agent import Agent
from firmware_app.fleet.bundle import Bundle, Delta
from firmware_app.fleet.change import Change
from firmware_app.fleet.document import Tree, read_toml
from firmware_app.fleet.events import Apply, DidApply, Event, Health, Keep, Moment, Offered, Started
from firmware_app.fleet.key_set import KeySet, Signers
from firmware_app.fleet.memory import Configuration, Memory
from firmware_app.fleet.memory_file import MemoryFile
from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.selector import DeviceFacts, Everyone
from firmware_app.fleet.verification import Clock
from light_client.rules.crypto import public_key_of, verify
from testbed.powercut.campaign import History, Stage

_SECRET: Final = bytes(31) + b"\x01"
_KEYS: Final = Signers(threshold=1, keys=(public_key_of(_SECRET),))
_KEY_SET: Final = KeySet(roles=(_KEYS, _KEYS, _KEYS))
_FACTS: Final = DeviceFacts(name="meter-1", board="emulated", release=(0, 1, 0), feeder=1)
_FILE: Final = "fleet.memory"
_VERSIONS: Final = 4
_HOLD_MS: Final = 1_000
_FOREVER_MS: Final = 1 << 60
_ZERO_LOT_WH: Final = 100


class FleetSubject:
    """The agent's memory, written by the agent itself as bundles arrive, prove themselves, or do not."""

    name = "fleet"

    def prepare(self, folder: Path) -> None:
        """Provision the device."""
        example = Path(__file__).parents[2] / "firmware_app" / "config" / "example.toml"
        document: Tree = read_toml(example.read_text(encoding="utf-8"), str(example))
        document["privacy"]["lot_wh"] = _ZERO_LOT_WH
        MemoryFile(folder / _FILE).save(Memory(key_set=_KEY_SET, current=Configuration(document=document)))

    def play(self, stage: Stage) -> None:
        """Take over versions; each second one fails and is rolled back."""
        device = _Device(stage)
        for number in range(1, _VERSIONS + 1):
            device.tell(Offered(raw=_bundle(number)))
            device.live("" if number % 2 else "ill")

    def problems(self, stage: Stage, history: History) -> list[str]:
        """The floor is no lower than promised, what runs is one of the documents, and a newer bundle is taken."""
        device = _Device(stage)
        memory = device.agent.memory
        version = memory.running.order[1]
        found = []
        if not history.last_promised <= memory.floor[1] <= max(history.last_tried, 0):
            found.append(
                f"floor {memory.floor[1]}, promised {history.last_promised}, tried {history.last_tried}"
            )
        if memory.running.document["privacy"]["lot_wh"] != _lot_wh(version):
            found.append(f"the document of version {version} holds another's values")
        if memory.current.order > memory.floor or (
            memory.current.order[1] and memory.current.order[1] % 2 == 0
        ):
            found.append(f"version {memory.current.order[1]} is kept")
        device.tell(Started())
        device.live("")
        device.tell(Offered(raw=_bundle(_VERSIONS + 1)))
        device.live("")
        if device.agent.memory.current.order[1] != _VERSIONS + 1:
            found.append("no further version can be taken")
        return found


def _lot_wh(version: int) -> int:
    return _ZERO_LOT_WH * (version + 1)


def _bundle(version: int) -> bytes:
    bundle = Bundle(
        fleet=_KEY_SET.fleet_id,
        key_set=1,
        version=version,
        issued_ms=0,
        expires_ms=_FOREVER_MS,
        target=Everyone(),
        plan=RolloutPlan(window_ms=2 * _HOLD_MS, hold_ms=_HOLD_MS),
        content=Delta(changes=(Change(path=("privacy", "lot_wh"), value=_lot_wh(version)),)),
    )
    return bundle.envelope().signed(_KEY_SET.fleet_id, [_SECRET]).encode()


class _Device:
    """Does the agent's effects on the stage's files."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._file = MemoryFile(stage.folder / _FILE, stage.files)
        memory = self._file.load()
        if memory is None:
            raise FileNotFoundError(_FILE)
        self.agent = Agent(memory, _FACTS, verify_signature=verify)
        self._now_ms = 0

    def live(self, problem: str) -> None:
        """Long enough to prove itself, or to fail."""
        for _ in range(4):
            self._now_ms += _HOLD_MS
            self.tell(Health(problem=problem))

    def tell(self, event: Event) -> None:
        """One event and all that follows."""
        self._now_ms += 1
        moment = Moment(monotonic_ms=self._now_ms, clock=Clock(utc_ms=1))
        for effect in self.agent.handle(event, moment):
            if isinstance(effect, Keep):
                self._stage.trying(effect.memory.floor[1])
                self._file.save(effect.memory)
                self._stage.promised(effect.memory.floor[1])
            elif isinstance(effect, Apply):
                self.tell(DidApply())
