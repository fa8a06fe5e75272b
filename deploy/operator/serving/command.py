"""`serve`: the service with a real broker and the dashboard, until a signal ends it."""

from __future__ import annotations

import argparse
import signal
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from deploy.broker.authority import Role
from deploy.operator.dashboard.server import Dashboard
from deploy.operator.desk.folder import DESK_NAME, Desk, open_desk
from deploy.operator.serving.enrolment import reload_broker
from deploy.operator.serving.loop import run
from deploy.operator.serving.mqtt import MqttBroker
from deploy.operator.serving.own_broker import OwnBroker
from deploy.operator.serving.renewals import renew_own
from deploy.operator.serving.service import Service
from firmware_app.console import CommandError, Console, Exit

_SCHEMA: Final = "gridlight.fleet.serve/1"
_SAY_EVERY_S: Final = 10.0


def serve(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    desk = open_desk(Path(args.desk))
    try:
        with desk.serving(), ExitStack() as stack:
            renew_own(desk, datetime.now(UTC))
            _show(args, desk, stack)
            own = (
                stack.enter_context(OwnBroker(desk.broker_folder.absolute(), desk.settings.broker.port))
                if args.broker
                else None
            )
            return _serve(args.console, desk, own)
    finally:
        desk.close()


def _show(args: argparse.Namespace, desk: Desk, stack: ExitStack) -> None:
    """Begin the dashboard; a port that is taken is no reason not to serve, unless it was asked for by name."""
    console: Console = args.console
    page = desk.settings.page
    if args.no_page:
        return
    try:
        dashboard = stack.enter_context(Dashboard(desk.folder, page, args.page_port))
    except CommandError as error:
        if args.page_port is not None:
            raise
        console.warn(f"no dashboard: {error.sentence}")
        return
    address = f"http://{page.host}:{dashboard.port}/"
    console.result(_SCHEMA, {"page": address}, [f"dashboard  {address}"])


def _serve(console: Console, desk: Desk, own: OwnBroker | None) -> int:
    service = Service(desk, own.reload if own else lambda: reload_broker(desk))
    broker_params = desk.settings.broker
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
        if own is not None and own.problem:
            raise CommandError(own.problem)
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
