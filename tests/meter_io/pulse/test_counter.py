"""Pulses: every real one counted once, none that is not, whatever bounces."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, POWER_NET
from meter_io.pulse import Edge, PulseCounter, PulseInput, Verdict
from meter_io.reading import MeterId, Moment, TimeBasis, Unit, Value

MS = 1_000_000
METER = PulseInput(pulses_per_kwh=1_000, max_power_w=18_000)
NOW = Moment(utc_ms=0, monotonic_ms=0, basis=TimeBasis.RECEIVED)


def counted(edges: Iterable[Edge], settings: PulseInput = METER) -> PulseCounter:
    counter = PulseCounter(settings)
    last_ns = 0
    for edge in edges:
        counter.edge(edge)
        last_ns = edge.at_ns
    counter.tick(last_ns + 10_000 * MS)
    return counter


def pulse(at_ms: float, width_ms: float = 40.0) -> list[Edge]:
    """A clean pulse with a pull-up: the wire goes low."""
    return [Edge(int(at_ms * MS), False), Edge(int((at_ms + width_ms) * MS), True)]


@st.composite
def bouncing(draw: st.DrawFn, edge: Edge) -> list[Edge]:
    """An edge with bounces of less than the debounce time around it."""
    edges, at_ns = [edge], edge.at_ns
    for _ in range(draw(st.integers(0, 3))):
        for high in (not edge.high, edge.high):
            at_ns += draw(st.integers(1, METER.debounce_ms * MS // 8))
            edges.append(Edge(at_ns, high))
    return edges


@st.composite
def trains(draw: st.DrawFn) -> tuple[list[Edge], int]:
    """Bouncing pulses at possible powers, and how many."""
    edges: list[Edge] = []
    at_ms = 1_000.0
    count = draw(st.integers(0, 20))
    for _ in range(count):
        for edge in pulse(at_ms, draw(st.integers(30, 120))):
            edges += draw(bouncing(edge))
        at_ms += draw(st.integers(205, 5_000))
    return edges, count


@given(trains())
def test_every_pulse_counts_once_however_it_bounces(train: tuple[list[Edge], int]) -> None:
    edges, count = train
    counter = counted(edges)
    assert (counter.pulses, sum(counter.phantoms().values())) == (count, 0)
    assert counter.lost_edges == 0


@given(trains(), st.lists(st.integers(0, 120_000), max_size=30))
def test_ticks_at_any_time_change_nothing(train: tuple[list[Edge], int], ticks_ms: list[int]) -> None:
    edges, count = train
    counter = PulseCounter(METER)
    moments = sorted(
        [(edge.at_ns, edge) for edge in edges] + [(at * MS, None) for at in ticks_ms], key=lambda m: m[0]
    )
    for at_ns, edge in moments:
        if edge is None:
            counter.tick(at_ns)
        else:
            counter.edge(edge)
    counter.tick(1 << 60)
    assert counter.pulses == count


@pytest.mark.parametrize(
    ("edges", "verdict"),
    [
        (pulse(1_000, 19), Verdict.TOO_SHORT),
        (pulse(1_000, 2_001), Verdict.TOO_LONG),
        (pulse(1_000) + pulse(1_150), Verdict.TOO_SOON),
    ],
)
def test_phantoms_are_told_from_pulses(edges: list[Edge], verdict: Verdict) -> None:
    counter = counted(edges)
    assert counter.phantoms() == {
        **dict.fromkeys((Verdict.TOO_SHORT, Verdict.TOO_LONG, Verdict.TOO_SOON), 0),
        verdict: 1,
    }
    assert counter.pulses == len(edges) // 2 - 1


def test_sixty_phantoms_a_minute_add_nothing_and_are_noticed() -> None:
    """As users report from wires beside a switched line: short spikes once a second."""
    spikes = [edge for second in range(60) for edge in pulse(1_000 * second, 8)]
    counter = counted(spikes)
    assert (counter.pulses, counter.is_noisy) == (0, True)
    assert not counted(pulse(1_000)).is_noisy


def test_noise_is_forgotten_once_the_wire_is_quiet() -> None:
    noise = [edge for second in range(10) for edge in pulse(1_000 * second, 8)]
    clean = [edge for second in range(10, 90) for edge in pulse(1_000 * second)]
    assert not counted(noise + clean).is_noisy


def test_lost_edges_are_noticed() -> None:
    counter = counted([*pulse(1_000), Edge(2_000 * MS, True), Edge(1_500 * MS, False), *pulse(3_000)])
    assert (counter.pulses, counter.lost_edges) == (2, 2)


def test_the_resting_level_at_the_beginning_is_no_loss() -> None:
    assert counted([Edge(5, True), *pulse(1_000)]).lost_edges == 0


def test_the_other_polarity() -> None:
    edges = [Edge(edge.at_ns, not edge.high) for edge in pulse(1_000)]
    assert counted(edges, PulseInput(pulses_per_kwh=1, max_power_w=1, active_high=True)).pulses == 1


def test_energy_and_power() -> None:
    counter = counted([*pulse(1_000), *pulse(4_600)])
    house = MeterId("house")
    now = counter.sample(meter=house, moment=NOW, now_ns=4_700 * MS)
    assert now.values == {
        IMPORT_TOTAL: Value(Decimal(2), Unit.WATT_HOUR),
        POWER_NET: Value(Decimal(1_000), Unit.WATT),
    }
    later = counter.sample(meter=house, moment=NOW, now_ns=(4_600 + 36_000) * MS)
    assert later.values[POWER_NET].number == 100, "an overdue pulse bounds the power"
    assert now.model == "S0, 1000/kWh"


def test_a_generator_exports() -> None:
    settings = PulseInput(pulses_per_kwh=800, max_power_w=10_000, total=EXPORT_TOTAL)
    counter = counted([*pulse(1_000), *pulse(5_500)], settings)
    values = counter.sample(meter=MeterId("pv"), moment=NOW, now_ns=5_600 * MS).values
    assert values[EXPORT_TOTAL].number == Decimal("2.5")
    assert values[POWER_NET].number == -1_000


def test_before_two_pulses_the_power_is_not_known() -> None:
    values = counted(pulse(1_000)).sample(meter=MeterId("house"), moment=NOW, now_ns=0).values
    assert list(values) == [IMPORT_TOTAL]


def test_a_total_goes_on_where_it_was() -> None:
    counter = PulseCounter(METER, pulses=41)
    for edge in pulse(1_000):
        counter.edge(edge)
    counter.tick(2_000 * MS)
    assert counter.pulses == 42
    with pytest.raises(ValueError, match="negative"):
        PulseCounter(METER, pulses=-1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pulses_per_kwh": 0},
        {"max_power_w": 0},
        {"debounce_ms": -1},
        {"debounce_ms": 30},
        {"max_pulse_ms": 20},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="got"):
        replace(METER, **wrong)


@given(st.lists(st.tuples(st.integers(0, 10**12), st.booleans()), max_size=60))
def test_any_edges_at_all_are_taken(edges: list[tuple[int, bool]]) -> None:
    counter = counted(Edge(*edge) for edge in edges)
    assert counter.pulses <= len(edges) // 2
