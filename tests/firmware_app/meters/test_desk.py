"""What the buses read is judged, booked and kept: no energy twice, none lost, and no trade on a doubtful meter."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from firmware_app.config.schema import MeterSection, Role
from firmware_app.meters.desk import MISSED, MeterDesk, by_port
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import EventRow, IntervalRow, ReadingRow
from meter_io.bus.dialogue import Said
from meter_io.bus.events import Broken, Failed, Round
from meter_io.errors import GarbledReply, MeterError, NoReply, PortError
from meter_io.intervals import IntervalEnergy
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL
from meter_io.profiles import load
from meter_io.reading import MeterId, Moment, Quality, TimeBasis, Unit, Value

_HOUSE = MeterId("house")
_START_MS = 1_790_000_100_000
"""A quarter hour begins."""
_POLL_MS = 10_000


@dataclass
class _Board:
    """One meter at a desk, and a clock that is set by hand."""

    folder: Path
    now_ms: int = _START_MS
    known: bool = True
    told: list[tuple[Role, IntervalEnergy]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = DeviceStore(self.folder, StoreParams(), clock=self, boot_id="boot")
        self.desk = MeterDesk(
            (MeterSection(name="house", role=Role.GRID, profile="eastron-sdm630", port="/dev/ttyUSB0"),),
            {"house": load.find("eastron-sdm630")},
            self.store,
            interval_s=900,
            on_interval=lambda role, energy: self.told.append((role, energy)),
            monotonic_ms=self.monotonic_ms,
        )

    def utc_ms(self) -> int | None:
        return self.now_ms if self.known else None

    def monotonic_ms(self) -> int:
        return self.now_ms - _START_MS

    def moment(self) -> Moment:
        basis = TimeBasis.RECEIVED if self.known else TimeBasis.MONOTONIC
        return Moment(utc_ms=self.utc_ms(), monotonic_ms=self.monotonic_ms(), basis=basis)

    def read(self, import_wh: int, export_wh: int = 0) -> None:
        values = {
            IMPORT_TOTAL: Value(Decimal(import_wh), Unit.WATT_HOUR),
            EXPORT_TOTAL: Value(Decimal(export_wh), Unit.WATT_HOUR),
        }
        said = Said(model="SDM630", values=values)
        self.desk.hear(Round(meter=_HOUSE, said=said, began_ms=0, ended_ms=0), self.moment(), (_HOUSE,))

    def run(self, minutes: int, *, from_wh: int = 1_000, watts: int = 600) -> int:
        """Read every ten seconds; return what the counter showed last, Wh."""
        shown = from_wh
        for step in range(minutes * 6):
            shown = from_wh + watts * step * _POLL_MS // 3_600_000
            self.read(shown)
            self.now_ms += _POLL_MS
        return shown

    def _fresh_status(self) -> tuple[int, str]:
        """Suspects and the last of them, as looked up anew."""
        self.desk._doubted = None
        (status,) = self.desk.status()
        return status.counts["suspects"], status.last_suspect

    def again(self) -> "_Board":
        """The board after a power cut: nothing was closed."""
        self.store.commit()
        self.store._let_go()
        return _Board(self.folder, now_ms=self.now_ms)


def test_intervals_hold_what_flowed_and_are_kept_with_the_account(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.run(50)
    energies = [energy for _, energy in board.told]
    assert [energy.interval - energies[0].interval for energy in energies] == [0, 1, 2]
    assert all(abs((energy.energy_j[0] or 0) - 150 * 3_600) <= 7_200 for energy in energies)
    board.store.commit()
    assert [row.interval for row in board.store.newest(IntervalRow, 9)] == [e.interval for e in energies]
    assert len(board.store.newest(ReadingRow, 1_000)) == 300


def test_over_a_restart_no_energy_is_booked_twice_and_none_is_lost(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    shown = board.run(40)
    after = board.again()
    after.now_ms += 120_000
    after.run(40, from_wh=shown + 21)
    told = {energy.interval: energy for _, energy in [*board.told, *after.told]}
    assert len(told) == len(board.told) + len(after.told), "each interval is told of once"
    assert sorted(told) == list(range(min(told), max(told) + 1)), "none is missing"
    booked_j = sum(energy.energy_j[0] or 0 for energy in told.values())
    minutes = 15 * len(told)
    assert abs(booked_j - minutes * 10 * 3_600) <= 5 * 3_600 * 10


def test_a_damaged_account_begins_anew_and_says_so(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.store.keep("account:house", b"rubbish")
    board.read(1_000)
    assert [row.name for row in board.store.newest(EventRow, 9)] == ["meter.account-lost"]
    assert board.desk.status()[0].reading is not None


def test_a_home_is_measured_while_good_readings_come_and_not_for_long_after(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    assert not board.desk.is_measured()
    board.read(1_000)
    assert not board.desk.is_measured(), "a first reading is no proof of anything"
    board.now_ms += _POLL_MS
    board.read(1_002)
    assert board.desk.is_measured()
    board.now_ms += MISSED * _POLL_MS
    assert board.desk.is_measured()
    board.now_ms += 1
    assert not board.desk.is_measured()
    board.read(0)
    assert not board.desk.is_measured(), "a counter that fell to zero is not believed"


def test_silence_is_recorded_once_and_so_is_its_end(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.read(1_000)
    failed = Failed(meter=_HOUSE, error=NoReply("no answer"), failures=1, retry_ms=0)
    broken = Broken(error=PortError("the port is gone"), retry_ms=0)
    for what in (failed, failed, broken):
        board.desk.hear(what, board.moment(), (_HOUSE,))
    (status,) = board.desk.status()
    assert (status.failures, status.error) == (3, "the port is gone")
    board.read(1_001)
    assert [row.name for row in board.store.newest(EventRow, 9)] == ["meter.silent", "meter.back"]
    assert board.desk.status()[0].failures == 0


def test_what_waited_for_the_time_is_booked_when_it_is_known(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.known = False
    board.run(40)
    assert board.told == []
    board.known = True
    board.desk.clock_known(board.now_ms, board.monotonic_ms())
    assert len(board.told) == 2
    assert all(abs((energy.energy_j[0] or 0) - 150 * 3_600) <= 7_200 for _, energy in board.told[1:])


def test_a_meter_without_any_counter_of_energy_is_refused(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    said = Said(model="SDM630", values={})
    with pytest.raises(MeterError, match="neither import nor export"):
        board.desk.hear(Round(meter=_HOUSE, said=said, began_ms=0, ended_ms=0), board.moment(), (_HOUSE,))


def test_meters_of_one_port_are_found_together() -> None:
    def section(name: str, role: Role, port: str) -> MeterSection:
        return MeterSection(name=name, role=role, profile="eastron-sdm630", port=port)

    house, pv = section("house", Role.GRID, "/dev/a"), section("pv", Role.PV, "/dev/b")
    battery = section("battery", Role.BATTERY, "/dev/a")
    assert by_port((house, pv, battery)) == {"/dev/a": (house, battery), "/dev/b": (pv,)}


def test_rounds_of_the_hour_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.run(2)
    for error in (GarbledReply("a checksum"), GarbledReply("a checksum"), NoReply("nothing came")):
        board.desk.hear(Failed(meter=_HOUSE, error=error, failures=1, retry_ms=1), board.moment(), (_HOUSE,))
    board.desk.hear(Broken(error=PortError("gone"), retry_ms=1), board.moment(), (_HOUSE,))
    (status,) = board.desk.status()
    assert status.counts == {"rounds": 16, "damaged": 2, "unanswered": 2, "read_ms": 0, "suspects": 0}
    board.now_ms += 3_600_000
    assert board.desk.status()[0].counts["rounds"] == 0


def test_doubtful_times_are_counted_once_each_over_restarts_for_thirty_days(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    shown = board.run(5)
    for _ in range(3):
        board.read(0)
        board.now_ms += _POLL_MS
    board.run(5, from_wh=shown + 10)
    (status,) = board.desk.status()
    assert status.counts["suspects"] >= 1
    assert status.last_suspect.split(":")[0] in {quality.value for quality in Quality}
    again = board.again()
    assert again.desk.status()[0].counts["suspects"] == status.counts["suspects"]
    again.now_ms += 31 * 86_400_000
    again.store.event("something.else")
    assert again._fresh_status() == (0, "")
