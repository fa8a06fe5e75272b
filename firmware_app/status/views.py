"""From what the parts of the device report to the views of a snapshot: the only place that knows both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from firmware_app.clock.gate import ClockReport
from firmware_app.config.schema import BatterySection
from firmware_app.device.charge import ChargeReport
from firmware_app.device.reporting import Owing
from firmware_app.status.snapshot import (
    Absent,
    BatteryView,
    ClockView,
    Maybe,
    MeterView,
    OwedView,
    PartView,
    ProofView,
)
from firmware_app.watchdog.watch import PartReport
from light_client.client.status import ProofLevel, Standing, Status
from light_client.rules.light import TrustedState
from meter_io.reading import Reading

_DAY_MS: Final = 86_400_000
_LEVELS: Final = {
    ProofLevel.NONE: "nothing",
    ProofLevel.HEADERS: "headers",
    ProofLevel.OWN_TRADES: "own trades",
    ProofLevel.SOLUTIONS: "whole solutions",
}


def clock_view(report: ClockReport, monotonic_ms: int) -> ClockView:
    """The clock gate."""
    why = report.reason or f"not told by {report.source or 'anybody'}"
    synchronised = report.synchronised_ms
    return ClockView(
        state=report.state.value,
        since_ago_ms=monotonic_ms - report.since_ms,
        source=report.source,
        offset_us=_or(report.offset_us, why),
        error_us=_or(report.error_us, why),
        stratum=_or(report.stratum, why),
        floor_utc_ms=_or(report.floor_ms, "no header is trusted yet"),
        synchronised_ago_ms=Absent("never") if synchronised is None else monotonic_ms - synchronised,
        jumps=report.jumps,
        reason=report.reason,
    )


def battery_view(section: BatterySection, report: ChargeReport, hold_j: int) -> BatteryView:
    """The battery."""
    return BatteryView(
        meter=section.meter,
        stored_j=_or(report.stored_j, report.why),
        capacity_j=section.capacity_j,
        hold_j=hold_j,
        age_ms=_or(report.age_ms, report.why),
        sells=section.sell,
    )


def owed_view(owing: Owing) -> OwedView:
    """What is owed."""
    nothing = "not yet" if owing.is_reported else "[report] operator_key is not set"
    day, version = owing.reported or (None, None)
    return OwedView(
        today_deviation_j=owing.today.deviation_j,
        today_owed_uc=owing.today.owed_uc,
        days=owing.days,
        owed_uc=owing.owed_uc,
        provisional=owing.provisional,
        reported_utc_ms=_or(None if day is None else day * _DAY_MS, nothing),
        version=_or(version, nothing),
        waiting=owing.waiting,
    )


def part_views(reports: tuple[PartReport, ...], monotonic_ms: int) -> tuple[PartView, ...]:
    """The watched parts."""
    return tuple(
        PartView(
            name=report.name,
            state=report.state.value,
            age_ms=monotonic_ms - report.shown_ms,
            limit_ms=report.limit_ms,
            idle=report.idle,
            restarts=report.restarts,
        )
        for report in reports
    )


def meter_view(
    reading: Reading | None,
    *,
    name: str,
    model: str,
    port: str,
    monotonic_ms: int,
    no_reading: str = "no reading yet",
    limit_ms: int = 180_000,
    counts: Mapping[str, int] | None = None,
    last_suspect: str = "",
) -> MeterView:
    """One meter.

    Args:
        reading: the last one; None before the first.
        name: of the meter, from the configuration.
        model: of its profile.
        port: port and address, `ttyUSB0 id 1`.
        monotonic_ms: now.
        no_reading: why there is none.
        limit_ms: above this age the meter counts as lost.
        counts: `read_ms`, `rounds`, `damaged`, `unanswered` and `suspects`, as far as they are known.
        last_suspect: the last time that it was not believed.
    """
    known = counts or {}
    absent = Absent(no_reading)
    gone = Absent("the meter does not tell")
    age_ms = None if reading is None else monotonic_ms - reading.moment.monotonic_ms
    lost = age_ms is not None and age_ms > limit_ms
    power_w: Maybe[int] = absent
    if lost:
        power_w = Absent("the last reading is too old")
    elif reading is not None:
        power_w = gone if reading.power_w is None else round(reading.power_w)
    return MeterView(
        name=name,
        model=model,
        port=port,
        age_ms=_or(age_ms, no_reading),
        quality="none" if reading is None else reading.quality.value,
        power_w=power_w,
        import_j=absent if reading is None else _or(reading.import_j, gone.why),
        export_j=absent if reading is None else _or(reading.export_j, gone.why),
        limit_ms=limit_ms,
        reason="" if reading is None else reading.reason,
        read_ms=_or(known.get("read_ms"), "not polled"),
        rounds=known.get("rounds", 0),
        damaged=known.get("damaged", 0),
        unanswered=known.get("unanswered", 0),
        suspects=known.get("suspects", 0),
        last_suspect=last_suspect,
    )


def proof_view(
    status: Status,
    trusted: TrustedState | None,
    *,
    now_ms: int | None,
    own_balance: bool | None = None,
    solution_interval: int | None = None,
    trade_verified_ago_ms: int | None = None,
    limit_ms: int = 1_800_000,
) -> ProofView:
    """What the light client has proven.

    Args:
        status: of the light client.
        trusted: what it trusts: whose signatures are counted.
        now_ms: UTC ms by the clock gate; None while it is closed.
        own_balance: whether the last proof of the own account agreed; None before the first.
        solution_interval: newest interval whose clearing was judged anew.
        trade_verified_ago_ms: when an own trade was last proven.
        limit_ms: above this age of the header the chain counts as behind.
    """
    why = status.why or status.standing.value
    follows = status.standing is Standing.FOLLOWING
    reached = status.level in {ProofLevel.OWN_TRADES, ProofLevel.SOLUTIONS}
    signed: Maybe[int] = Absent("trusted by its anchor")
    needed: Maybe[int] = signed
    committee: Maybe[int] = signed
    if trusted is not None and trusted.certificate is not None:
        bitmap, members = trusted.certificate.bitmap, trusted.signers.members
        signed = sum(member.weight for seat, member in enumerate(members) if bitmap >> seat & 1)
        committee = trusted.signers.total_weight
        needed = 2 * committee // 3 + 1
    age: Maybe[int] = Absent("the time is not known")
    if now_ms is not None:
        age = max(0, now_ms - status.header_time_ms)
    return ProofView(
        standing=status.standing.value.replace("the ", ""),
        level=_LEVELS[status.level],
        height=status.height,
        header_age_ms=age,
        signed=signed,
        needed=needed,
        committee=committee,
        own_trades=reached if follows else Absent(why),
        own_balance=Absent("not asked yet") if own_balance is None else own_balance,
        solution_interval=_or(solution_interval, "not judged yet"),
        trade_verified_ago_ms=_or(trade_verified_ago_ms, "no trade yet"),
        limit_ms=limit_ms,
        why=status.why,
    )


def _or(value: int | None, why: str) -> Maybe[int]:
    return Absent(why) if value is None else value
