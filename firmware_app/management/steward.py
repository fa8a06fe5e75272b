"""Does what the agent wants, in its order: the disk first, then the device. It knows nothing of brokers.

Keep     the memory's file is replaced; if that fails, whatever came after it is not done, and the agent begins
         anew on what is on the disk
Apply    is `wanted`: whoever drives this makes the device run by it, and says so with `DidApply`
Install  is `installing`, and ends with `DidInstall`
Restart  is `restart`: whoever drives this lets the board start anew, and nothing comes after it
Confirm  the boot loader is told; if that fails, as if the memory could not be written
Report   is `news`, the newest only
Note     goes to the journal
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from firmware_app.config.attached import attached_name
from firmware_app.config.check import Checked, check, check_config
from firmware_app.config.load import ConfigError
from firmware_app.config.schema import DeviceConfig
from firmware_app.fleet.agent import Agent
from firmware_app.fleet.attachment import Attachment
from firmware_app.fleet.document import Tree, config_of
from firmware_app.fleet.envelope import Verify
from firmware_app.fleet.events import (
    Apply,
    Confirm,
    DidApply,
    DidInstall,
    Effect,
    Event,
    Install,
    Keep,
    Moment,
    Note,
    Report,
    Restart,
    Started,
)
from firmware_app.fleet.memory import Memory, Phase
from firmware_app.fleet.memory_file import MemoryFile
from firmware_app.fleet.selector import DeviceFacts, release_of
from firmware_app.fleet.verification import Clock
from firmware_app.journal import Journal
from firmware_app.management.attachments import AttachmentFolder
from firmware_app.management.in_force import SECTION, check_document, memory_file, memory_of
from firmware_app.management.updater import Rauc, Updater, UpdaterError
from firmware_app.store.device_store import DeviceStore
from firmware_app.version import VERSION
from light_client.rules import crypto
from light_client.store.errors import StoreError
from meter_io.ports.address import PortAddress

MODEL: Final = Path("/proc/device-tree/compatible")
RETRY_MS: Final = 60_000
"""From a memory that could not be written to the next attempt."""
_GOOD: Final = frozenset(
    {
        "fleet.staged",
        "fleet.committed",
        "fleet.key-set",
        "fleet.online",
        "fleet.waits",
        "fleet.fetched",
        "fleet.installed",
        "fleet.renewed",
    }
)
"""Notes that nobody has to care about."""
_KEPT: Final = frozenset(
    {
        "fleet.committed",
        "fleet.rolled-back",
        "fleet.key-set",
        "fleet.unwritten",
        "fleet.installed",
        "fleet.renewed",
    }
)
"""Notes that the history keeps."""
Noted = Callable[[str, str], None]


class Steward:
    """Of one life of the program."""

    def __init__(
        self,
        path: Path,
        memory: Memory,
        file: MemoryFile,
        *,
        clock: Callable[[], Clock],
        monotonic_ms: Callable[[], int],
        verify_signature: Verify = crypto.verify,
        board: str = "",
        updater: Updater | None = None,
    ) -> None:
        """Take up what is kept.

        Args:
            path: of the device's file.
            board: name of the board; read from the machine if it is not given.
            updater: installs firmware; RAUC if it is not given.

        Raises:
            ConfigError: the configuration that proved itself is none any more.
        """
        self._path = path
        self._file = file
        self._clock = clock
        self._monotonic_ms = monotonic_ms
        self._early: list[tuple[str, str]] = []
        self._note: Noted | None = None
        self._verify = verify_signature
        self._board = board or board_name()
        self.updater: Final = updater or Rauc()
        self.attachments: Final = AttachmentFolder(config_of(memory.current.document).folder(path))
        self._agent = self._made(memory)
        self.name = str(memory.current.document["device"]["name"])
        """Of the device."""
        self._again_at_ms: int | None = None
        self.wanted: Tree | None = None
        """What the device is to run by, until `DidApply`."""
        self.installing: Attachment | None = None
        """What is to be installed, until `DidInstall`."""
        self.restart: Restart | None = None
        """How the board is to start anew, if it is."""
        self.news: dict[str, Any] | None = None
        """The reported document, until somebody sent it and set this to None."""
        self.before: frozenset[str] = frozenset()
        """Complaints that held when the configuration on trial was about to be applied."""

    def _made(self, memory: Memory) -> Agent:
        facts = facts_of(config_of(memory.current.document, "the fleet's configuration"), self._board)
        return Agent(
            memory,
            facts,
            verify_signature=self._verify,
            check_here=self._problem_here,
            is_here=self.attachments.missing,
        )

    def join(self, journal: Journal, store: DeviceStore, clock: Callable[[], Clock]) -> None:
        """Say from now on what happens, first what happened before there was a journal; and know the time.

        Args:
            store: keeps what a rollout came to as an event.
        """

        def note(name: str, sentence: str) -> None:
            (journal.info if name in _GOOD else journal.warning)(name, sentence)
            if name in _KEPT:
                store.event(name, sentence)

        self._clock = clock
        self._note = note
        for name, sentence in self._early:
            note(name, sentence)
        self._early.clear()

    def note(self, name: str, sentence: str) -> None:
        """For the journal: a stable name and a sentence."""
        if self._note is None:
            self._early.append((name, sentence))
        else:
            self._note(name, sentence)

    @property
    def memory(self) -> Memory:
        """What is kept."""
        return self._agent.memory

    @property
    def waiting(self) -> tuple[bytes, ...]:
        """Bundles that the agent keeps for later."""
        return self._agent.waiting

    @property
    def wanted_files(self) -> tuple[Attachment, ...]:
        """Attachments that bundles wait for."""
        return self._agent.wanted

    def sweep(self) -> None:
        """Take away attachments that neither the configuration nor a bundle names any more."""
        memory = self.memory
        documents = [memory.current.document]
        keep = {attachment.root.hex() for attachment in self.wanted_files}
        if memory.following is not None:
            documents.append(memory.following.configuration.document)
            firmware = memory.following.firmware
            keep |= {firmware.root.hex()} if firmware is not None else set()
        keep |= {attached_name(document["market"]["genesis"]) or "" for document in documents}
        self.attachments.sweep(keep)

    @property
    def is_link_on_trial(self) -> bool:
        """Whether the configuration on trial is one by which the operator may not be reached any more."""
        memory = self.memory
        return memory.running.document.get(SECTION) != memory.current.document.get(SECTION)

    def reported(self) -> dict[str, Any]:
        """The reported document as it is now."""
        return self._agent.reported()

    def take(self, event: Event) -> None:
        """Let the agent react, and do what can be done here."""
        now = Moment(monotonic_ms=self._monotonic_ms(), clock=self._clock())
        if self._again_at_ms is not None:
            if now.monotonic_ms < self._again_at_ms:
                return
            self._again_at_ms = None
            self.take(Started(slot=self.updater.slot()))
        for effect in self._agent.handle(event, now):
            if not self._do(effect, now.monotonic_ms):
                return

    def _do(self, effect: Effect, now_ms: int) -> bool:
        """Do one thing; returns whether the next ones may be done."""
        match effect:
            case Keep(memory=memory):
                return self._managed(partial(self._file.save, memory), now_ms)
            case Confirm():
                return self._managed(self.updater.confirm, now_ms)
            case Apply(document=document):
                self.wanted = document
            case Install(firmware=firmware):
                self.installing = firmware
            case Restart():
                self.restart = effect
            case Report(document=document):
                self.news = document
            case Note(name=name, sentence=sentence):
                self.note(name, sentence)
        return True

    def applied(self, problem: str = "") -> None:
        """The device runs by what was wanted, or why it cannot."""
        self.wanted = None
        self.take(DidApply(problem=problem))

    def installed(self, problem: str = "") -> None:
        """What was to be installed is, or why it is not."""
        self.installing = None
        self.take(DidInstall(problem=problem))

    def _managed(self, what: Callable[[], None], now_ms: int) -> bool:
        """Do what everything after it rests on; returns whether it could be done."""
        try:
            what()
        except (StoreError, UpdaterError) as error:
            self._begin_anew(str(error), now_ms)
            return False
        return True

    def _begin_anew(self, why: str, now_ms: int) -> None:
        """What could not be written did not happen."""
        self.wanted = self.installing = self.restart = None
        self.note("fleet.unwritten", why)
        try:
            memory = memory_of(self._path)
            if memory is not None:
                self._agent = self._made(memory)
        except ConfigError as error:
            self.note("fleet.unwritten", str(error))
        self._again_at_ms = now_ms + RETRY_MS

    def _problem_here(self, config: DeviceConfig) -> str:
        """What only this board can tell: files that are named, and serial ports that are new."""
        try:
            check_config(config, self._path)
        except ConfigError as error:
            return str(error)
        known = {meter["port"] for meter in self.memory.running.document.get("meter", ())}
        for meter in config.meter:
            port = PortAddress.parse(meter.port)
            if port.kind == "serial" and meter.port not in known and not Path(meter.port).exists():
                return f"meter {meter.name}: there is no port {meter.port} on this board"
        return ""


def enter(
    path: Path, *, monotonic_ms: Callable[[], int], board: str = "", updater: Updater | None = None
) -> tuple[Checked, Steward | None]:
    """Begin a life of the program: what it runs by, and who looks after that if the device is in a fleet.

    A configuration on trial that cannot even be read is rolled back here.

    Raises:
        ConfigError: there is nothing to run by.
    """
    memory = memory_of(path)
    if memory is None:
        return check(path), None
    folder = config_of(memory.current.document).folder(path)
    steward = Steward(
        path,
        memory,
        memory_file(folder),
        clock=lambda: Clock(utc_ms=None),
        monotonic_ms=monotonic_ms,
        board=board,
        updater=updater,
    )
    steward.take(Started(slot=steward.updater.slot()))
    try:
        found = check_document(steward.memory.running.document, path)
    except ConfigError as error:
        if steward.memory.phase is Phase.SETTLED:
            raise
        steward.applied(str(error))
        found = check_document(steward.memory.running.document, path)
    if steward.wanted is not None:
        steward.applied()
    return found, steward


def reported_from(memory: Memory) -> dict[str, Any]:
    """The reported document of a device whose service does not run.

    Raises:
        ConfigError: the configuration that proved itself is none any more.
    """
    facts = facts_of(config_of(memory.current.document, "the fleet's configuration"), board_name())
    return Agent(memory, facts, verify_signature=crypto.verify).reported()


def facts_of(config: DeviceConfig, board: str) -> DeviceFacts:
    """What a device knows of itself."""
    labels = dict(label.split("=", 1) for label in config.device.labels)
    return DeviceFacts(
        name=config.device.name,
        board=board,
        release=release_of(VERSION),
        feeder=config.market.feeder,
        labels=labels,
    )


def board_name(model: Path = MODEL) -> str:
    """Such as ``ti,am335x-bone-black``: what the kernel calls the board, else its architecture."""
    try:
        first = model.read_bytes().split(b"\0")[0].decode("ascii")
    except (OSError, UnicodeDecodeError):
        first = ""
    return first[:64] or platform.machine() or "unknown"
