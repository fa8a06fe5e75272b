"""The agent: what it takes over, what it goes back from, and what a restart at any point leaves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.fleet.events import DidApply, Health, Keep, Offered, Report, Started, Tick
from firmware_app.fleet.memory import Phase, memory_from_bytes
from firmware_app.fleet.takeover import MAX_STARTS, TRANSITIONS
from tests.firmware_app.fleet.world import (
    ANNA,
    BERT,
    CLEO,
    DORA,
    KEY_SET,
    NOW_MS,
    Driver,
    bundle,
    delta,
    example,
    memory,
    next_key_set,
    signed,
    signers,
)


def lot(driver: Driver) -> int:
    """The setting that the tests change, as the device runs by it."""
    return int(driver.running["privacy"]["lot_wh"])


OLD = example()["privacy"]["lot_wh"]


def test_a_bundle_is_applied_at_once_and_kept_after_it_proved_itself() -> None:
    driver = Driver()
    driver.offer(signed(bundle(1)))
    assert (lot(driver), driver.state["state"], driver.disk.phase) == (250, "trial", Phase.TRIAL)
    driver.live(5)
    assert driver.state["version"]["version"] == 0
    driver.live(7)
    assert (driver.state["state"], driver.state["version"]["version"], lot(driver)) == ("settled", 1, 250)
    assert driver.disk.current.document["privacy"]["lot_wh"] == 250
    assert driver.notes == ["fleet.staged", "fleet.committed"]


def test_the_memory_is_written_before_anything_is_applied() -> None:
    driver = Driver()
    driver.offer(signed(bundle(1)))
    kinds = [type(effect).__name__ for effect in driver.effects]
    assert kinds.index("Keep") < kinds.index("Apply")


def test_an_unhealthy_device_goes_back_and_says_why() -> None:
    driver = Driver()
    driver.offer(signed(bundle(1)))
    driver.live(70, "no fresh reading for 120 s")
    assert (lot(driver), driver.state["state"]) == (OLD, "settled")
    assert driver.state["failed"]["version"] == 1
    assert "no fresh reading" in driver.state["failed"]["reason"]
    driver.offer(signed(bundle(1)))
    assert lot(driver) == OLD, "what was rolled back comes again with every reconnection"
    assert driver.state["refused"] == {}
    driver.offer(signed(bundle(2)))
    assert lot(driver) == 250, "a newer one gets its chance"


def test_a_device_that_is_well_now_and_then_goes_back() -> None:
    driver = Driver()
    driver.offer(signed(bundle(1)))
    for _ in range(12):
        driver.live(4)
        driver.live(2, "watchdog")
    assert driver.state["failed"]["version"] == 1


def test_old_health_proves_nothing() -> None:
    driver = Driver()
    driver.live(5)
    driver.offer(signed(bundle(1)))
    driver.tell(Health())
    for _ in range(70):
        driver.monotonic_ms += 1_000
        driver.tell(Tick())
    assert driver.state["version"]["version"] == 0, "well once, and then no word: not kept"
    assert driver.state["failed"]["version"] == 1


def test_what_cannot_be_applied_is_gone_back_from() -> None:
    driver = Driver()
    driver.cannot_apply = "port busy"
    driver.offer(signed(bundle(1)))
    assert driver.state["state"] == "rolling-back"
    driver.cannot_apply = ""
    driver.live(61)
    assert (driver.state["state"], lot(driver)) == ("settled", OLD)
    assert "port busy" in driver.state["failed"]["reason"]


def test_a_device_that_restarts_again_and_again_goes_back() -> None:
    driver = Driver()
    driver.offer(signed(bundle(1)))
    for _ in range(MAX_STARTS):
        assert driver.disk.phase is Phase.TRIAL
        driver = Driver(driver.disk)
        driver.tell(Started())
    assert (driver.disk.phase, lot(driver)) == (Phase.SETTLED, OLD)
    assert "restarted" in driver.state["failed"]["reason"]


def test_a_delta_that_is_not_for_this_version_waits_for_those_between() -> None:
    driver = Driver()
    driver.offer(signed(bundle(2, delta(("store.quota_mb", 32), base=1))))
    assert (driver.state["state"], driver.state["waiting_for"]) == ("settled", "version 1")
    driver.offer(signed(bundle(1)))
    driver.live(12)
    driver.live(12)
    assert driver.state["version"]["version"] == 2
    assert (lot(driver), driver.running["store"]["quota_mb"]) == (250, 32)


def test_of_several_that_wait_for_the_time_the_newest_is_taken() -> None:
    driver = Driver(knows_time=False)
    for version in (1, 3, 2):
        driver.offer(signed(bundle(version, delta(("privacy.lot_wh", 100 * version)))))
    assert (driver.state["waiting_for"], driver.disk) == ("a trusted time", memory())
    driver.knows_time = True
    driver.live(12)
    assert (driver.state["version"]["version"], lot(driver)) == (3, 300)
    driver.offer(signed(bundle(2)))
    assert driver.state["refused"] == {"FLT-09": 1}


def test_a_rescue_needs_no_clock() -> None:
    driver = Driver(knows_time=False)
    driver.offer(signed(bundle(1, needs_clock=False)))
    assert lot(driver) == 250


def test_a_newer_bundle_waits_for_the_trial_and_is_taken_then() -> None:
    driver = Driver()
    driver.offer(signed(bundle(1)))
    driver.offer(signed(bundle(2, delta(("privacy.lot_wh", 500)))))
    assert lot(driver) == 250
    driver.live(12)
    assert lot(driver) == 500


def test_a_new_key_set_revokes_what_a_stolen_key_signed() -> None:
    roles = (KEY_SET.roles[0], signers(1, BERT), KEY_SET.roles[2])
    fresh, raw = next_key_set(roles=roles)
    driver = Driver()
    driver.offer(raw)
    assert driver.disk.key_set == fresh
    driver.offer(signed(bundle((1 << 62) - 1)))
    driver.offer(signed(bundle(1, key_set=2), [ANNA]))
    assert driver.state["refused"] == {"FLT-04": 1, "FLT-05": 1}
    driver.offer(signed(bundle(1, key_set=2), [BERT]))
    assert lot(driver) == 250, "a new set begins a new count: no version can be used up"


def test_key_sets_that_arrive_out_of_order_are_followed() -> None:
    second, raw_second = next_key_set()
    third, raw_third = next_key_set(
        second, (BERT, CLEO), roles=(second.roles[0], signers(1, DORA), second.roles[2])
    )
    driver = Driver()
    driver.offer(signed(bundle(1, key_set=3), [DORA]))
    driver.offer(raw_third)
    assert driver.disk.key_set == KEY_SET
    driver.offer(raw_second)
    assert (driver.disk.key_set, lot(driver)) == (third, 250)


def test_reports_are_few_however_much_happens() -> None:
    driver = Driver()
    for number in range(2_000):
        driver.monotonic_ms += 10
        driver.tell(Offered(raw=bytes([number % 256])))
    reports = [effect for effect in driver.effects if isinstance(effect, Report)]
    assert 3 <= len(reports) <= 7
    assert set(driver.state["refused"]) == {"FLT-02", "FLT-17"}
    assert sum(driver.state["refused"].values()) == 2_000
    driver.monotonic_ms += 60_000
    driver.offer(signed(bundle(1)))
    assert lot(driver) == 250, "after the flood a good one is taken"


def test_from_every_phase_a_way_leads_to_the_end_and_from_the_end_to_every_phase() -> None:
    for start in Phase:
        reached = {start}
        while True:
            further = {after for (before, _), after in TRANSITIONS.items() if before in reached}
            if further <= reached:
                break
            reached |= further
        assert reached == set(Phase)


EVENTS = st.lists(
    st.one_of(
        st.builds(lambda v: ("offer", v), st.integers(1, 6)),
        st.just(("well", 0)),
        st.just(("ill", 0)),
        st.just(("cut", 0)),
        st.just(("stuck", 0)),
        st.just(("stray", 0)),
    ),
    max_size=25,
)


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_the_device_runs_by_one_whole_document_and_never_falls_below_its_floor(
    events: list[tuple[str, int]],
) -> None:
    driver, floor = Driver(), (0, 0)
    allowed = {OLD, *(100 * version for version in range(1, 7))}
    for what, number in events:
        if what == "offer":
            driver.offer(RAW[number])
        elif what == "well":
            driver.live(4)
        elif what == "ill":
            driver.live(20, "ill")
        elif what == "stuck":
            driver.cannot_apply = "" if driver.cannot_apply else "busy"
        elif what == "stray":
            driver.tell(DidApply())
        else:
            driver = Driver(memory_from_bytes(driver.disk.encode()))
            driver.tell(Started())
        assert driver.disk.floor >= floor
        floor = driver.disk.floor
        assert lot(driver) in allowed
        assert driver.disk.encode() == driver.agent.memory.encode()
        assert driver.disk.current.order <= floor
    driver.cannot_apply = ""
    driver.live(200)
    assert driver.disk.phase is Phase.SETTLED, "it never gets stuck"
    assert driver.running == driver.disk.current.document


RAW = {
    version: signed(bundle(version, delta(("privacy.lot_wh", 100 * version)), expires_ms=NOW_MS + 10**9))
    for version in range(1, 7)
}


def test_a_long_reason_in_any_language_can_be_kept() -> None:
    driver = Driver()
    driver.cannot_apply = "ä" * 300
    driver.offer(signed(bundle(1)))
    kept = memory_from_bytes(driver.disk.encode())
    assert kept.following is not None
    assert kept.following.reason.startswith("cannot be applied: ää")


def test_every_write_can_be_read_back() -> None:
    driver = Driver()
    driver.offer(signed(bundle(1)))
    driver.live(70, "ill")
    driver.offer(signed(bundle(2)))
    kept = [effect.memory for effect in driver.effects if isinstance(effect, Keep)]
    assert len(kept) >= 5
    assert all(memory_from_bytes(each.encode()) == each for each in kept)
