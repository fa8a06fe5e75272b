"""The control socket: how the commands on the board ask the running service, which owns the ports of the meters.

A unix socket of mode 0660: root, the service's user and its group may ask. One request is one line of JSON, and so is
each of its answers:

    -> {"schema": "gridlight.control/1", "ask": "status", "with": {}}
    <- {"schema": "gridlight.control/1", "answer": {...}}          none, one or many
    <- {"schema": "gridlight.control/1", "end": true}              or "error": {"message": "...", "next": "..."}

What can be asked is a table that the composition root fills: name -> handler.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from firmware_app.console import CommandError
from firmware_app.status.connections import Connections
from firmware_app.status.params import StatusParams
from firmware_app.status.shown import Shown

SCHEMA: Final = "gridlight.control/1"
MAX_REQUEST: Final = 4_096
MAX_ANSWER: Final = 1_000_000
"""Bytes of one line that the service sends."""
MODE: Final = 0o660

Handler = Callable[[Mapping[str, Any]], AsyncIterator[Mapping[str, Any]]]
"""Given the object under `with`; yields answers. `CommandError` becomes the answer's error."""


def status_handler(shown: Shown) -> Handler:
    """What answers `status`: the newest snapshot, once."""

    async def answer(_: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        document = shown.document()
        if document is None:
            raise CommandError(shown.problem, hint="ask again in a few seconds")
        yield document

    return answer


class ControlServer:
    """Answers commands."""

    def __init__(self, params: StatusParams, handlers: Mapping[str, Handler]) -> None:
        """Bind the handlers; nothing listens before `start`."""
        self._params = params
        self._handlers = dict(handlers)
        self.connections = Connections(params.connections, self._answer)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. A socket that an earlier life left behind is replaced, one of a living service is not.

        Raises:
            CommandError: another service listens there.
            OSError: the folder is missing, or not ours.
        """
        listening = bound(Path(self._params.socket))
        self._server = await asyncio.start_unix_server(
            self.connections.serve, sock=listening, limit=MAX_REQUEST, backlog=8
        )

    async def stop(self) -> None:
        """Listen no more, and take the socket away."""
        if self._server is not None:
            await self.connections.stop(self._server)
            self._remove()

    def _remove(self) -> None:
        Path(self._params.socket).unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._params.timeout_s):
            try:
                line = await reader.readuntil(b"\n")
            except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
                await self._send(writer, _error("a request is one line of at most 4096 bytes", ""))
                return
        asked = read_request(line)
        handler = None if asked is None else self._handlers.get(asked[0])
        if asked is None or handler is None:
            known = ", ".join(sorted(self._handlers))
            await self._send(writer, _error("this release does not understand that", f"ask one of {known}"))
            return
        answering = asyncio.ensure_future(self._say_all(writer, handler(asked[1])))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # who hangs up is not waited for, and the handler learns of it
            leaving.cancel()
            answering.cancel()
            outcome, _ = await asyncio.gather(answering, leaving, return_exceptions=True)
        if isinstance(outcome, OSError | TimeoutError):
            raise outcome

    async def _say_all(self, writer: asyncio.StreamWriter, answers: AsyncIterator[Mapping[str, Any]]) -> None:
        """Send what a handler yields, then the end, or why there is no more."""
        try:
            async for answer in answers:
                await self._send(writer, {"answer": answer})
        except CommandError as error:
            await self._send(writer, _error(error.sentence, error.hint))
        except (OSError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - a question must not end the service
            await self._send(writer, _error(f"a bug: {type(error).__name__}: {error}", "report it"))
        else:
            await self._send(writer, {"end": True})
        finally:
            if isinstance(answers, AsyncGenerator):
                await answers.aclose()

    async def _send(self, writer: asyncio.StreamWriter, document: Mapping[str, Any]) -> None:
        """Send one line; a reader that does not read is let go after the time limit."""
        line = json.dumps({"schema": SCHEMA, **document}, ensure_ascii=False).encode("utf-8", "replace")
        if len(line) >= MAX_ANSWER:
            line = json.dumps({"schema": SCHEMA, **_error("the answer is too long", "")}).encode()
        async with asyncio.timeout(self._params.timeout_s):
            writer.write(line + b"\n")
            await writer.drain()


def read_request(line: bytes) -> tuple[str, Mapping[str, Any]] | None:
    """Read a request: what is asked, and with what; None if it is none."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return None
    ask, given = document.get("ask"), document.get("with", {})
    return (ask, given) if isinstance(ask, str) and isinstance(given, dict) else None


def bound(path: Path) -> socket.socket:
    """A socket at a path, readable for owner and group from its first moment."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        try:
            _bind(listening, path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if _somebody_listens(path):
                raise CommandError(
                    f"a service listens on {path} already", hint="systemctl status gridlight"
                ) from None
            path.unlink()
            _bind(listening, path)
    except BaseException:
        listening.close()
        raise
    return listening


def _bind(listening: socket.socket, path: Path) -> None:
    before = os.umask(0o777 & ~MODE)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect(str(path))
        except OSError:
            return False
        return True


def _error(message: str, hint: str) -> dict[str, Any]:
    return {"error": {"message": message, "next": hint or None}}
