"""The state of charge: believed while it is fresh and possible, loud when it is not, and then nothing is offered."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.bidding.battery import BatteryState
from firmware_app.config.schema import BatterySection
from firmware_app.device.charge import StateOfCharge
from light_client.rules.errors import LocalError
from meter_io.bus.dialogue import Said
from meter_io.intervals import IntervalEnergy
from meter_io.obis import IMPORT_TOTAL, STATE_OF_CHARGE
from meter_io.reading import MeterId, Unit, Value
from meter_io.span import Basis

SECTION = BatterySection(
    meter="cellar", capacity_wh=6_400, charge_w=5_000, discharge_w=5_000, max_age_s=60, discharge_permille=800
)
DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS + 7_200_000


class World:
    """A battery, its clock and its events."""

    def __init__(self, section: BatterySection = SECTION) -> None:
        self.now_ms = 1_000
        self.events: list[str] = []
        self.charge = StateOfCharge(
            section,
            monotonic_ms=lambda: self.now_ms,
            event=lambda name, detail: self.events.append(name),
            interval_s=900,
        )

    def tell(self, number: str, unit: Unit = Unit.PERCENT) -> None:
        said = Said("inverter", {STATE_OF_CHARGE: Value(Decimal(number), unit)})
        self.charge.hear(said, self.now_ms)

    def stored_wh(self) -> float | None:
        state = self.charge.state(NOW_MS)
        return None if state is None else state.stored_j / 3_600


def test_percent_and_watt_hours_are_understood() -> None:
    world = World()
    assert world.stored_wh() is None
    world.tell("37.5")
    assert world.stored_wh() == 2_400
    world.tell("1000", Unit.WATT_HOUR)
    assert world.stored_wh() == 1_000
    world.tell("6500", Unit.WATT_HOUR)
    assert world.stored_wh() == 6_400, "a little more than the plate says is full"


@pytest.mark.parametrize(
    ("number", "unit"),
    [
        ("-1", Unit.PERCENT),
        ("101", Unit.PERCENT),
        ("7000", Unit.WATT_HOUR),
        ("50", Unit.VOLT),
        ("-5", Unit.WATT_HOUR),
    ],
)
def test_what_can_be_no_state_does_not_count(number: str, unit: Unit) -> None:
    world = World()
    world.tell("50")
    world.tell(number, unit)
    assert world.stored_wh() == 3_200, "the last one that could"
    world.now_ms += 61_000
    assert world.stored_wh() is None
    assert "no state of this battery" in world.charge.report().why


def test_a_stale_state_is_loud_once_and_a_fresh_one_ends_it() -> None:
    world = World()
    world.tell("50")
    world.now_ms += 60_000
    assert world.stored_wh() == 3_200
    world.now_ms += 1
    for _ in range(3):
        assert world.stored_wh() is None
    assert world.events == ["battery.unknown"]
    assert world.charge.report().why == "its meter last told 60 s ago, limit 60 s"
    world.tell("51")
    assert world.stored_wh() is not None
    assert world.events == ["battery.unknown", "battery.back"]


def test_a_meter_that_does_not_give_it_is_named() -> None:
    world = World()
    world.charge.hear(Said("inverter", {IMPORT_TOTAL: Value(Decimal(1), Unit.WATT_HOUR)}), 0)
    assert world.charge.report().why == "its meter does not give 1-0:128.7.0"


@given(st.lists(st.tuples(st.integers(0, 191), st.integers(0, 10**7)), max_size=40))
def test_cycles_are_those_of_the_day_however_often_they_are_told(told: list[tuple[int, int]]) -> None:
    world, first = World(), 20_000 * 96 - 96
    world.tell("50")
    energies = [
        IntervalEnergy(
            meter=MeterId("cellar"),
            interval=first + slot,
            energy_j=(0, fed),
            basis=Basis.MEASURED,
            covered_ms=900_000,
        )
        for slot, fed in told
    ]
    other = IntervalEnergy(
        meter=MeterId("house"), interval=first + 96, energy_j=(0, 77), basis=Basis.MEASURED, covered_ms=1
    )
    world.charge.counted([*energies, other])
    world.charge.counted(energies)
    newest = {slot: fed for slot, fed in told if slot >= 96}
    taken = SECTION.taken_for(sum(newest.values()))
    assert world.charge.state(NOW_MS) == BatteryState(stored_j=3_200 * 3_600, discharged_today_j=taken)


def test_the_section_is_checked() -> None:
    for bad in ({"measurement": "soc"}, {"max_age_s": 1}, {"capacity_wh": 0}, {"reserve_wh": 7_000}):
        with pytest.raises(LocalError, match=next(iter(bad))):
            BatterySection(**{"meter": "c", "capacity_wh": 6_400, "charge_w": 1, "discharge_w": 1, **bad})  # type: ignore[arg-type]
    assert not SECTION.sell
