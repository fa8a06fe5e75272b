"""Guard and intervals together, stored as one text."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meter_io.account import MAX_ACCOUNT_BYTES, AccountStateError, MeterAccount
from meter_io.guard import EXPORT_WH, IMPORT_WH, GuardParams
from meter_io.intervals import IntervalEnergy
from meter_io.reading import Quality, TimeBasis
from meter_io.span import Basis
from tests.meter_io.samples import METER, START_MS, joules, moment, sample

PARAMS = GuardParams(counters=(IMPORT_WH, EXPORT_WH))


def test_a_quarter_of_an_hour() -> None:
    account = MeterAccount(METER, PARAMS)
    ended: list[IntervalEnergy] = []
    for n in range(91):
        entry = account.judge(joules(10_000 * n, 5_000_000 + 700 * n, 40))
        ended += entry.intervals
    assert [(e.energy_j, e.basis, e.covered_ms) for e in ended] == [((63_000, 0), Basis.MEASURED, 900_000)]


def test_a_false_zero_in_the_middle_changes_nothing() -> None:
    account = MeterAccount(METER, PARAMS)
    ended: list[IntervalEnergy] = []
    for n in range(91):
        zero = 40 < n < 43
        entry = account.judge(joules(10_000 * n, 0 if zero else 90_000_000 + 700 * n, 40))
        assert (entry.reading.quality is Quality.FALSE_ZERO) == zero
        ended += entry.intervals
    assert [(e.energy_j, e.tradable) for e in ended] == [((63_000, 0), True)]


def test_readings_before_the_clock_was_trusted_are_stamped_again() -> None:
    account = MeterAccount(METER, GuardParams())
    for n in range(60):
        entry = account.judge(sample(0, f"5.{n:03d}", when=moment(1_000 + 10_000 * n, TimeBasis.MONOTONIC)))
        assert entry.intervals == ()
    assert account.clock_trusted(START_MS + 600_000, 600_000) == ()
    ended: list[IntervalEnergy] = []
    for n in range(60, 182):
        ended += account.judge(sample(1 + 10 * n, f"5.{n:03d}")).intervals
    assert [interval.basis for interval in ended] == [
        Basis.UNKNOWN,
        Basis.MEASURED,
    ]  # the first lacks a second
    assert ended[1].energy_j == (90 * 3_600, None)
    assert ended[0].covered_ms == 899_000


@settings(max_examples=30)
@given(st.integers(0, 1 << 64))
def test_intervals_and_pending_are_the_counter_difference_through_restarts(seed: int) -> None:
    chance = random.Random(seed)
    account = MeterAccount(METER, PARAMS)
    counters = [10**10, 10**9]
    booked = [0, 0]
    at_ms = 0
    for n in range(200):
        entry = account.judge(joules(at_ms, *counters))
        assert entry.reading.quality is (Quality.FIRST if n == 0 else Quality.GOOD)
        for interval in entry.intervals:
            booked = [a + (b or 0) for a, b in zip(booked, interval.energy_j, strict=True)]
        pending = account.book.pending_j
        assert [a + (b or 0) for a, b in zip(booked, pending, strict=True)] == [
            counters[0] - 10**10,
            counters[1] - 10**9,
        ]
        if chance.random() < 0.1:
            stored = account.dump()
            assert len(stored) <= MAX_ACCOUNT_BYTES
            account = MeterAccount(METER, PARAMS, stored=stored)
        at_ms += chance.randrange(1_000, 60_000)
        counters[chance.randrange(2)] += chance.randrange(60_000)


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "gridlight.meter-account/2"},
        {"guard": 5},
        {"guard": "{}"},
        {"settled": "soon"},
        {"carried": None},
        {"carried": [[-1, 0], ""]},
        {"open": [1, 2]},
        {"open": [1, [0, 0], "guessed", 0, ""]},
    ],
)
def test_a_damaged_account_is_refused(damage: dict[str, object]) -> None:
    account = MeterAccount(METER, PARAMS)
    for n in range(3):
        account.judge(joules(10_000 * n, 10**7, 0))
    document = json.loads(account.dump())
    MeterAccount(METER, PARAMS, stored=json.dumps(document).encode())
    with pytest.raises(AccountStateError) as caught:
        MeterAccount(METER, PARAMS, stored=json.dumps(document | damage).encode())
    assert caught.value.hint == "delete it"


@pytest.mark.parametrize("stored", [b"", b"[]", b"5", b"\xff", b"[" * 4_000, b" " * (MAX_ACCOUNT_BYTES + 1)])
def test_what_is_no_account_at_all_is_refused(stored: bytes) -> None:
    with pytest.raises(AccountStateError):
        MeterAccount(METER, PARAMS, stored=stored)


def test_an_account_that_has_not_begun() -> None:
    account = MeterAccount(METER, PARAMS)
    again = MeterAccount(METER, PARAMS, stored=account.dump())
    assert again.dump() == account.dump()


@pytest.mark.parametrize("interval_s", [300, 1_800])
def test_another_length_of_intervals_after_a_restart_puts_no_energy_into_a_wrong_one(interval_s: int) -> None:
    before = MeterAccount(METER, PARAMS)
    for n in range(40):
        before.judge(joules(10_000 * n, 5_000_000 + 700 * n, 40))
    assert before.book.open_interval is not None
    after = MeterAccount(METER, PARAMS, interval_s=interval_s, stored=before.dump())
    ended: list[IntervalEnergy] = []
    for n in range(40, 400):
        ended += after.judge(joules(10_000 * n, 5_000_000 + 700 * n, 40)).intervals
    first = (START_MS + 390_000) // (1_000 * interval_s)
    assert [interval.interval for interval in ended] == list(range(first, first + len(ended)))
    assert ended[0].basis is Basis.UNKNOWN
    assert "length of an interval" in ended[0].reason or "before the first" in ended[0].reason
    assert all(interval.tradable for interval in ended[1:])
    booked = sum(interval.energy_j[0] or 0 for interval in ended) + (after.book.pending_j[0] or 0)
    assert booked == 700 * 399


def test_an_open_interval_without_a_settled_time_is_damage() -> None:
    account = MeterAccount(METER, PARAMS)
    account.judge(joules(0, 5_000_000, 40))
    account.judge(joules(10_000, 5_000_700, 40))
    document = json.loads(account.dump())
    document["settled"] = None
    with pytest.raises(AccountStateError, match="nothing is settled"):
        MeterAccount(METER, PARAMS, stored=json.dumps(document).encode())
