"""The other files, put to the proof: settings, and the light client's with the wallet."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from firmware_app.store.files import write_whole
from firmware_app.store.replacement import finish_replacement, replace_database
from firmware_app.store.settings import Settings
from firmware_app.store.state import open_state
from light_client.session.actor import Write
from light_client.store.sqlite import SqliteStorage
from light_client.wallet.wallet import Wallet
from testbed.powercut.campaign import History, Stage, integrity

_VERSIONS: Final = 12
_KEYS: Final = 24
_REOPEN_EVERY: Final = 10
_STATE_PAGE: Final = 4_096
_STATE_LEFT: Final = 30


class SettingsSubject:
    """A configuration document in growing versions, beside one that never changes."""

    name = "settings"

    def prepare(self, folder: Path) -> None:
        """Put the document that never changes."""
        settings = self.open(Stage(folder), [])
        settings.put("identity", {"meter": "m-1"})
        settings.close()

    def open(self, stage: Stage, notices: list[str]) -> Settings:
        """Open the settings as the device does."""
        return Settings(
            stage.folder / "settings.json", lambda name, _: notices.append(name), files=stage.files
        )

    def play(self, stage: Stage) -> None:
        """Put one version after the other."""
        settings = self.open(stage, [])
        for number in range(_VERSIONS):
            stage.trying(number)
            settings.put("config", {"version": number, "text": "x" * (300 * (number % 5))})
            stage.promised(number)
        settings.close()

    def problems(self, stage: Stage, history: History) -> list[str]:
        """A version that was tried, not older than promised; and the next one can be put."""
        notices: list[str] = []
        settings = self.open(stage, notices)
        config = settings.get("config")
        version = -1 if config is None else config["version"]
        found = [f"the power cut led to {name}" for name in notices]
        if not history.last_promised <= version <= history.last_tried:
            found.append(f"version {version}, promised {history.last_promised}, tried {history.last_tried}")
        if settings.get("identity") != {"meter": "m-1"}:
            found.append("the other document is lost")
        stage.trying(version + 1)
        settings.put("config", {"version": version + 1})
        stage.promised(version + 1)
        settings.close()
        again = self.open(stage, notices)
        if again.get("config") != {"version": version + 1}:
            found.append("no further version can be put")
        again.close()
        return found


class _EagerStorage(SqliteStorage):
    """The light client's store, folding its log in after a few pages instead of a thousand."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._connection.execute("PRAGMA wal_autocheckpoint=12")


class WalletSubject:
    """The wallet's next index and the light client's floor, in one batch, as an actor writes them."""

    name = "wallet"
    _FILE: Final = "state.sqlite"

    def prepare(self, folder: Path) -> None:
        """Nothing is there."""

    def play(self, stage: Stage) -> None:
        """Use one fresh key after the other: it may only be used when its index is durable."""
        storage = _EagerStorage(stage.folder / self._FILE)
        for number in range(_KEYS):
            if number % _REOPEN_EVERY == _REOPEN_EVERY - 1:
                storage.close()
                storage = _EagerStorage(stage.folder / self._FILE)
            wallet = _wallet(storage)
            (key,), write = wallet.fresh(1)
            stage.trying(key.index)
            self.use(stage, storage, key.index, [write, _floor(key.index)])
        storage.close()

    def use(self, stage: Stage, storage: SqliteStorage, index: int, writes: list[Write]) -> None:
        """Make an index durable, then use it."""
        storage.commit(writes)
        stage.promised(index)

    def problems(self, stage: Stage, history: History) -> list[str]:
        """No index that was used is handed out again, and the floor is the one of the same batch."""
        path = stage.folder / self._FILE
        with SqliteStorage(path) as storage:
            following = _wallet(storage).next_index
            floor = storage.get("light", b"trust")
        found = []
        if following <= history.last_promised:
            found.append(f"index {following} is handed out again, {history.last_promised} was used")
        if following > history.last_tried + 1:
            found.append(f"the next index is {following}, though {history.last_tried} was the last one tried")
        if floor != (None if following == 0 else _floor(following - 1).value):
            found.append("the floor is not of the batch of the index")
        return found + integrity(path)


def _wallet(storage: SqliteStorage) -> Wallet:
    return Wallet(bytes(31) + b"\x01", b"chain", storage)


def _floor(index: int) -> Write:
    return Write(table="light", key=b"trust", value=index.to_bytes(8, "big") * 300)


class StateSalvageSubject(WalletSubject):
    """A start that finds a damaged page under wallet and light client: no index comes back, whatever is cut."""

    name = "state-salvage"
    wallets: tuple[str, ...] = ("wallet",)
    """Tables of which it is known that no index in them may come back."""

    def prepare(self, folder: Path) -> None:
        """Use keys, and overwrite the page that the newest values lie on."""
        path = folder / self._FILE
        with SqliteStorage(path) as storage:
            storage.commit([Write(table="a", key=bytes([row]), value=bytes(900)) for row in range(40)])
            for _ in range(_KEYS):
                _, write = _wallet(storage).fresh(1)
                storage.commit([write])
        content = bytearray(path.read_bytes())
        page = content.rindex(b"next-index") // _STATE_PAGE * _STATE_PAGE
        content[page : page + _STATE_PAGE] = b"\xa5" * _STATE_PAGE
        path.write_bytes(content)

    def play(self, stage: Stage) -> None:
        """Start, which salvages, and use one more key."""
        storage = self._open(stage)
        (key,), write = _wallet(storage).fresh(1)
        stage.trying(key.index)
        self.use(stage, storage, key.index, [write])
        storage.close()

    def _open(self, stage: Stage) -> SqliteStorage:
        chance = Random(1)  # noqa: S311 - it has to repeat
        state = open_state(
            stage.folder / self._FILE, wallets=self.wallets, files=stage.files, chance=chance.randbytes
        )
        return state.storage

    def problems(self, stage: Stage, history: History) -> list[str]:
        """The next index is none that was used, most values are left, and a note tells of the gap."""
        with self._open(stage) as storage:
            following = _wallet(storage).next_index
            left = sum(1 for _ in storage.scan("a"))
            note = storage.get("salvage", b"note")
        found = (
            [] if following > max(_KEYS, history.last_promised) else [f"index {following} may be used again"]
        )
        found += [] if left >= _STATE_LEFT else [f"only {left} values are left"]
        found += [] if note else ["nothing tells of the gap"]
        return found + integrity(stage.folder / self._FILE)


class ReplacementSubject:
    """The swap of a damaged file that still has its log: old file with old log, or the new file alone, never mixed."""

    name = "replacement"
    _OLD: Final = b"old " * 300
    _LOG: Final = b"old log " * 300
    _NEW: Final = b"new " * 300

    def prepare(self, folder: Path) -> None:
        """Leave a damaged file and its log."""
        (folder / "x").write_bytes(self._OLD)
        (folder / "x-wal").write_bytes(self._LOG)

    def play(self, stage: Stage) -> None:
        """Replace the file."""
        stage.trying(1)
        replace_database(
            stage.files, stage.folder / "x", lambda fresh: write_whole(stage.files, fresh, self._NEW)
        )
        stage.promised(1)

    def problems(self, stage: Stage, history: History) -> list[str]:
        """One of the two states, the new one once it was promised, and nothing half made."""
        finish_replacement(stage.files, stage.folder / "x")
        files = {path.name: path.read_bytes() for path in stage.folder.iterdir()}
        pair = files.get("x"), files.get("x-wal")
        allowed = [(self._NEW, None)] if history.promised else [(self._NEW, None), (self._OLD, self._LOG)]
        found = [] if pair in allowed else [f"mixed: {sorted(files)}"]
        left = sorted(set(files) - {"x", "x-wal", "x.damaged", "x.damaged-wal"})
        return found + ([f"left behind: {left}"] if left else [])
