"""A desk with a fleet in every condition, for the pages: 48 meters on 6 feeders, one rollout done, one under way."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.operator.desk.devices import Device, State
from deploy.operator.serving.wire import Message
from firmware_app.fleet.plan import RolloutPlan, Wave
from firmware_app.fleet.selector import Everyone
from firmware_app.fleet.telemetry import Alarm
from tests.deploy.operator.desk_kit import World
from tests.firmware_app.fleet.world import delta

SIZE: Final = 48
FEEDERS: Final = 6
EVIL: Final = "<script>alert(1)</script>"


def made_up(folder: Path, size: int = SIZE) -> World:
    """The desk, with a rollout under way."""
    world = World(folder / "desk", size)
    with world.clerk.database.transaction():
        for number, name in enumerate(world.meters):
            world.clerk.devices.change(name, world.now_ms, feeder=1 + number % FEEDERS)
        world.clerk.devices.add(Device(name="meter-9999", state=State.EXPECTED, feeder=2), world.now_ms)
        world.clerk.devices.change("meter-0001", world.now_ms, labels=f'{{"site": "{EVIL}"}}')
    quick = RolloutPlan(
        waves=(Wave(devices=1), Wave(permille=1_000)), abort_permille=100, window_ms=30_000, hold_ms=1_000
    )
    world.leave("meter-0007")
    world.live(2)
    world.push(1, plan=quick)
    world.live(12)
    for name in ("meter-0011", "meter-0029"):
        world.leave(name)
    world.hear(
        [world.meters["meter-0005"].health(problem="the meter does not answer", alarms=(Alarm.METER,))]
    )
    world.hear(
        [world.meters["meter-0016"].health(problem="two histories", alarms=(Alarm.EVIDENCE, Alarm.HALTED))]
    )
    world.hear([Message("gridlight/1/elsewhere", b"")])
    for name in list(world.meters)[20:23]:
        world.meters[name].problem_with = 500
    waves = (Wave(devices=1), Wave(permille=250), Wave(permille=1_000))
    plan = RolloutPlan(waves=waves, abort_permille=200, window_ms=15_000, hold_ms=4_000)
    world.push(2, delta(("privacy.lot_wh", 500)), plan=plan, target=Everyone())
    for _ in range(40):
        world.live(1)
        if world.summary(2).wave == len(waves) and world.summary(2).failed:
            break
    return world
