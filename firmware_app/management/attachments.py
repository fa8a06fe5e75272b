"""Attachments on the board: the folder they lie in, and how a missing one is fetched, chunk by chunk.

    `NAME.part`   as far as it has come, whole chunks in their order; each was proven before it was written
    `NAME`        whole: read again from the disk and compared, before it got this name

After an interruption fetching goes on where it was, but for the last MiB, which may not have been on the disk. Who
sends something else than what was asked for is refused by rule FLT-25; who sends nothing is asked again, later each
time. A file on a stick, `gridlight/attachments/NAME`, comes the same way into the folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from firmware_app.config.attached import ATTACHMENTS
from firmware_app.fleet.attachment import (
    CHUNK_BYTES,
    MAX_ASKED,
    Attachment,
    Want,
    check_chunk,
    chunk_from_bytes,
    chunks_of,
    is_whole,
)
from firmware_app.fleet.folder import FOLDER as STICK
from firmware_app.store.files import Files
from light_client.rules.errors import RuleViolation

SYNC_CHUNKS: Final = 32
"""So many are written before the disk is waited for."""
ROOM_BYTES: Final = 16 << 20
"""What a fetched file leaves free for everything else."""
FIRST_MS: Final = 30_000
LONGEST_MS: Final = 600_000
_PART: Final = ".part"


class AttachmentFolder:
    """What is here."""

    def __init__(self, data_folder: Path) -> None:
        self.path: Final = data_folder / ATTACHMENTS

    def file(self, attachment: Attachment) -> Path:
        """Where it lies once it is whole."""
        return self.path / attachment.root.hex()

    def missing(self, attachment: Attachment) -> str:
        """What is missing of it, for people; empty where it is here."""
        with suppress(OSError):
            if self.file(attachment).stat().st_size == attachment.size:
                return ""
        return f"the {attachment.use.name.lower()} {attachment.root.hex()[:16]}"

    def sweep(self, keep: Collection[str]) -> None:
        """Take away what nothing names any more.

        Args:
            keep: names, hexadecimal.
        """
        with suppress(OSError):  # what stays is taken away another time
            for path in tuple(self.path.iterdir()):
                if path.name.removesuffix(_PART) not in keep:
                    path.unlink()


class Fetcher:
    """Brings the files that bundles wait for into the folder, one after the other."""

    def __init__(
        self, folder: AttachmentFolder, note: Callable[[str, str], None], files: Files | None = None
    ) -> None:
        """Nothing is wanted yet.

        Args:
            note: told of what is refused, and of what has come: a stable name and a sentence.
        """
        self._folder = folder
        self._note = note
        self._files = files or Files()
        self._wanted: Attachment | None = None
        self._file: int | None = None
        self._have = 0
        self._end = 0
        self._asked_ms: int | None = None
        self._failures = 0
        self._said = ""

    @property
    def have(self) -> int:
        """Chunks of the wanted file that are here."""
        return self._have

    @property
    def is_complete(self) -> bool:
        """Whether all chunks of the wanted file are here: `finish` has to look at it."""
        return self._wanted is not None and self._have == self._wanted.chunks

    def want(self, attachments: Iterable[Attachment]) -> None:
        """Fetch the first of these that is not here."""
        wanted = next((one for one in attachments if self._folder.missing(one)), None)
        if wanted == self._wanted:
            return
        self.close()
        self._wanted, self._asked_ms, self._failures = wanted, None, 0
        if wanted is not None and not self._begin(wanted):
            self._wanted = None

    def _begin(self, wanted: Attachment) -> bool:
        part = self._part(wanted)
        try:
            part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = os.statvfs(part.parent)
            here = part.stat().st_size if part.exists() else 0
            if status.f_bavail * status.f_frsize + here < wanted.size + ROOM_BYTES:
                self._say("fleet.no-room", f"{wanted.size} bytes are to be fetched, and there is no room")
                return False
            self._have = max(0, min(here, wanted.size - 1) // CHUNK_BYTES - SYNC_CHUNKS)
            self._file = self._files.extend(part)
            self._files.cut(self._file, self._have * CHUNK_BYTES)
        except OSError as error:
            self._say("fleet.no-room", f"nothing can be fetched: {error.strerror}")
            return False
        return True

    def ask(self, now_ms: int) -> Want | None:
        """What to ask the operator for now; None while an answer may still come, or nothing is wanted.

        Args:
            now_ms: monotonic ms.
        """
        wanted = self._wanted
        if wanted is None or self.is_complete:
            return None
        if self._asked_ms is not None:
            pause_ms = min(LONGEST_MS, FIRST_MS << min(self._failures, 10))
            if self._have < self._end and now_ms - self._asked_ms < pause_ms:
                return None
            self._failures += self._have < self._end
        count = min(MAX_ASKED, wanted.chunks - self._have)
        self._asked_ms, self._end = now_ms, self._have + count
        return Want(root=wanted.root, first=self._have, count=count)

    def connected(self) -> None:
        """A new connection: nothing of what was asked for may still come."""
        self._asked_ms, self._failures = None, 0

    def hear(self, raw: bytes) -> None:
        """Take a chunk in; what is none, or not the next one, changes nothing."""
        wanted = self._wanted
        if wanted is None or self._file is None:
            return
        try:
            chunk = chunk_from_bytes(raw)
            if chunk.root != wanted.root or chunk.number != self._have:
                return  # late, or twice
            data = check_chunk(chunk, wanted)
        except RuleViolation as error:
            self._note("fleet.refused", str(error))
            return
        self._failures = 0
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            return
        try:
            rest = data
            while rest:
                rest = rest[self._files.write(self._file, rest) :]
            self._have += 1
            if self._have % SYNC_CHUNKS == 0 or self.is_complete:
                self._files.sync(self._file)
        except OSError as error:
            self._say("fleet.no-room", f"nothing can be fetched: {error.strerror}")
            self.close()
            self._wanted = None

    def finish(self) -> bool:
        """Look at a file of which all chunks have come; returns whether it is here now. Reads the whole of it."""
        wanted = self._wanted
        if wanted is None or not self.is_complete:
            return False
        self.close()
        self._wanted = None
        return self._take(self._part(wanted), wanted)

    def _take(self, part: Path, wanted: Attachment) -> bool:
        """Give a file its name if it is whole; else it is gone, and fetched anew."""
        try:
            if not is_whole(wanted, part):
                self._note(
                    "fleet.refused", f"FLT-25: {part.name} is not what its name says, and is fetched anew"
                )
                self._files.remove(part)
                return False
            self._files.replace(part, self._folder.file(wanted))
            self._files.sync_folder(part.parent)
        except OSError as error:
            self._say("fleet.no-room", f"{part.name} cannot be kept: {error.strerror}")
            return False
        self._note("fleet.fetched", f"{wanted.size} bytes were fetched")
        return True

    def look_at(self, stick: Path) -> bool:
        """Take the wanted file from a stick if it lies there; returns whether it is here now. Reads all of it."""
        wanted = self._wanted
        if wanted is None:
            return False
        found = stick / STICK / "attachments" / wanted.root.hex()
        try:
            if found.is_symlink() or not found.is_file() or found.stat().st_size != wanted.size:
                return False
            self._restart_part(wanted)
            for data in chunks_of(found):
                self._write(data)
        except OSError:  # pulled out: what has come is looked at like anything that was fetched
            return False
        return self.finish()

    def _restart_part(self, wanted: Attachment) -> None:
        self.close()
        self._file, self._have = self._files.create(self._part(wanted)), 0

    def close(self) -> None:
        """Let go of the file; what has come stays."""
        if self._file is not None:
            self._files.close(self._file)
            self._file = None

    def _part(self, attachment: Attachment) -> Path:
        return self._folder.path / f"{attachment.root.hex()}{_PART}"

    def _say(self, name: str, sentence: str) -> None:
        """Once for each thing that stands in the way."""
        if sentence != self._said:
            self._said = sentence
            self._note(name, sentence)
