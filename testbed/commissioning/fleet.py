"""The operator of one board: a desk and a broker on this machine, and the ticket that is laid on the card."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from testbed.live.deployment import free_ports
from testbed.qemu.errors import BoardError
from testbed.qemu.machine import HOST
from testbed.rollout.broker import Mosquitto, NoBrokerError
from testbed.rollout.desk import DeskError, OperatorDesk

_HERE: Final = "127.0.0.1"


class Operator:
    """The desk of a fleet of one; serves while the context lasts."""

    def __init__(self, folder: Path, device: str) -> None:
        """Make desk, broker and ticket.

        Raises:
            BoardError: one of them cannot be made here.
        """
        self._folder, self._device = folder, device
        self._desk = OperatorDesk(folder)
        self._stack = ExitStack()
        port, enrol_port = free_ports(2)
        ports = ("--port", str(port), "--enrol-port", str(enrol_port))
        try:
            self._desk.run("init", "--host", HOST, *ports, "--devices", "4", "--local")
            self._desk.run("enroll", device, "--out", str(folder / "tickets"))
        except DeskError as error:
            raise BoardError(str(error)) from None
        self.ticket: Final[bytes] = (folder / "tickets" / f"{device}.ticket").read_bytes()
        # The ticket names this machine as boards see it; the desk itself is on it.
        settings = self._desk.folder / "desk.toml"
        settings.write_text(
            settings.read_text(encoding="utf-8").replace(f'"{HOST}"', f'"{_HERE}"'), encoding="utf-8"
        )

    @property
    def token(self) -> bytes:
        """The one-time secret in the ticket."""
        return bytes.fromhex(json.loads(self.ticket)["token"])

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(Mosquitto(self._desk.folder / "broker", self._folder / "mosquitto.log"))
            self._stack.enter_context(self._desk)
        except NoBrokerError as error:
            raise BoardError(str(error)) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def sees(self) -> dict[str, Any]:
        """What the operator knows of the board.

        Raises:
            BoardError: the desk does not answer.
        """
        try:
            return self._desk.run("status", self._device)
        except DeskError as error:
            raise BoardError(str(error)) from None
