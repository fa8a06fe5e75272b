"""The whole program of a device that is in a fleet: what it holds while the operator's broker is there.

`gridlight run` as people start it, joined to a real mosquitto over TLS on this machine. It says that it was born, takes
over a configuration that the operator signed, and sends sealed reports that have waited for the broker. Its meter and
its market are silent: what trading takes besides is told by the board's day, and by a week of mishaps with a broker.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from firmware_app.console import CommandError
from firmware_app.device.reporting import OPERATOR
from firmware_app.fleet.bundle import Bundle, Delta
from firmware_app.fleet.change import Change
from firmware_app.fleet.letters import DELIVERY_REPORT
from firmware_app.fleet.plan import RolloutPlan
from firmware_app.fleet.selector import Everyone
from firmware_app.management.in_force import memory_of
from firmware_app.reconcile.sealing import public_seal_key, seal
from firmware_app.runtime.board_time import real_monotonic_ms, real_wall_ms
from firmware_app.status import client
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.outbox import Message
from firmware_app.store.params import StoreParams
from light_client.rules.errors import LocalError
from testbed.bench.section import DisagreementError
from testbed.boards.furnishing import FixedTime, not_counted
from testbed.rollout.broker import NoBrokerError, program
from testbed.rollout.real import RealMeterError, RealMeters
from testbed.week.operator import OperatorsBroker

_NAME: Final = "meter-0101"
_REPORTS: Final = 3
_REPORT_BYTES: Final = 4_096
_PATIENCE_S: Final = 120.0
_LOOK_S: Final = 0.2
_SETTLED_MS: Final = 6_000
_HOUR_MS: Final = 3_600_000
_PLAN: Final = RolloutPlan(window_ms=60_000, hold_ms=2_000)


def lacking() -> str:
    """Why it cannot be measured here, one clause; empty where it can."""
    try:
        program()
        public_seal_key(bytes(range(32)))
    except (NoBrokerError, LocalError, ImportError) as error:
        return str(error)
    return ""


def measure() -> dict[str, Any]:
    """Let a device join, hear and report; return what it came to.

    Raises:
        DisagreementError: it did not do all of that.
    """
    with tempfile.TemporaryDirectory(prefix="gridlight-joined-") as folder:
        try:
            return _measured(Path(folder))
        except (NoBrokerError, RealMeterError, TimeoutError) as error:
            raise DisagreementError(f"the joined device: {error}") from None


def _measured(folder: Path) -> dict[str, Any]:
    meters = RealMeters(folder, (_NAME,))
    meters.requests()
    document = folder / _NAME / "device.toml"
    operator = OperatorsBroker(folder / "broker")
    operator.take_in(document)
    _write_reports(document.parent / "data")
    operator.start()
    try:
        with meters:
            _until(operator.seen, "its birth")
            _until(lambda: _is_settled(str(document.parent / "control.sock")), "a look at itself")
            operator.wish(_bundle)
            _until(lambda: len(operator.reports()) == _REPORTS, "its reports")
            _until(lambda: _version(document) == 1, "the configuration that was pushed")
            return {"joined_peak_kb": meters.peak_kib, "joined_reports": len(operator.reports())}
    finally:
        operator.stop()


def _is_settled(socket: str) -> bool:
    """Whether it has looked at itself some times: it knows then what was wrong before, and blames no change for it."""
    try:
        (document,) = client.ask(socket, "status")
    except CommandError:
        return False
    return bool(document["device"]["up_ms"] >= _SETTLED_MS)


def _bundle(fleet: bytes) -> Bundle:
    now_ms = real_wall_ms()
    return Bundle(
        fleet=fleet,
        key_set=1,
        version=1,
        issued_ms=now_ms,
        expires_ms=now_ms + _HOUR_MS,
        needs_clock=False,
        target=Everyone(),
        plan=_PLAN,
        content=Delta(changes=(Change(path=("privacy", "lot_wh"), value=250),)),
    )


def _write_reports(data: Path) -> None:
    """Reports of earlier days that nobody has taken in yet."""
    store = DeviceStore(
        data, StoreParams(), clock=FixedTime(real_wall_ms()), boot_id="days ago", counter=not_counted
    )
    key = public_seal_key(bytes(range(32)))
    for day in range(_REPORTS):
        sealed = seal(b"a day", key, size=_REPORT_BYTES, ephemeral=os.urandom(32))
        store.outbox.put(
            Message(
                destination=OPERATOR, key=f"delivery/{day}/1", kind=DELIVERY_REPORT, body=sealed, at_ms=None
            )
        )
    store.close()


def _version(document: Path) -> int:
    """Of the configuration that has proved itself."""
    memory = memory_of(document)
    return 0 if memory is None else memory.current.order[1]


def _until(what: Callable[[], object], name: str) -> None:
    until_ms = real_monotonic_ms() + _PATIENCE_S * 1_000
    while not what():
        if real_monotonic_ms() > until_ms:
            raise TimeoutError(f"{name} did not come within {_PATIENCE_S:.0f} s")
        time.sleep(_LOOK_S)
