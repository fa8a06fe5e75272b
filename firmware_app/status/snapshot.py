"""The one description of the device at a moment: what terminal, page, metrics, doctor and JSON all show.

Every number carries its unit in its name, and every part its age. What is not known is `Absent` with the reason, never
zero. Whole sections may be absent: the page renders when everything else failed.

Units: J energy, W power, ms duration, µs clock offset, uc micro-currency, bytes. `..._ago_ms` and `age_ms` are
durations before the snapshot was made, by the monotonic clock.

These pages are the owner's: they show trades, but no address. What leaves the board takes identity or trades, never
both (`metrics.py`, `bundle.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

SCHEMA: Final = "gridlight.status/1"
MAX_POINTS: Final = 100
"""Intervals of the last day that a snapshot holds."""
MAX_LISTED: Final = 64
"""Meters, links, parts or warnings that a snapshot holds."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands for a value that is not known.

    Attributes:
        why: one short clause: `no reading yet`, `the service is not running`.
    """

    why: str


Maybe: TypeAlias = T | Absent
"""A value, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Who this is."""

    name: str
    version: str
    up_ms: int
    """Since the service started, ms."""
    feeder: Maybe[int] = Absent("not enrolled")
    genesis: Maybe[str] = Absent("not enrolled")
    """First eight bytes of the chain's id, hex in groups of four."""
    simulated: bool = False
    """Whether readings are made up: shown on every screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What the device is doing, in one word."""

    state: str
    """Of the lifecycle table: unprovisioned, waiting for clock, syncing, trading, degraded, halted."""
    since_ago_ms: int
    sentence: str = ""
    """What that means at the moment, or why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The computer."""

    title: str
    """System and architecture: `Debian 13 armhf`."""
    resident_bytes: Maybe[int]
    memory_free_bytes: Maybe[int]
    disk_free_bytes: Maybe[int]
    """Of the file system that holds the store."""
    root_read_only: Maybe[bool]
    temperature_mc: Maybe[int]
    """Of the processor, thousandths of a degree Celsius."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView:
    """One meter."""

    name: str
    model: str
    port: str
    """Port and address: `ttyUSB0 id 1`."""
    age_ms: Maybe[int]
    """Of the last reading, good or not."""
    quality: str
    """Of the last reading; `none` before the first."""
    power_w: Maybe[int]
    """Positive when drawn from the grid."""
    import_j: Maybe[int]
    export_j: Maybe[int]
    limit_ms: int = 180_000
    """Above this age the meter counts as lost."""
    reason: str = ""
    """Of the quality; empty for good."""
    read_ms: Maybe[int] = Absent("not polled")
    """How long the last round took."""
    rounds: int = 0
    """In the last hour."""
    damaged: int = 0
    """Of these, answers that came garbled."""
    unanswered: int = 0
    """Of these, answers that did not come."""
    suspects: int = 0
    """How often in the last 30 days the counter guard began to doubt it: resets, false zeros, back-steps, jumps."""
    last_suspect: str = ""
    """The last of them: what and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockView:
    """The clock gate."""

    state: str
    """untrusted, rescued or trusted."""
    since_ago_ms: int
    source: str
    offset_us: Maybe[int]
    """Positive: the clock is fast."""
    error_us: Maybe[int]
    stratum: Maybe[int]
    floor_utc_ms: Maybe[int]
    """Newest time that a quorum vouched for: the clock is never believed to be earlier."""
    synchronised_ago_ms: Maybe[int]
    jumps: int = 0
    reason: str = ""
    """Why the gate is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What this home trades in the running interval."""

    side: str
    """sold or bought."""
    done_j: int
    """Finalised and verified."""
    wanted_j: int
    """Offered."""
    price_uc_per_kwh: Maybe[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """Trading. Amounts are for the owner's own screens alone."""

    interval: int
    """Index, UTC seconds // interval_s."""
    interval_s: int
    ends_in_ms: int
    position: Maybe[Position]
    sold_today_j: int
    bought_today_j: int
    earned_today_uc: int
    """Received less paid; negative: paid."""
    currency: str = "EUR"
    last_offer: str = ""
    """What became of the last offer, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryView:
    """The battery. For the owner's own screens alone."""

    meter: str
    """Who tells what it holds."""
    stored_j: Maybe[int]
    capacity_j: int
    hold_j: int
    """What must stay in it for promises and reserve: the lower limit for whoever steers the inverter."""
    age_ms: Maybe[int]
    """Of the newest state of charge."""
    sells: bool
    """Whether anything is sold out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedView:
    """What was metered against what was traded. For the owner's own screens alone."""

    today_deviation_j: int
    """Metered less traded since midnight UTC, fed in less drawn; negative: drawn beside the market."""
    today_owed_uc: int
    """Owed for it so far; negative: due to the home."""
    days: int
    """How many days before today are added up, at most thirty."""
    owed_uc: int
    """Owed for the deviations of those days; negative: due to the home."""
    provisional: int
    """Intervals of those days that a correction may still change."""
    reported_utc_ms: Maybe[int]
    """Beginning of the newest day that was reported to the operator."""
    version: Maybe[int]
    """Of that report."""
    waiting: int
    """Reports that the operator has not acknowledged."""
    currency: str = "EUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofView:
    """What the light client has proven."""

    standing: str
    level: str
    """nothing, headers, own trades or whole solutions."""
    height: int
    header_age_ms: Maybe[int]
    signed: Maybe[int]
    """Votes of the committee that signed the header: one a member, unless members have weights."""
    needed: Maybe[int]
    committee: Maybe[int]
    own_trades: Maybe[bool]
    own_balance: Maybe[bool]
    solution_interval: Maybe[int]
    """Newest interval whose whole clearing was judged anew."""
    trade_verified_ago_ms: Maybe[int] = Absent("no trade yet")
    limit_ms: int = 1_800_000
    """Above this age of the header the chain counts as behind."""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """One peer."""

    name: str
    role: str
    """market, witness or management."""
    up: bool
    since_ago_ms: int
    """Since when it is up, or down."""
    latency_ms: Maybe[int] = Absent("not measured")
    certificate_days: Maybe[int] = Absent("no certificate")
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """The forecast in use."""

    subject: str
    """PV, load or net."""
    age_ms: int
    next_hour_j: int
    """Median."""
    p10_j: int
    p90_j: int
    skill_permille: Maybe[int]
    """Better than the seasonal-naive forecast, per mille of its loss; negative: worse."""
    fallback: str = ""
    """Why the naive forecast is used instead; empty: it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreView:
    """Storage."""

    waiting: int
    """Records that the tier or the operator must still get."""
    used_bytes: int
    quota_bytes: int
    written_today_bytes: int
    holds_days: Maybe[int]
    """How many days fit at the present rate."""
    buffer_days: Maybe[int]
    """How long what waits can still grow."""
    read_only: bool = False
    problem: str = ""
    """What the last check of its integrity found, or the last error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigView:
    """The configuration in force, and the one that the operator wants."""

    version: int
    state: str
    """healthy, on trial, rejected or rolled back."""
    since_ago_ms: Maybe[int]
    file: str
    keys: int = 0
    depth: str = "syntax, meaning"
    """How deep it was checked."""
    desired: Maybe[int] = Absent("no operator")
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """One root file system of two."""

    name: str
    state: str
    booted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    """One watched part of the program."""

    name: str
    state: str
    """working, stale or given up."""
    age_ms: int
    """Since its last sign of life."""
    limit_ms: int
    idle: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPoint:
    """One interval of the last day."""

    interval: int
    net_j: Maybe[int]
    """Metered: drawn from the grid less fed into it."""
    traded_j: Maybe[int]
    """Finalised trades: bought less sold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that somebody should know, worst first; made by `health.py`."""

    code: str
    """Stable: docs/status.md lists all."""
    severity: str
    """failure or warning."""
    subject: str
    """Which meter, link or part; empty where there is one only."""
    since_ago_ms: int
    sentence: str
    next: str
    """What to do or to type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The device at one moment."""

    made_utc_ms: Maybe[int]
    """By the clock gate."""
    made_monotonic_ms: int
    zone_offset_s: int
    """Local time less UTC, s, for showing."""
    device: Device
    life: Life
    board: Maybe[Board] = Absent("not looked at")
    meters: Maybe[tuple[MeterView, ...]] = Absent("no meter configured")
    clock: Maybe[ClockView] = Absent("not looked at")
    market: Maybe[MarketView] = Absent("not trading")
    battery: Maybe[BatteryView] = Absent("none configured")
    owed: Maybe[OwedView] = Absent("nothing metered yet")
    proof: Maybe[ProofView] = Absent("no chain yet")
    links: Maybe[tuple[LinkView, ...]] = Absent("not connected")
    forecast: Maybe[ForecastView] = Absent("not enough readings yet")
    store: Maybe[StoreView] = Absent("not open")
    config: Maybe[ConfigView] = Absent("not loaded")
    slots: Maybe[tuple[SlotView, ...]] = Absent("not an image with two slots")
    parts: Maybe[tuple[PartView, ...]] = Absent("not watched")
    day: Maybe[tuple[DayPoint, ...]] = Absent("no finished interval yet")
    notices: tuple[Notice, ...] = ()
