"""What the parts report becomes what people see: real parts, real reports."""

from dataclasses import replace
from decimal import Decimal
from functools import partial

from firmware_app.clock.gate import ClockGate, Sync
from firmware_app.clock.params import ClockParams
from firmware_app.status import views
from firmware_app.status.snapshot import Absent
from firmware_app.watchdog.parts import Part
from firmware_app.watchdog.watch import Watch
from light_client.client.status import ProofLevel, Standing, Status
from light_client.rules.light import LightParams, Update, trust_genesis, verify_update
from meter_io.reading import MeterId, Moment, Quality, Reading, TimeBasis
from tests.light_kit import epochs

NOW_MS = 1_790_000_000_000
STATUS = Status(
    standing=Standing.FOLLOWING,
    level=ProofLevel.OWN_TRADES,
    why="",
    height=7,
    header_time_ms=NOW_MS - 3_000,
    audited_height=7,
    server="server-0",
    switches=0,
    witness_agreed_ms=None,
    unproven_trades=0,
    refused={},
)
READING = Reading(
    meter=MeterId("house"),
    moment=Moment(utc_ms=NOW_MS, monotonic_ms=10_000, basis=TimeBasis.RECEIVED),
    import_j=3_600_000,
    export_j=None,
    power_w=Decimal("-2312.4"),
    quality=Quality.GOOD,
)


def test_the_clock_before_and_after_it_is_trusted() -> None:
    gate = ClockGate(ClockParams(settle_ms=0), max_drift_ms=10_000, monotonic_ms=1_000)
    closed = views.clock_view(gate.report(), 5_000)
    assert (closed.state, closed.since_ago_ms) == ("untrusted", 4_000)
    assert closed.offset_us == Absent("no time service was asked yet")
    sync = Sync(source="chrony", synchronised=True, offset_us=-412, error_us=900, stratum=3)
    gate.look(wall_ms=NOW_MS, monotonic_ms=6_000, sync=sync)
    opened = views.clock_view(gate.report(), 8_000)
    assert (opened.state, opened.source, opened.offset_us, opened.stratum) == ("trusted", "chrony", -412, 3)
    assert opened.synchronised_ago_ms == 2_000
    assert opened.floor_utc_ms == Absent("no header is trusted yet")


def test_the_parts() -> None:
    watch = Watch((Part(name="store", limit_ms=1_000, fresh="a commit", idle="nothing"),), now_ms=0)
    watch.idle("store", "nothing to commit", 500)
    (part,) = views.part_views(watch.report(), 700)
    assert (part.name, part.state, part.age_ms, part.idle) == ("store", "working", 200, "nothing to commit")


def test_a_meter_by_its_last_reading() -> None:
    seen = partial(views.meter_view, name="house", model="SDM630", port="ttyUSB0 id 1")
    fresh = seen(READING, monotonic_ms=10_800, counts={"rounds": 60, "damaged": 1})
    assert (fresh.power_w, fresh.age_ms, fresh.quality, fresh.rounds) == (-2_312, 800, "good", 60)
    assert fresh.export_j == Absent("the meter does not tell")
    old = seen(READING, monotonic_ms=10_000 + 180_001)
    assert old.power_w == Absent("the last reading is too old")
    assert old.import_j == 3_600_000
    none = seen(None, monotonic_ms=1, no_reading="the port is gone")
    assert none.age_ms == none.power_w == none.import_j == Absent("the port is gone")
    assert none.quality == "none"


def test_what_is_proven() -> None:
    start, blocks = epochs(1)
    trusted = trust_genesis(start)
    anchored = views.proof_view(STATUS, trusted, now_ms=NOW_MS)
    assert anchored.signed == Absent("trusted by its anchor")
    assert (anchored.header_age_ms, anchored.own_trades, anchored.own_balance) == (
        3_000,
        True,
        Absent("not asked yet"),
    )
    first = blocks[0]
    update = Update(header=first.header, certificate=first.certificate)
    _, newer = verify_update(trusted, update, start, LightParams(), first.header.time_ms)
    assert newer.height == 1
    seen = views.proof_view(STATUS, newer, now_ms=None, own_balance=True, solution_interval=5)
    assert (seen.signed, seen.needed, seen.committee) == (len(first.certificate.signatures), 3, 4)
    assert seen.header_age_ms == Absent("the time is not known")
    assert (seen.own_balance, seen.solution_interval) == (True, 5)


def test_a_client_that_waits_proves_nothing_and_says_why() -> None:
    waits = replace(STATUS, standing=Standing.WAITING_FOR_CLOCK, level=ProofLevel.NONE, why="LC-08: behind")
    seen = views.proof_view(waits, None, now_ms=None)
    assert (seen.standing, seen.level) == ("waiting for clock", "nothing")
    assert seen.own_trades == Absent("LC-08: behind")
