"""Ports that the running service owns: a scan leaves them alone, and says what hangs there."""

from __future__ import annotations

from pathlib import Path

from firmware_app.console import CommandError
from firmware_app.status import client, wording
from firmware_app.status.document import DocumentError, from_document
from firmware_app.status.snapshot import Absent, MeterView
from meter_io.errors import PortError
from meter_io.ports.address import PortAddress


def served_meters(socket: str | None) -> dict[str, list[MeterView]]:
    """Port, by its device, -> the meters that the service reads there; empty where no service runs.

    Args:
        socket: of the service; where it usually is if not given.
    """
    try:
        (document,) = client.ask(client.socket_path(socket), "status")
        meters = from_document(document).meters
    except (CommandError, DocumentError, ValueError):
        return {}
    found: dict[str, list[MeterView]] = {}
    for meter in () if isinstance(meters, Absent) else meters:
        try:
            address = PortAddress.parse(meter.port.partition(" ")[0])
        except PortError:  # another release writes it in another way
            continue
        found.setdefault(_device(address), []).append(meter)
    return found


def at(served: dict[str, list[MeterView]], address: PortAddress) -> list[MeterView]:
    """The meters that the service reads at a port, by whichever of its names it is called."""
    return served.get(_device(address), [])


def line(meter: MeterView) -> str:
    """One of them, for people."""
    return f"{meter.port}: {meter.model}, {wording.age(meter.age_ms)}, quality {meter.quality}"


def _device(address: PortAddress) -> str:
    """What a name of a port stands for at the moment."""
    if address.kind == "serial":
        return str(Path(address.device).resolve())
    return f"{address.host}:{address.port}"
