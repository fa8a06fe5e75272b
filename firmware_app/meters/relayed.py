"""`gridlight read` without a port: what the running service reads, which owns the ports."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from firmware_app.console import CommandError, Console, Exit
from firmware_app.meters import table
from firmware_app.status import client
from meter_io.bus.dialogue import Said
from meter_io.obis import Obis
from meter_io.reading import MeterId, Moment, Quality, Reading, TimeBasis, Unit, Value

SCHEMA: Final = "gridlight.read/1"
PATIENCE_S: Final = 330.0
"""Longest back-off of a meter that does not answer is 300 s; then the service says so again."""


def run(args: argparse.Namespace) -> int:
    """Show what the service reads, once, so many times, or until Ctrl-C."""
    console: Console = args.console
    live = sys.stdout.isatty() or console.json
    left = 1 if args.once else args.count if args.count is not None else None if live else 1
    streams = left != 1
    console.note("via the running service" + ("; Ctrl-C stops" if streams else ""))
    given = {} if args.meter is None else {"meter": args.meter}
    before: Mapping[Obis, Value] = {}
    for report in client.ask(client.socket_path(args.socket), "read", given, timeout_s=PATIENCE_S):
        before = _show(console, report, before, streams=streams)
        left = None if left is None else left - 1
        if left is not None and left <= 0:
            return Exit.OK if report.get("ok") else Exit.FAILED
    raise CommandError("the service has ended", hint="systemctl status gridlight")


def _show(
    console: Console, report: dict[str, Any], before: Mapping[Obis, Value], *, streams: bool
) -> Mapping[Obis, Value]:
    """Print one report; returns the values to compare the next one with."""
    if console.json:
        if streams:
            console.stream(SCHEMA, report)
        else:
            console.result(SCHEMA, report, [])
        return before
    if not report.get("ok"):
        error = report.get("error")
        console.warn(str(error.get("message") if isinstance(error, dict) else error))
        return before
    said, reading = understood(report)
    head = f"{report.get('profile')}   {report.get('port')}   {time.strftime('%H:%M:%S')}"
    took_ms = report.get("read_ms")
    shown = table.lines(console, said, reading, before, took_ms=took_ms if isinstance(took_ms, int) else 0)
    console.result(SCHEMA, {}, [head, *shown])
    return said.values


def understood(report: Mapping[str, Any]) -> tuple[Said, Reading]:
    """The reading of a report of the service.

    Raises:
        CommandError: it is no report.
    """
    try:
        values = {
            Obis.parse(value["obis"]): Value(Decimal(str(value["value"])), Unit(value["unit"] or ""))
            for value in report["values"]
        }
        power_w = report["power_w"]
        reading = Reading(
            meter=MeterId(str(report["meter"])),
            moment=Moment(utc_ms=None, monotonic_ms=0, basis=TimeBasis.MONOTONIC),
            import_j=report["import_j"],
            export_j=report["export_j"],
            power_w=None if power_w is None else Decimal(str(power_w)),
            quality=Quality(report["quality"]),
            reason=str(report["reason"] or ""),
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise CommandError(
            f"the service's reading is not understood: {error!r}", hint="another release? restart the service"
        ) from None
    return Said(model=str(report["model"]), values=values), reading
