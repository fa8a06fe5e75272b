"""The snapshot for Prometheus: the text exposition format, version 0.0.4.

Metrics leave the board together with its identity, so they hold nothing of trades: no amounts, no prices, and no power
or energy of the meter either, since these would find its offers again on the public ledger.

Source: Prometheus documentation, "Exposition formats".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from firmware_app.status.snapshot import Absent, Maybe, Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LEVELS: Final = ("nothing", "headers", "own trades", "whole solutions")


class Metric(NamedTuple):
    """One number.

    Attributes:
        name: with its unit, as Prometheus wants it; a key of `METRICS`.
        value: a number; milliseconds and microseconds have become seconds.
        labels: names and values.
    """

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


METRICS: Final = {
    "gridlight_info": "1; labels say which release on which device",
    "gridlight_state": "1 for the state of the lifecycle that the device is in",
    "gridlight_state_seconds": "how long it has been in this state",
    "gridlight_up_seconds": "how long the service has been running",
    "gridlight_snapshot_age_seconds": "how old these numbers are",
    "gridlight_notices": "failures and warnings that hold, by code",
    "gridlight_resident_bytes": "memory that the program holds",
    "gridlight_memory_free_bytes": "memory that is free on the board",
    "gridlight_disk_free_bytes": "free bytes where the store is",
    "gridlight_temperature_celsius": "temperature of the processor",
    "gridlight_reading_age_seconds": "age of the last reading, by meter",
    "gridlight_reading_good": "1 if the last reading is believed, by meter",
    "gridlight_meter_rounds_1h": "rounds of the last hour, by meter",
    "gridlight_meter_damaged_1h": "answers of the last hour that came garbled, by meter",
    "gridlight_meter_unanswered_1h": "answers of the last hour that did not come, by meter",
    "gridlight_meter_suspects_30d": "readings of 30 days that the counter guard did not believe, by meter",
    "gridlight_clock_open": "1 if the time is known",
    "gridlight_clock_offset_seconds": "offset of the clock as its time service estimates it; positive is fast",
    "gridlight_clock_error_seconds": "largest error as the time service estimates it",
    "gridlight_clock_jumps": "jumps of the clock since the start",
    "gridlight_header_height": "height of the newest verified header",
    "gridlight_header_age_seconds": "age of the newest verified header",
    "gridlight_proof_level": "0 nothing, 1 headers, 2 own trades, 3 whole solutions",
    "gridlight_link_up": "1 if a peer answers",
    "gridlight_link_latency_seconds": "how long a peer takes to answer",
    "gridlight_forecast_skill_ratio": "better than the naive forecast by this share of its loss",
    "gridlight_forecast_fallback": "1 if the naive forecast is used",
    "gridlight_store_waiting": "records that the tier or the operator must still get",
    "gridlight_store_used_bytes": "size of the store",
    "gridlight_store_quota_bytes": "what the store may grow to",
    "gridlight_store_written_today_bytes": "bytes written to flash since midnight UTC",
    "gridlight_store_holds_days": "days that fit into the store at the present rate",
    "gridlight_config_version": "version of the configuration in force",
    "gridlight_config_desired": "version that the operator wants",
    "gridlight_part_age_seconds": "since a part last showed itself, by part",
    "gridlight_part_restarts": "restarts of a part since the service started",
}
"""Name -> help. docs/status.md lists the same; a test holds them together."""


def render(snapshot: Snapshot, *, age_ms: int = 0) -> str:
    """The text that Prometheus scrapes; what is absent is left out, never zero."""
    by_name: dict[str, list[Metric]] = {name: [] for name in METRICS}
    by_name["gridlight_snapshot_age_seconds"].append(Metric("gridlight_snapshot_age_seconds", age_ms / 1_000))
    for metric in metrics(snapshot):
        by_name[metric.name].append(metric)
    lines: list[str] = []
    for name, found in by_name.items():
        if found:
            lines += [f"# HELP {name} {METRICS[name]}", f"# TYPE {name} gauge"]
            lines += map(line, found)
    return "\n".join(lines) + "\n"


def line(metric: Metric) -> str:
    """One number as Prometheus reads it."""
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in metric.labels)
    return (
        f"{metric.name}{{{labels}}} {metric.value:.15g}" if labels else f"{metric.name} {metric.value:.15g}"
    )


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def metrics(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield every number that is known."""
    device, life = snapshot.device, snapshot.life
    yield Metric("gridlight_info", 1, (("device", device.name), ("version", device.version)))
    yield Metric("gridlight_state", 1, (("state", life.state),))
    yield Metric("gridlight_state_seconds", life.since_ago_ms / 1_000)
    yield Metric("gridlight_up_seconds", device.up_ms / 1_000)
    for (code, severity), count in Counter(
        (notice.code, notice.severity) for notice in snapshot.notices
    ).items():
        yield Metric("gridlight_notices", count, (("code", code), ("severity", severity)))
    yield from _board(snapshot)
    yield from _meters(snapshot)
    yield from _clock(snapshot)
    yield from _ledger(snapshot)
    yield from _forecast(snapshot)
    yield from _store(snapshot)
    yield from _config(snapshot)
    yield from _parts(snapshot)


def _maybe(
    name: str, value: Maybe[int], labels: tuple[tuple[str, str], ...] = (), per: int = 1
) -> Iterator[Metric]:
    if not isinstance(value, Absent):
        yield Metric(name, value / per, labels)


def _board(snapshot: Snapshot) -> Iterator[Metric]:
    board = snapshot.board
    if isinstance(board, Absent):
        return
    yield from _maybe("gridlight_resident_bytes", board.resident_bytes)
    yield from _maybe("gridlight_memory_free_bytes", board.memory_free_bytes)
    yield from _maybe("gridlight_disk_free_bytes", board.disk_free_bytes)
    yield from _maybe("gridlight_temperature_celsius", board.temperature_mc, per=1_000)


def _meters(snapshot: Snapshot) -> Iterator[Metric]:
    for meter in () if isinstance(snapshot.meters, Absent) else snapshot.meters:
        labels = (("meter", meter.name),)
        yield from _maybe("gridlight_reading_age_seconds", meter.age_ms, labels, per=1_000)
        yield Metric("gridlight_reading_good", int(meter.quality == "good"), labels)
        yield Metric("gridlight_meter_rounds_1h", meter.rounds, labels)
        yield Metric("gridlight_meter_damaged_1h", meter.damaged, labels)
        yield Metric("gridlight_meter_unanswered_1h", meter.unanswered, labels)
        yield Metric("gridlight_meter_suspects_30d", meter.suspects, labels)


def _clock(snapshot: Snapshot) -> Iterator[Metric]:
    clock = snapshot.clock
    if isinstance(clock, Absent):
        return
    yield Metric("gridlight_clock_open", int(clock.state != "untrusted"))
    yield from _maybe("gridlight_clock_offset_seconds", clock.offset_us, per=1_000_000)
    yield from _maybe("gridlight_clock_error_seconds", clock.error_us, per=1_000_000)
    yield Metric("gridlight_clock_jumps", clock.jumps)


def _ledger(snapshot: Snapshot) -> Iterator[Metric]:
    proof = snapshot.proof
    if not isinstance(proof, Absent):
        yield Metric("gridlight_header_height", proof.height)
        yield from _maybe("gridlight_header_age_seconds", proof.header_age_ms, per=1_000)
        if proof.level in _LEVELS:
            yield Metric("gridlight_proof_level", _LEVELS.index(proof.level))
    for link in () if isinstance(snapshot.links, Absent) else snapshot.links:
        labels = (("peer", link.name), ("role", link.role))
        yield Metric("gridlight_link_up", int(link.up), labels)
        yield from _maybe("gridlight_link_latency_seconds", link.latency_ms, labels, per=1_000)


def _forecast(snapshot: Snapshot) -> Iterator[Metric]:
    forecast = snapshot.forecast
    if isinstance(forecast, Absent):
        return
    labels = (("subject", forecast.subject),)
    yield from _maybe("gridlight_forecast_skill_ratio", forecast.skill_permille, labels, per=1_000)
    yield Metric("gridlight_forecast_fallback", int(bool(forecast.fallback)), labels)


def _store(snapshot: Snapshot) -> Iterator[Metric]:
    store = snapshot.store
    if isinstance(store, Absent):
        return
    yield Metric("gridlight_store_waiting", store.waiting)
    yield Metric("gridlight_store_used_bytes", store.used_bytes)
    yield Metric("gridlight_store_quota_bytes", store.quota_bytes)
    yield Metric("gridlight_store_written_today_bytes", store.written_today_bytes)
    yield from _maybe("gridlight_store_holds_days", store.holds_days)


def _config(snapshot: Snapshot) -> Iterator[Metric]:
    config = snapshot.config
    if not isinstance(config, Absent):
        yield Metric("gridlight_config_version", config.version)
        yield from _maybe("gridlight_config_desired", config.desired)


def _parts(snapshot: Snapshot) -> Iterator[Metric]:
    for part in () if isinstance(snapshot.parts, Absent) else snapshot.parts:
        labels = (("part", part.name),)
        yield Metric("gridlight_part_age_seconds", part.age_ms / 1_000, labels)
        yield Metric("gridlight_part_restarts", part.restarts, labels)
