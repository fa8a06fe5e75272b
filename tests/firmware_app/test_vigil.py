"""The parts that watch over the device, put together as a composition root does, with fakes for everything else."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from firmware_app.clock.gate import ClockEvent, ClockGate, Closed, Opened, Sync
from firmware_app.clock.params import ClockParams
from firmware_app.clock.waiting import WaitingReadings
from firmware_app.journal import Journal, LogParams
from firmware_app.status import client, views
from firmware_app.status.control import ControlServer, status_handler
from firmware_app.status.params import StatusParams
from firmware_app.status.server import StatusServer
from firmware_app.status.shown import Shown
from firmware_app.status.snapshot import Absent, Device, Life, Snapshot
from firmware_app.watchdog.notify import Notifier
from firmware_app.watchdog.parts import WatchdogParams
from firmware_app.watchdog.watch import Restart, Watch
from meter_io.reading import MeterId, Quality, Reading

UTC_MS = 1_790_000_000_000
GOOD = Sync(source="kernel", synchronised=True, error_us=20_000)
BAD = Sync(source="kernel", synchronised=False, reason="no time service holds the clock")


@dataclass
class World:
    """Time, and what the kernel says of it."""

    monotonic_ms: int = 0
    wall_off_ms: int = -UTC_MS
    sync: Sync = BAD

    def now(self) -> int:
        return self.monotonic_ms


@dataclass
class Meter:
    """The composition: what `gridlight run` does once a second, and on each reading."""

    world: World
    environ: Mapping[str, str]
    socket_path: Path
    stored: list[Reading] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        now_ms = self.world.now()
        self.gate = ClockGate(ClockParams(), max_drift_ms=10_000, monotonic_ms=now_ms)
        self.waiting = WaitingReadings()
        self.watch = Watch(WatchdogParams().parts(("ttyUSB0",)), now_ms=now_ms)
        self.notifier = Notifier(self.environ)
        self.out = io.StringIO()
        self.journal = Journal(
            LogParams(),
            out=self.out,
            monotonic_ms=self.world.now,
            utc_ms=lambda: self.gate.utc_ms(self.world.now()),
        )
        self.shown = Shown(self.world.now)
        params = StatusParams(port=0, socket=str(self.socket_path))
        self.page = StatusServer(params, self.shown)
        self.control = ControlServer(params, {"status": status_handler(self.shown), "journal": self._recent})
        self.last: Reading | None = None

    async def _recent(self, _: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        for event in self.journal.recent:
            yield {"kind": event.kind, "level": event.level.name.lower(), "message": event.message}

    def read(self) -> None:
        """A reading was judged."""
        now_ms = self.world.now()
        self.last = Reading(
            meter=MeterId("house"),
            moment=self.gate.moment(now_ms),
            import_j=now_ms,
            export_j=0,
            power_w=Decimal(-2_312),
            quality=Quality.GOOD,
        )
        self.watch.fresh("meter:ttyUSB0", now_ms)
        if self.last.moment.utc_ms is None:
            self.waiting.hold(self.last)
        else:
            self.stored.append(self.last)

    def tick(self) -> None:
        """Once a second: clocks, parts, snapshot, systemd."""
        now_ms = self.world.now()
        for event in self.gate.look(
            wall_ms=UTC_MS + now_ms + self.world.wall_off_ms, monotonic_ms=now_ms, sync=self.world.sync
        ):
            self._clock_changed(event)
        for name, idle in (
            ("store", "nothing to commit"),
            ("market", "clock not trusted"),
            ("trader", "not trading"),
            ("page", "not asked"),
        ):
            self.watch.idle(name, idle, now_ms)
        self.watch.fresh("clock", now_ms)
        beat = self.watch.beat(now_ms)
        for change in beat.events:
            if isinstance(change, Restart):
                self.restarted.append(change.part)
            self.journal.warning(
                f"watchdog.{type(change).__name__.lower()}", "a part is silent", part=change.part
            )
        shown = self.shown.update(self._snapshot(now_ms))
        self.notifier.status(beat.status or shown.life.sentence)
        if beat.feed:
            self.notifier.watchdog()

    def _clock_changed(self, event: ClockEvent) -> None:
        if isinstance(event, Opened):
            self.stored += self.waiting.release(utc_ms=event.utc_ms, monotonic_ms=event.monotonic_ms)
            self.journal.info("clock.opened", "the time is known", source=event.source)
        elif isinstance(event, Closed):
            self.journal.warning("clock.closed", event.reason)

    def _snapshot(self, now_ms: int) -> Snapshot:
        utc_ms = self.gate.utc_ms(now_ms)
        state = "trading" if self.gate.is_open else "waiting for clock"
        return Snapshot(
            made_utc_ms=Absent("the clock is not trusted") if utc_ms is None else utc_ms,
            made_monotonic_ms=now_ms,
            zone_offset_s=0,
            device=Device(name="meter-1", version="0", up_ms=now_ms),
            life=Life(state=state, since_ago_ms=0, sentence=state),
            meters=(
                views.meter_view(
                    self.last, name="house", model="SDM630", port="ttyUSB0 id 1", monotonic_ms=now_ms
                ),
            ),
            clock=views.clock_view(self.gate.report(), now_ms),
            parts=views.part_views(self.watch.report(), now_ms),
        )


def heard(systemd: socket.socket) -> list[str]:
    """All that systemd was told so far."""
    words = []
    while True:
        try:
            words.append(systemd.recv(4_096).decode())
        except BlockingIOError:
            return words


def test_a_board_without_rtc_from_its_start_to_a_hanging_meter(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        world = World()
        meter = Meter(world, {"NOTIFY_SOCKET": str(tmp_path / "notify")}, tmp_path / "control.sock")
        meter.notifier.ready()

        def live(seconds: int, *, reads: bool = True) -> list[str]:
            words: list[str] = []
            for _ in range(seconds):
                world.monotonic_ms += 1_000
                if reads:
                    meter.read()
                meter.tick()
                words += heard(systemd)
            return words

        words = live(20)
        assert meter.stored == []
        assert len(meter.waiting) == 20
        assert words[:2] == ["READY=1", "STATUS=waiting for clock"]
        assert words.count("WATCHDOG=1") == 20

        world.wall_off_ms, world.sync = 0, GOOD  # the network is there, NTP steps the clock
        live(15)
        times = [reading.moment.utc_ms for reading in meter.stored]
        assert times == [UTC_MS + 1_000 * second for second in range(1, 36)]

        asyncio.run(ask_everything(meter))

        words = live(900, reads=False)  # the meter's thread hangs
        assert meter.restarted == ["meter:ttyUSB0"] * 3
        assert any("meter:ttyUSB0 stale" in word for word in words)
        assert words[-1] == "STATUS=meter:ttyUSB0 given up"
        assert words.count("WATCHDOG=1") < 800

        assert live(1)[-1] == "WATCHDOG=1"
    kinds = [json.loads(line)["kind"] for line in meter.out.getvalue().splitlines()]
    assert kinds[0] == "clock.opened"
    assert "watchdog.gaveup" in kinds


async def ask_everything(meter: Meter) -> None:
    """Page and commands while it lives."""
    port = await meter.page.start()
    await meter.control.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert b"Trading" in answer
        assert b"2.31 <small>kW" in answer
        path = str(meter.socket_path)
        (document,) = await asyncio.to_thread(lambda: list(client.ask(path, "status")))
        assert document["clock"]["state"] == "trusted"
        events = await asyncio.to_thread(lambda: list(client.ask(path, "journal")))
        assert events[-1]["kind"] == "clock.opened"
    finally:
        await meter.control.stop()
        await meter.page.stop()
