"""Programs that break one rule of durability each: the proof has to catch every one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from firmware_app.store.database import Database
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.files import write_whole
from firmware_app.store.settings import AtomicStorage, Settings, _written
from light_client.session.actor import Write
from light_client.store.holding import Held
from light_client.store.sqlite import SqliteStorage
from testbed.powercut.campaign import Stage
from testbed.powercut.file_subjects import (
    ReplacementSubject,
    SettingsSubject,
    StateSalvageSubject,
    WalletSubject,
)
from testbed.powercut.fleet_subject import FleetSubject
from testbed.powercut.log import RecordingFiles
from testbed.powercut.orders_subject import OrdersSubject
from testbed.powercut.ring_subjects import OutboxSubject, RingSubject


class _CarelessStore(DeviceStore):
    """Lets the operating system decide when the disk is written."""

    def _open(self) -> Database:
        database = super()._open()
        database.rows("PRAGMA synchronous=OFF")
        return database


class CarelessRing(RingSubject):
    """`synchronous=OFF`."""

    make = _CarelessStore


class _TornStore(DeviceStore):
    """Writes each row of a batch in a transaction of its own."""

    def commit(self) -> bool:
        rows = list(self._waiting.rows(0))
        kept, self._waiting.kept = self._waiting.kept, {}
        self._waiting.clear()
        for row in rows:
            self._waiting.add(row)
            super().commit()
        self._waiting.kept = kept
        return super().commit()


class TornRing(RingSubject):
    """A batch that is not one."""

    make = _TornStore


class _ForgetfulStore(DeviceStore):
    """Empties its outbox when it opens, as a queue that is destroyed on every reconnection."""

    def _open(self) -> Database:
        database = super()._open()
        with database.transaction():
            database.run("DELETE FROM outbox")
        return database


class ForgetfulOutbox(OutboxSubject):
    """thingsboard-gateway#2124."""

    make = _ForgetfulStore


class _DeafFiles(RecordingFiles):
    """Never waits for the disk."""

    def sync(self, descriptor: int) -> None:
        pass

    def sync_folder(self, folder: Path) -> None:
        pass


class _NoFolderSyncs(RecordingFiles):
    """Waits for bytes, never for names."""

    def sync_folder(self, folder: Path) -> None:
        pass


class UnsyncedSettings(SettingsSubject):
    """Temp file and rename, but no fsync."""

    def play(self, stage: Stage) -> None:
        super().play(_with_files(stage, _DeafFiles))


class UnnamedSettings(SettingsSubject):
    """Temp file, fsync and rename, but the folder is never synced."""

    def play(self, stage: Stage) -> None:
        super().play(_with_files(stage, _NoFolderSyncs))


class _InPlace(AtomicStorage):
    """Rewrites its file in place and syncs it, as TinyDB's own storage does."""

    def write(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        write_whole(self._files, self._path, _written(data))


class InPlaceSettings(SettingsSubject):
    """TinyDB's own way of writing."""

    def open(self, stage: Stage, notices: list[str]) -> Settings:
        settings = super().open(stage, notices)
        settings._database._storage.__class__ = _InPlace
        return settings


class HastyWallet(WalletSubject):
    """Uses a key, then makes its index durable."""

    def use(self, stage: Stage, storage: SqliteStorage, index: int, writes: list[Write]) -> None:
        stage.promised(index)
        storage.commit(writes)


class TornWallet(WalletSubject):
    """Index and floor in two batches."""

    def use(self, stage: Stage, storage: SqliteStorage, index: int, writes: list[Write]) -> None:
        for write in writes:
            storage.commit([write])
        stage.promised(index)


class UnorderedReplacement(ReplacementSubject):
    """Does not wait for the old log to be gone before the new file takes the name."""

    def play(self, stage: Stage) -> None:
        super().play(_with_files(stage, _NoFolderSyncs))


class RecklessStateSalvage(StateSalvageSubject):
    """Goes on with the wallet's index as the damaged file has it, or from 0."""

    wallets = ()


class UnsyncedFleet(FleetSubject):
    """Applies what is not on the disk yet."""

    def play(self, stage: Stage) -> None:
        super().play(_with_files(stage, _DeafFiles))


class UnnamedFleet(FleetSubject):
    """Does not wait until the new memory has its name."""

    def play(self, stage: Stage) -> None:
        super().play(_with_files(stage, _NoFolderSyncs))


class _Patient(Held):
    """Lets everything wait."""

    def due(self, writes: Sequence[Write], now_ms: int) -> list[Write]:
        return super().due([replace(write, may_wait=True) for write in writes], now_ms)


class OrdersThatWait(OrdersSubject):
    """A decision that is not durable when the DSO is asked for what it takes."""

    def held(self) -> Held:
        return _Patient()


TWINS = (
    CarelessRing,
    TornRing,
    ForgetfulOutbox,
    UnsyncedSettings,
    UnnamedSettings,
    InPlaceSettings,
    HastyWallet,
    TornWallet,
    UnorderedReplacement,
    RecklessStateSalvage,
    UnsyncedFleet,
    UnnamedFleet,
    OrdersThatWait,
)


def _with_files(stage: Stage, kind: type[RecordingFiles]) -> Stage:
    """The same stage with other system calls, where it is recorded."""
    if isinstance(stage.files, RecordingFiles):
        stage.files = kind(stage.files._log)
    return stage
