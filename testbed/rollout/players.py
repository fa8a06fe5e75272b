"""The processes that play the meters, from outside: started, listened to, told, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from testbed.rollout.cast import Part

_END_S: Final = 60.0
_SUMS: Final = (
    "connected",
    "sent",
    "sent_bytes",
    "heard",
    "heard_bytes",
    "connections",
    "lost",
    "memory_kib",
    "cpu_ms",
)


class PlayersError(Exception):
    """A process of meters ended, or does not answer."""


class Players:
    """Several processes; a context manager that ends them."""

    def __init__(self, folder: Path, part: Part, processes: int) -> None:
        """Prepare.

        Args:
            part: the whole, of which each process gets a share.
        """
        self._folder = folder
        size = -(-part.agents // processes)
        self._parts = [
            replace(part, first=first, last=min(first + size, part.agents))
            for first in range(0, part.agents, size)
        ]
        self._voices: list[_Voice] = []

    def __enter__(self) -> Self:
        for number, part in enumerate(self._parts):
            path = self._folder / f"part-{number}.json"
            part.write(path)
            self._voices.append(_Voice(path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for voice in self._voices:
            voice.tell("stop")
        for voice in self._voices:
            voice.end()

    def tell(self, word: str) -> None:
        """Say something to all."""
        for voice in self._voices:
            voice.tell(word)

    def state(self) -> dict[str, Any]:
        """All together, as far as they have spoken.

        Raises:
            PlayersError: one ended.
        """
        states = [voice.latest() for voice in self._voices]
        counts: Counter[str] = Counter()
        for state in states:
            counts.update(state.get("counts", {}))
        return {"counts": dict(counts)} | {
            name: sum(int(state.get(name, 0)) for state in states) for name in _SUMS
        }

    def truths(self, patience_s: float = 60.0) -> list[dict[str, Any]]:
        """How every board really stands.

        Raises:
            PlayersError: one does not say.
        """
        self.tell("truth")
        return [truth for voice in self._voices for truth in voice.truth(patience_s)]


class _Voice:
    """One process and what it said last."""

    def __init__(self, path: Path) -> None:
        self._log = path.with_suffix(".log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", "testbed.rollout", str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
            )
        self._state: dict[str, Any] = {}
        self._truth: list[dict[str, Any]] | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def tell(self, word: str) -> None:
        pipe = self._process.stdin
        if pipe is not None and self._process.poll() is None:
            if word == "truth":
                self._truth = None
            pipe.write(f"{word}\n".encode())
            pipe.flush()

    def latest(self) -> dict[str, Any]:
        if self._process.poll() is not None:
            raise PlayersError(f"a process of meters ended: {self._log.read_text(errors='replace')[-800:]}")
        return self._state

    def truth(self, patience_s: float) -> Sequence[dict[str, Any]]:
        deadline = time.monotonic() + patience_s
        while self._truth is None:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise PlayersError("a process of meters does not answer")
            time.sleep(0.05)
        return self._truth

    def end(self) -> None:
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> None:
        pipe = self._process.stdout
        if pipe is None:
            return
        for line in pipe:
            document = json.loads(line)
            if "truth" in document:
                self._truth = document["truth"]
            else:
                self._state = document


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{known}" if known else root}
