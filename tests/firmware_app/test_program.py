"""The composition root: a part that fails harms no other, and whoever holds timers begins anew when the time is set."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from firmware_app.clock.gate import ClockEvent, ClockState, Closed, Jumped, Opened
from firmware_app.config import keys
from firmware_app.config.check import check
from firmware_app.program import Program
from firmware_app.runtime.board_time import real_monotonic_ms, real_wall_ms
from firmware_app.runtime.supervision import PartState, PartStatus
from firmware_app.store.rows import EventRow
from firmware_app.trading.params import MeterParams
from light_client.session.actor import Write
from light_client.store.sqlite import SqliteStorage
from meter_io.reading import Moment, TimeBasis
from tests.firmware_app.config.kit import write_device


class _WallTime:
    """The machine's wall clock, believed or not as the test has it."""

    is_known = False

    def now_ms(self) -> int:
        return real_wall_ms()

    def utc_ms(self) -> int | None:
        return real_wall_ms() if self.is_known else None

    def monotonic_ms(self) -> int:
        return real_monotonic_ms()

    def real_seconds_until(self, at_ms: int) -> float:
        return max(0.0, (at_ms - real_wall_ms()) / 1_000)

    def moment(self, bus_ms: int) -> Moment:
        return Moment(utc_ms=None, monotonic_ms=bus_ms, basis=TimeBasis.MONOTONIC)

    async def work(
        self, stop: asyncio.Event, on_event: Callable[[ClockEvent], None], on_look: Callable[[], None]
    ) -> None:
        on_look()
        await stop.wait()


def _play(folder: Path, scene: Callable[[Program, _WallTime], Awaitable[None]], socket: Path) -> None:
    path = write_device(folder, port=str(folder / "no-such-port"))
    with path.open("a", encoding="utf-8") as file:
        file.write(f"[status]\nsocket = '{socket}'\nport = 0\n")
    found = check(path)
    keys.create_missing(found.folder, found.store)

    async def played() -> None:
        board_time = _WallTime()
        program = Program(found, board_time, MeterParams())
        async with asyncio.timeout(30):
            program.start()
            try:
                await scene(program, board_time)
            finally:
                await program.stop()

    asyncio.run(played())


def _part(program: Program, name: str) -> PartStatus:
    return next(part for part in program._supervision.report() if part.name == name)


async def _until(what: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if what():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("it did not come about")


def test_a_window_that_cannot_be_opened_costs_nothing_but_the_view(tmp_path: Path) -> None:
    async def scene(program: Program, _: _WallTime) -> None:
        await _until(lambda: _part(program, "page").failures >= 2)
        others = [part for part in program._supervision.report() if part.name != "page"]
        assert {(part.state, part.lives, part.failures) for part in others} == {(PartState.RUNNING, 1, 0)}
        assert "FileNotFoundError" in _part(program, "page").why
        assert "part.failed" in {event.kind for event in program._journal.recent}
        await _until(lambda: program.home.desk.status()[0].failures > 0)
        assert "no-such-port" in program.home.desk.status()[0].error

    _play(tmp_path, scene, tmp_path / "missing" / "control.sock")


def test_when_the_time_becomes_known_the_market_part_is_built_anew_and_all_of_it_is_recorded(
    tmp_path: Path,
) -> None:
    async def scene(program: Program, board_time: _WallTime) -> None:
        await _until(lambda: program._market is not None)
        before = program._market
        program._clock_event(Closed(reason="no time service", monotonic_ms=1))
        program._clock_event(Jumped(by_ms=86_400_000, monotonic_ms=2))
        board_time.is_known = True
        program._clock_event(
            Opened(
                state=ClockState.TRUSTED,
                utc_ms=real_wall_ms(),
                monotonic_ms=real_monotonic_ms(),
                source="kernel",
            )
        )
        await _until(lambda: program._market not in {None, before})
        part = _part(program, "market")
        assert (part.lives, part.failures, part.why) == (2, 0, "the time is known now")
        rows = program._store.newest(EventRow, 99)
        assert {"clock.closed", "clock.jumped"} <= {row.name for row in rows}
        assert all(row.at_ms is not None for row in rows), "what was recorded before has its time now"

    _play(tmp_path, scene, tmp_path / "control.sock")


def test_a_part_without_a_sign_of_life_is_built_anew_where_it_lives(tmp_path: Path) -> None:
    async def scene(program: Program, _: _WallTime) -> None:
        await _until(lambda: program._market is not None)
        program._restart("trader", "it showed no sign of life")
        await _until(lambda: _part(program, "market").lives == 2)
        assert _part(program, "clock").lives == 1

    _play(tmp_path, scene, tmp_path / "control.sock")


def test_a_damaged_market_file_is_salvaged_at_the_start_and_that_is_on_record(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    store = data / "market.sqlite"
    with SqliteStorage(store, page_bytes=1_024) as storage:
        names = range(400)
        storage.commit([Write(table="meter-0101/notes", key=n.to_bytes(2), value=bytes(100)) for n in names])
    (data / "wallet.seed").write_text(f"gridlight wallet seed 1\n{'77' * 32}\n", encoding="ascii")
    (data / "wallet.seed").chmod(0o600)
    damaged = bytearray(store.read_bytes())
    damaged[20 * 1_024 : 21 * 1_024] = b"\xff" * 1_024
    store.write_bytes(damaged)

    async def scene(program: Program, _: _WallTime) -> None:
        await _until(lambda: program._market is not None)
        assert _part(program, "market").failures == 0, _part(program, "market").why
        (told,) = (row for row in program._store.newest(EventRow, 99) if row.name == "market.salvaged")
        assert "kept" in told.detail
        market = program._market
        assert market is not None
        assert market.device.trader._addresses._wallet.next_index >= 1 << 61, "no address is used twice"

    _play(tmp_path, scene, tmp_path / "control.sock")
    assert (data / "market.sqlite.damaged").exists()
