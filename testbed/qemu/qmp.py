"""QEMU's control protocol, as far as a board needs it: one command, one answer, over a socket of this machine.

Source: QEMU documentation, "QEMU Machine Protocol Specification".
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

_ANSWER_S: Final = 30.0
_PAUSE_S: Final = 0.1


class QmpError(Exception):
    """The emulator refuses, hangs up or is not there; one sentence."""


class Qmp:
    """A connection to one emulator."""

    def __init__(self, path: Path, *, patience_s: float = 20.0) -> None:
        """Connect and say hello.

        Args:
            path: of the emulator's socket.
            patience_s: how long the socket may take to appear.

        Raises:
            QmpError: nobody listens.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(_ANSWER_S)
        until_s = time.monotonic() + patience_s
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError as error:
                if time.monotonic() >= until_s:
                    self._socket.close()
                    raise QmpError(f"no emulator listens on {path}: {error.strerror}") from None
                time.sleep(_PAUSE_S)
        self._lines = self._socket.makefile("rb")
        self._next()
        self.ask("qmp_capabilities")

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up; the emulator goes on."""
        self.close()

    def close(self) -> None:
        """Hang up; the emulator goes on."""
        self._lines.close()
        self._socket.close()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Give a command and return its result.

        Raises:
            QmpError: it is refused, or the emulator has ended.
        """
        request = {"execute": command, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(request).encode("ascii") + b"\n")
        except OSError as error:
            raise QmpError(f"{command}: the emulator has ended: {error.strerror}") from None
        while True:
            answer = self._next()
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error'].get('desc', 'refused')}")
            if "return" in answer:
                return answer["return"]

    def _next(self) -> dict[str, Any]:
        """The next message; those that nobody asked for are events."""
        try:
            line = self._lines.readline()
        except OSError as error:
            raise QmpError(f"the emulator is silent: {error}") from None
        if not line:
            raise QmpError("the emulator has ended")
        message: dict[str, Any] = json.loads(line)
        return message
