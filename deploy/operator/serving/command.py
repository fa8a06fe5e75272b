"""`serve`: the service with a real broker and the dashboard, until a signal ends it."""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Final

from deploy.broker.authority import Role
from deploy.operator.desk.folder import Desk, open_desk
from deploy.operator.founding import DESK_NAME
from deploy.operator.serving.loop import run
from deploy.operator.serving.mqtt import MqttBroker
from deploy.operator.serving.service import Service
from firmware_app.console import Console, Exit

_SAY_EVERY_S: Final = 10.0


def serve(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    desk = open_desk(Path(args.desk))
    try:
        with desk.serving():
            return _serve(args, desk)
    finally:
        desk.close()


def _serve(args: argparse.Namespace, desk: Desk) -> int:
    console: Console = args.console
    service, broker_params = Service(desk), desk.settings.broker
    broker = MqttBroker(
        host=broker_params.host,
        port=broker_params.port,
        folder=desk.authority_folder,
        name=f"{Role.OPERATOR}{DESK_NAME}",
        subscriptions=service.subscriptions,
    )
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    said, said_s = "", 0.0

    def goes_on() -> bool:
        nonlocal said, said_s
        if broker.problem != said and (not broker.problem or time.monotonic() - said_s > _SAY_EVERY_S):
            said, said_s = broker.problem, time.monotonic()
            console.note(said or f"connected to {broker_params.host} port {broker_params.port}")
        return not stopped

    broker.start()
    try:
        run(service, broker, goes_on=goes_on)
    finally:
        broker.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return Exit.OK
