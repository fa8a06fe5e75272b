"""Programs that break one rule of durability each: the proof has to catch every one of them."""

from pathlib import Path

from firmware_app.store import replacement, settings
from firmware_app.store.database import Database
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.files import Files, write_whole
from firmware_app.store.outbox import OutboxFullError
from firmware_app.store.settings import AtomicStorage, Settings
from light_client.session.actor import Write
from light_client.store.errors import StoreError
from light_client.store.sqlite import SqliteStorage
from testbed.powercut.campaign import Stage
from testbed.powercut.subjects import (
    OutboxSubject,
    RingSubject,
    SalvageSubject,
    SettingsSubject,
    SmallParams,
    WalletSubject,
    _Clock,
)


class _CarelessStore(DeviceStore):
    """Lets the operating system decide when the disk is written."""

    def _open(self) -> Database:
        database = super()._open()
        database.rows("PRAGMA synchronous=OFF")
        return database


class CarelessRing(RingSubject):
    name = "ring without syncs"

    def open(self, stage: Stage, clock: _Clock) -> DeviceStore:
        return _CarelessStore(
            stage.folder,
            SmallParams(file_kb=64),
            clock=clock,
            boot_id="b",
            files=stage.files,
            counter=lambda: None,
        )
