"""Back-off, letters under way, complaints and alarms, inbox and stick, what a change concerns: each by itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.config.check import check
from firmware_app.config.schema import MeterSection, Role
from firmware_app.device.changes import CONCERNS, Concern, concerns
from firmware_app.fleet.telemetry import Alarm, health_from_bytes
from firmware_app.fleet.topics import Topics
from firmware_app.management.backoff import FIRST_S, HELD_S, LONGEST_S, Backoff
from firmware_app.management.inbox import Inbox, inbox_of, put_in_inbox
from firmware_app.management.params import FleetParams
from firmware_app.management.postman import FIRST_MS, IN_FLIGHT, LONGEST_MS, Postman
from firmware_app.management.wellness import (
    CLEAR_AFTER_MS,
    LINK,
    RAISE_EACH_MS,
    AlarmBook,
    alarms_of,
    complaints,
    health_report,
    verdict,
)
from firmware_app.runtime.supervision import PartState, PartStatus
from firmware_app.status.health import Health
from firmware_app.status.snapshot import Absent, PartView
from firmware_app.store.outbox import Message
from light_client.rules.errors import LocalError
from tests.firmware_app.config.kit import write_device
from tests.status_kit import TRADING

_OF_THE_MARKET = ("price", "offer", "trade", "sold", "bought", "height", "_uc", "address")

# -- back-off ----------------------------------------------------------------------------------------------------------


def test_pauses_grow_are_spread_and_bounded() -> None:
    chance = Random(7).random
    fleet = [Backoff(chance) for _ in range(500)]
    first = [one.after(0.0) for one in fleet]
    assert FIRST_S / 10 <= min(first) < FIRST_S / 5
    assert FIRST_S * 0.9 < max(first) <= FIRST_S
    for one in fleet:
        one.failures = 20
    later = [one.after(0.0) for one in fleet]
    assert LONGEST_S / 10 <= min(later) < LONGEST_S / 5
    assert LONGEST_S * 0.9 < max(later) <= LONGEST_S
    tenths = {int(10 * pause / LONGEST_S) for pause in later}
    assert len(tenths) >= 9, "ten thousand devices do not come back at one moment"


def test_a_connection_that_held_makes_the_next_failure_the_first() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.after(0.0) for _ in range(3)] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert backoff.after(HELD_S - 1) == 8 * FIRST_S
    assert backoff.after(HELD_S) == FIRST_S


# -- letters -----------------------------------------------------------------------------------------------------------


def _letters(count: int) -> list[Message]:
    return [
        Message(destination="operator", key=f"k{n}", kind="alarm", body=b"", at_ms=None) for n in range(count)
    ]


def test_few_letters_at_once_and_the_next_when_one_is_received() -> None:
    postman, letters = Postman(), _letters(20)
    assert postman.due(letters, 0) == letters[:IN_FLIGHT]
    assert postman.due(letters, 1) == []
    assert postman.received(["k0", "k19", "never heard of"]) == ["k0"], "only what was sent can be received"
    assert postman.due(letters[1:], 2) == [letters[IN_FLIGHT]]


def test_a_letter_is_sent_again_later_and_later_and_after_a_reconnection_at_once() -> None:
    postman, (letter,) = Postman(), _letters(1)
    sent = [now_ms for now_ms in range(0, 30_000_000, 1_000) if postman.due([letter], now_ms)]
    gaps = [after - before for before, after in pairwise(sent)]
    assert gaps[:4] == [FIRST_MS, 2 * FIRST_MS, 4 * FIRST_MS, 8 * FIRST_MS]
    assert max(gaps) == LONGEST_MS
    postman.connected()
    assert postman.due([letter], 30_000_001) == [letter]


@given(st.lists(st.tuples(st.sampled_from("rsc"), st.integers(0, 9)), max_size=60))
@settings(deadline=None)
def test_the_postman_never_has_more_under_way_than_it_may_and_loses_nothing(
    steps: list[tuple[str, int]],
) -> None:
    postman, letters, now_ms = Postman(), _letters(10), 0
    under_way: set[str] = set()
    for step, number in steps:
        now_ms += 10_000
        if step == "r":
            gone = postman.received([f"k{number}"])
            under_way -= set(gone)
            letters = [letter for letter in letters if letter.key not in gone]
        elif step == "c":
            postman.connected()
            under_way.clear()
        else:
            under_way |= {letter.key for letter in postman.due(letters, now_ms)}
        assert len(under_way) <= IN_FLIGHT
    for _ in range(40):
        now_ms += LONGEST_MS
        gone = postman.received([letter.key for letter in postman.due(letters, now_ms)])
        letters = [letter for letter in letters if letter.key not in gone]
    assert letters == []


# -- how the device is -------------------------------------------------------------------------------------------------


def test_a_well_device_has_no_complaints_and_an_ill_one_says_which_part() -> None:
    well = TRADING
    assert complaints(well) == {}
    assert isinstance(well.meters, tuple)
    meter = well.meters[0]
    ill = replace(well, meters=(replace(meter, age_ms=Absent("no answer")),))
    found = complaints(ill)
    assert found == {f"meter-lost:{meter.name}": f"{meter.name}: the meter is not read"}
    resting = PartStatus(
        name="page", state=PartState.RESTING, failures=2, lives=3, why="secret 0xaddress", pause_s=2
    )
    assert complaints(well, [resting]) == {"part:page": "page: the part fails again and again"}
    assert complaints(well, [replace(resting, failures=0)]) == {}, "a rest that was asked for is no failure"
    assert complaints(well, (), "refused") == {LINK: "the operator's broker is not reached"}
    assert complaints(replace(well, life=replace(well.life, state="syncing"))) == {
        "state:syncing": "the device is syncing"
    }


def test_only_what_is_new_counts_against_a_configuration() -> None:
    now = {"meter-lost:pv": "pv: the meter is not read", "state:syncing": "the device is syncing"}
    assert verdict(now, ()) == "pv: the meter is not read"
    assert verdict(now, {"meter-lost:pv"}) == "the device is syncing"
    assert verdict(now, now) == ""


def test_what_is_told_of_health_holds_no_word_of_the_market() -> None:
    seen = Health().look(TRADING)
    report = health_report(seen, "", frozenset({Alarm.METER}), 3)
    told = health_from_bytes(report.encode())
    assert told.figures["letters"] == 3
    words = replace(report, parts={}).encode().decode().lower()
    assert not [
        word
        for word in ("price", "offer", "trade", "sold", "bought", "height", "_uc", "address")
        if word in words
    ]


def test_long_names_of_ports_fit() -> None:
    port = "meter:/dev/serial/by-id/usb-FTDI_FT232R USB_UART_A50285BI-if00-port0" + "x" * 100
    seen = replace(TRADING, parts=(PartView(name=port, state="working", age_ms=0, limit_ms=1),))
    (name,) = health_from_bytes(health_report(seen, "", frozenset(), 0).encode()).parts
    assert name.startswith("meter:usb-FTDI_FT232R-USB_UART")
    assert len(name) == 64


def test_alarms_are_those_that_are_shown() -> None:
    well = TRADING
    assert not isinstance(well.proof, Absent)
    halted = replace(well, proof=replace(well.proof, standing="halted", why="two blocks"))
    assert alarms_of(Health().look(halted)) >= {Alarm.EVIDENCE, Alarm.HALTED}
    assert not alarms_of(Health().look(well))


def test_an_alarm_is_told_when_it_begins_and_when_it_is_surely_over() -> None:
    book, clock = AlarmBook(), frozenset({Alarm.CLOCK})
    assert [(note.alarm, note.raised) for note in book.look(clock, 0)] == [(Alarm.CLOCK, True)]
    assert book.look(clock, 1_000) == []
    assert book.look(frozenset(), 2_000) == []
    assert [(note.alarm, note.raised) for note in book.look(frozenset(), 2_000 + CLEAR_AFTER_MS)] == [
        (Alarm.CLOCK, False)
    ]


def test_an_alarm_that_flaps_is_told_of_now_and_then() -> None:
    book = AlarmBook()
    told = [
        note
        for second in range(3_600)
        for note in book.look(frozenset({Alarm.METER}) if second % 2 else frozenset(), 1_000 * second)
    ]
    assert len(told) == 1, "it was never surely over"
    told = [
        note
        for minute in range(120)
        for note in book.look(frozenset({Alarm.PART}) if minute % 4 < 2 else frozenset(), 60_000 * minute)
    ]
    raised = sum(note.raised for note in told)
    assert 2 <= raised <= 120 * 60_000 // RAISE_EACH_MS + 1


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_inbox_is_read_once_and_emptied_when_decided(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, "")
    assert inbox.fresh() == []
    path = put_in_inbox(tmp_path, b"a bundle")
    assert path.stat().st_mode & 0o077 == 0
    assert inbox.fresh() == [b"a bundle"]
    inbox.clear((b"a bundle",))
    assert inbox.fresh() == [], "it waits, and is not offered again"
    assert path.exists()
    inbox.clear(())
    assert not path.exists()
    put_in_inbox(tmp_path, b"a bundle")
    assert Inbox(tmp_path, "").fresh() == [b"a bundle"], "another life begins anew"


def test_what_is_too_long_is_cut_where_it_is_refused_for_it(tmp_path: Path) -> None:
    put_in_inbox(tmp_path, b"x" * (1 << 20))
    (raw,) = Inbox(tmp_path, "").fresh()
    assert len(raw) == (64 << 10) + 1


def test_a_stick_is_read_each_time_that_it_is_plugged_in_and_never_written(tmp_path: Path) -> None:
    stick = tmp_path / "stick" / "gridlight"
    inbox = Inbox(tmp_path, str(tmp_path / "stick"))
    assert inbox.fresh() == []
    stick.mkdir(parents=True)
    (stick / "v1.bundle").write_bytes(b"one")
    (stick / "link").symlink_to("/etc/passwd")
    assert inbox.fresh() == [b"one"]
    assert inbox.fresh() == []
    inbox.clear(())
    assert (stick / "v1.bundle").exists()
    (stick / "v1.bundle").rename(tmp_path / "away")
    assert inbox.fresh() == []
    (tmp_path / "away").rename(stick / "v1.bundle")
    assert inbox.fresh() == [b"one"]
    assert not inbox_of(tmp_path).exists()


# -- what a change concerns --------------------------------------------------------------------------------------------


def test_a_change_concerns_as_little_as_possible(tmp_path: Path) -> None:
    before = check(write_device(tmp_path)).config
    assert concerns(before, before) == frozenset()
    assert concerns(before, replace(before, log=replace(before.log, burst=11))) == {Concern.JOURNAL}
    privacy = replace(before, privacy=replace(before.privacy, lot_wh=250))
    assert concerns(before, privacy) == {Concern.BIDDER}
    fleet = replace(privacy, fleet=FleetParams(broker="broker.example"))
    assert concerns(before, fleet) == {Concern.BIDDER, Concern.FLEET}
    servers = replace(before, market=replace(before.market, server=before.market.server[::-1]))
    assert concerns(before, servers) == {Concern.MARKET}
    feeder = replace(before, market=replace(before.market, feeder=2))
    assert concerns(before, feeder) == {Concern.EVERYTHING}
    meter = MeterSection(name="pv", role=Role.PV, profile="eastron-sdm630", port="/dev/ttyUSB1")
    assert concerns(before, replace(fleet, meter=(*before.meter, meter))) == {Concern.EVERYTHING}


def test_every_section_of_the_table_is_one_of_the_document() -> None:
    from dataclasses import fields

    from firmware_app.config.schema import DeviceConfig

    assert set(CONCERNS) <= {part.name for part in fields(DeviceConfig)}


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"broker": "a b"}, {"port": 0}, {"health_s": 59}, {"keepalive_s": 9}, {"keepalive_s": 1_201}]
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(LocalError):
        FleetParams(**wrong)  # type: ignore[arg-type]


def test_topics_of_key_sets_begin_as_the_device_hears_them() -> None:
    topics = Topics(bytes(32))
    assert topics.keys(7).startswith(topics.keys(""))
