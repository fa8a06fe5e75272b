"""Snapshots of devices that fare differently, for the tests of everything that shows them."""

from __future__ import annotations

import math
from dataclasses import replace

from firmware_app.status.snapshot import (
    Absent,
    BatteryView,
    Board,
    ClockView,
    ConfigView,
    DayPoint,
    Device,
    ForecastView,
    Life,
    LinkView,
    MarketView,
    MeterView,
    OwedView,
    PartView,
    Position,
    ProofView,
    SlotView,
    Snapshot,
    StoreView,
)

NOW_MS = 1_781_435_232_000
"""Sun 14 Jun 2026, 13:07:12 at +02:00."""
INTERVAL = NOW_MS // 900_000
DAY_MS = 86_400_000
KWH = 3_600_000


def _day() -> tuple[DayPoint, ...]:
    """A sunny day: sold at noon, bought in the evening, an hour without readings at night."""
    points = []
    for back in range(96, 0, -1):
        interval = INTERVAL - back
        hour = (interval * 900 // 3_600 + 2) % 24 + (interval % 4) / 4
        sun = max(0.0, math.sin((hour - 6) / 14 * math.pi)) ** 1.4 if 6 < hour < 20 else 0.0
        load = 0.35 + 0.5 * math.exp(-((hour - 19.5) ** 2) / 3) + 0.25 * math.exp(-((hour - 7.5) ** 2) / 1.5)
        wobble = 0.12 * math.sin(interval * 2.3) + 0.08 * math.sin(interval * 0.7)
        net_kw = load + wobble * (1 + sun) - 3.1 * sun
        missing = 3 <= hour < 4
        traded = round(net_kw * 900_000 * 0.86 / 3_600) * 3_600 if abs(net_kw) > 0.3 else 0
        points.append(
            DayPoint(
                interval=interval,
                net_j=Absent("no readings") if missing else round(net_kw * 900_000),
                traded_j=traded,
            )
        )
    return tuple(points)


METER = MeterView(
    name="house",
    model="Eastron SDM630",
    port="ttyUSB0 id 1",
    age_ms=800,
    quality="good",
    power_w=-2_312,
    import_j=51_776_701_200,
    export_j=14_058_792_000,
    read_ms=62,
    rounds=3_600,
    damaged=2,
    unanswered=1,
)
LINKS = (
    LinkView(name="server-1", role="market", up=True, since_ago_ms=DAY_MS, latency_ms=34),
    LinkView(name="server-2", role="market", up=True, since_ago_ms=3 * DAY_MS, latency_ms=41),
    LinkView(name="witness-1", role="witness", up=True, since_ago_ms=9 * DAY_MS, latency_ms=52),
    LinkView(
        name="witness-2", role="witness", up=False, since_ago_ms=41 * 60_000, error="connection refused"
    ),
    LinkView(
        name="operator",
        role="management",
        up=True,
        since_ago_ms=2 * DAY_MS,
        latency_ms=41,
        certificate_days=211,
    ),
)
BOARD = Board(
    title="Debian 13 armhf",
    resident_bytes=41_200_000,
    memory_free_bytes=212_000_000,
    disk_free_bytes=1_900_000_000,
    root_read_only=True,
    temperature_mc=48_300,
)
FORECAST = ForecastView(
    subject="PV",
    age_ms=420_000,
    next_hour_j=KWH * 21 // 10,
    p10_j=KWH * 14 // 10,
    p90_j=KWH * 26 // 10,
    skill_permille=230,
)
STORE = StoreView(
    waiting=0,
    used_bytes=39_040_000,
    quota_bytes=64_000_000,
    written_today_bytes=2_100_000,
    holds_days=412,
    buffer_days=160,
)
CONFIG = ConfigView(
    version=17,
    state="healthy",
    since_ago_ms=3 * DAY_MS,
    file="/etc/gridlight/gridlight.toml",
    keys=31,
    depth="syntax, meaning, hardware",
    desired=17,
)
TRADING = Snapshot(
    made_utc_ms=NOW_MS,
    made_monotonic_ms=12 * DAY_MS + 4 * 3_600_000,
    zone_offset_s=7_200,
    device=Device(
        name="meter-0427",
        version="0.4.0",
        up_ms=12 * DAY_MS + 4 * 3_600_000,
        feeder=7,
        genesis="9f31 c2a0 1b7e 55d4",
    ),
    life=Life(
        state="trading",
        since_ago_ms=7 * 3_600_000 + 5 * 60_000,
        sentence="Offers are posted and every own trade is verified.",
    ),
    board=BOARD,
    meters=(METER,),
    clock=ClockView(
        state="trusted",
        since_ago_ms=12 * DAY_MS,
        source="chrony",
        offset_us=-412,
        error_us=21_000,
        stratum=3,
        floor_utc_ms=NOW_MS - 14_000,
        synchronised_ago_ms=700,
    ),
    market=MarketView(
        interval=INTERVAL,
        interval_s=900,
        ends_in_ms=7 * 60_000 + 48_000,
        position=Position(side="sold", done_j=KWH // 2, wanted_j=KWH // 2, price_uc_per_kwh=142_000),
        sold_today_j=KWH * 25 // 4,
        bought_today_j=KWH * 3 // 4,
        earned_today_uc=890_000,
        last_offer="traded in full",
    ),
    battery=BatteryView(
        meter="cellar",
        stored_j=12_960_000,
        capacity_j=23_040_000,
        hold_j=3_600_000,
        age_ms=4_000,
        sells=True,
    ),
    owed=OwedView(
        today_deviation_j=-4_536_000,
        today_owed_uc=378_000,
        days=30,
        owed_uc=-2_150_000,
        provisional=2,
        reported_utc_ms=NOW_MS // DAY_MS * DAY_MS - DAY_MS,
        version=1,
        waiting=0,
    ),
    proof=ProofView(
        standing="following",
        level="whole solutions",
        height=40_812,
        header_age_ms=3_000,
        signed=6,
        needed=5,
        committee=7,
        own_trades=True,
        own_balance=True,
        solution_interval=INTERVAL,
        trade_verified_ago_ms=420_000,
    ),
    links=LINKS,
    forecast=FORECAST,
    store=STORE,
    config=CONFIG,
    slots=(SlotView(name="A", state="good", booted=True), SlotView(name="B", state="good", booted=False)),
    parts=tuple(
        PartView(name=name, state="working", age_ms=800, limit_ms=180_000)
        for name in ("meter:ttyUSB0", "store", "clock", "market", "trader", "page")
    ),
    day=_day(),
)
"""All is well, but for a witness."""

BARE = Snapshot(
    made_utc_ms=Absent("the clock is not trusted"),
    made_monotonic_ms=0,
    zone_offset_s=0,
    device=Device(name="meter-0427", version="0.4.0", up_ms=1_200),
    life=Life(state="unprovisioned", since_ago_ms=1_200),
)
"""Nothing is known yet."""

FAILED = replace(
    TRADING,
    made_utc_ms=Absent("the clock is not trusted"),
    life=Life(
        state="degraded",
        since_ago_ms=5 * 3_600_000,
        sentence="Readings are kept; nothing is offered until the causes below are gone.",
    ),
    board=replace(BOARD, disk_free_bytes=3_000_000, temperature_mc=84_000, resident_bytes=63_000_000),
    meters=(
        replace(
            METER,
            age_ms=5 * 3_600_000,
            power_w=Absent("no reading for 5 h"),
            rounds=3_600,
            damaged=430,
            unanswered=3_100,
        ),
        replace(
            METER,
            name="pv",
            model="ABB B23",
            port="ttyUSB1 id 4",
            quality="false-zero",
            reason="0 after 3905",
        ),
    ),
    clock=ClockView(
        state="untrusted",
        since_ago_ms=5 * 3_600_000,
        source="",
        offset_us=Absent("not synchronised"),
        error_us=Absent("not synchronised"),
        stratum=Absent("not synchronised"),
        floor_utc_ms=NOW_MS - 5 * 3_600_000,
        synchronised_ago_ms=5 * 3_600_000,
        jumps=1,
        reason="the clock was set back by 86400 s",
    ),
    market=Absent("the time is not known"),
    proof=ProofView(
        standing="waiting for the clock",
        level="nothing",
        height=40_790,
        header_age_ms=Absent("the time is not known"),
        signed=Absent("waiting for the clock"),
        needed=Absent("waiting for the clock"),
        committee=Absent("waiting for the clock"),
        own_trades=False,
        own_balance=Absent("no answer"),
        solution_interval=Absent("never"),
    ),
    links=tuple(
        replace(link, up=False, since_ago_ms=5 * 3_600_000, error="no route to host") for link in LINKS
    ),
    forecast=replace(FORECAST, fallback="no readings for 5 h", skill_permille=Absent("not scored")),
    store=replace(STORE, waiting=19_204, used_bytes=63_100_000, read_only=True, problem="disk I/O error"),
    config=replace(
        CONFIG,
        state="rejected",
        desired=18,
        problem="unknown key market.lot: did you mean market.lot_wh?",
    ),
    slots=(SlotView(name="A", state="good", booted=True), SlotView(name="B", state="bad", booted=False)),
    parts=(PartView(name="meter:ttyUSB0", state="given up", age_ms=900_000, limit_ms=180_000, restarts=3),),
    day=Absent("the time is not known"),
)
"""All that can fail has failed."""
