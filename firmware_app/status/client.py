"""Asking the running service, from a command: plain blocking calls with a time limit."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final

from firmware_app.console import CommandError, Exit
from firmware_app.status.control import MAX_ANSWER, SCHEMA
from firmware_app.status.params import CONTROL_SOCKET

TIMEOUT_S: Final = 5.0


class ServiceDownError(CommandError):
    """No service runs on this board, or none that this user may ask."""


def socket_path(given: str | None, environ: Mapping[str, str] | None = None) -> str:
    """Where the service listens: as given, as `GRIDLIGHT_SOCKET` says, or where it usually does."""
    return given or (environ or os.environ).get("GRIDLIGHT_SOCKET") or CONTROL_SOCKET


def ask(
    path: str, question: str, given: Mapping[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S
) -> Iterator[dict[str, Any]]:
    """Ask, and yield each answer as it comes.

    Args:
        path: of the control socket.
        question: a key of the service's table.
        given: what goes with it.
        timeout_s: longest silence before an answer, seconds.

    Raises:
        ServiceDownError: nobody listens.
        CommandError: the service refuses, is silent, or speaks another language.
    """
    request = json.dumps({"schema": SCHEMA, "ask": question, "with": dict(given or {})})
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as asking:
        asking.settimeout(timeout_s)
        _connect(asking, path)
        try:
            asking.sendall(request.encode() + b"\n")
            with asking.makefile("rb") as answers:
                while True:
                    document = _read(answers.readline(MAX_ANSWER + 1))
                    if "answer" not in document:
                        return
                    yield document["answer"]
        except TimeoutError:
            raise CommandError(
                f"the service is silent for {timeout_s:g} s",
                hint="journalctl -u gridlight; the watchdog restarts it if it hangs",
                code=Exit.UNDECIDED,
            ) from None
        except OSError as error:
            raise CommandError(
                f"the service hung up: {error.strerror or error}", hint="systemctl status gridlight"
            ) from None


def _connect(asking: socket.socket, path: str) -> None:
    try:
        asking.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        raise ServiceDownError(
            f"the service is not running: nobody listens on {path}", hint="systemctl start gridlight"
        ) from None
    except PermissionError:
        raise ServiceDownError(
            f"this user may not ask the service on {path}", hint="sudo, or join the group gridlight"
        ) from None
    except OSError as error:
        raise ServiceDownError(
            f"{path} cannot be asked: {error.strerror or error}", hint="give --socket PATH"
        ) from None


def _read(line: bytes) -> dict[str, Any]:
    """One line of the service; an error becomes ours."""
    try:
        document = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise CommandError(
            f"the service does not speak {SCHEMA}", hint="another release? systemctl restart gridlight"
        )
    if "error" in document:
        error = document["error"]
        message, hint = (error.get("message"), error.get("next")) if isinstance(error, dict) else (error, "")
        raise CommandError(str(message), hint=str(hint or ""))
    if "answer" in document and not isinstance(document["answer"], dict):
        raise CommandError("the service sent an answer that is no object", hint="report it")
    return document
