"""Files that bundles bring, as the desk keeps them: under their names, and cut into chunks when a device asks."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Final

from firmware_app.console import CommandError
from firmware_app.fleet.attachment import CHUNK_BYTES, Attachment, Chunk, Want, chunks_of, is_whole
from light_client.rules.merkle import Tree

_TREES: Final = 4
"""Of so many files the proofs are kept in memory: 64 bytes a chunk."""


class Attachments:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self._tree = lru_cache(_TREES)(_tree_of)

    def file(self, name: bytes) -> Path:
        """Where one lies."""
        return self.folder / name.hex()

    def keep(self, attachment: Attachment, source: Path) -> None:
        """Copy a file here, and look whether it is what it is said to be.

        Raises:
            CommandError: it is not, or cannot be copied.
        """
        target = self.file(attachment.root)
        if target.exists():
            return
        fresh = target.with_suffix(".new")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source, fresh)
            if not is_whole(attachment, fresh):
                fresh.unlink()
                raise CommandError(f"{source} is not the attachment {attachment.root.hex()}: it was changed")
            fresh.replace(target)
        except OSError as error:
            raise CommandError(f"{error.filename or source} cannot be kept: {error.strerror}") from None

    def chunks(self, want: Want) -> list[Chunk]:
        """What a device asks for, as far as it is here."""
        path = self.file(want.root)
        try:
            tree = self._tree(path)
            with path.open("rb") as file:
                file.seek(want.first * CHUNK_BYTES)
                return [
                    Chunk(
                        root=want.root,
                        number=number,
                        data=file.read(CHUNK_BYTES),
                        proof=tree.inclusion_proof(number, tree.size),
                    )
                    for number in range(want.first, min(want.first + want.count, tree.size))
                ]
        except OSError:
            return []


def _tree_of(path: Path) -> Tree:
    return Tree(chunks_of(path))
