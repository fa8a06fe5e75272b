"""A part that fails is built anew after a growing pause, the others go on, and all end in order."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from firmware_app.runtime.supervision import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    PartState,
    Supervision,
    Work,
)


class _Scene:
    """A supervision whose pauses take no time, and what was heard of it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self.supervision = Supervision(
            lambda name, error: self.heard.append((name, str(error))), sleep=self.sleep
        )

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


def _play(scene: Callable[[_Scene], Awaitable[None]]) -> _Scene:
    async def played() -> _Scene:
        stage = _Scene()
        async with asyncio.timeout(5):
            await scene(stage)
        return stage

    return asyncio.run(played())


def _failing(times: int, done: asyncio.Event) -> Work:
    lives = 0

    async def work(stop: asyncio.Event) -> None:
        nonlocal lives
        lives += 1
        if lives <= times:
            raise OSError(f"life {lives}")
        done.set()
        await stop.wait()

    return work


def test_a_part_that_fails_comes_back_after_pauses_that_double_up_to_five_minutes() -> None:
    async def scene(stage: _Scene) -> None:
        done = asyncio.Event()
        stage.supervision.start("part", _failing(12, done))
        await done.wait()
        (status,) = stage.supervision.report()
        assert (status.state, status.lives, status.failures) == (PartState.RUNNING, 13, 12)
        assert status.why == "OSError: life 12"
        await stage.supervision.stop()

    stage = _play(scene)
    assert stage.pauses == [min(FIRST_PAUSE_S * 2**number, LONGEST_PAUSE_S) for number in range(12)]
    assert stage.heard == [("part", f"life {number}") for number in range(1, 13)]


def test_the_others_go_on_meanwhile() -> None:
    async def scene(stage: _Scene) -> None:
        done, steady = asyncio.Event(), 0

        async def work(stop: asyncio.Event) -> None:
            nonlocal steady
            steady += 1
            await stop.wait()

        stage.supervision.start("steady", work)
        stage.supervision.start("failing", _failing(5, done))
        await done.wait()
        assert steady == 1
        await stage.supervision.stop()
        assert {status.state for status in stage.supervision.report()} == {PartState.STOPPED}

    _play(scene)


def test_all_end_in_the_opposite_order_of_their_start_even_one_that_rests() -> None:
    async def scene(stage: _Scene) -> None:
        ended: list[str] = []

        def named(name: str) -> Work:
            async def work(stop: asyncio.Event) -> None:
                await stop.wait()
                ended.append(name)

            return work

        async def long(_: float) -> None:
            await asyncio.sleep(3_600)

        stage.supervision._sleep = long
        for name in ("a", "b"):
            stage.supervision.start(name, named(name))
        stage.supervision.start("failing", _failing(1, asyncio.Event()))
        await asyncio.sleep(0.01)
        assert stage.supervision.report()[2].state is PartState.RESTING
        await stage.supervision.stop()
        assert ended == ["b", "a"]

    _play(scene)


def test_a_restart_that_was_asked_for_is_no_failure_and_an_end_that_was_not_is_one() -> None:
    async def scene(stage: _Scene) -> None:
        lives: list[int] = []

        async def work(stop: asyncio.Event) -> None:
            lives.append(len(lives))
            if len(lives) == 3:
                return
            await stop.wait()

        stage.supervision.start("part", work)
        await asyncio.sleep(0.01)
        stage.supervision.restart("part", "the clock was set")
        while len(lives) < 4:
            await asyncio.sleep(0)
            if len(lives) == 2 and not stage.heard:
                assert stage.supervision.report()[0].failures == 0
                stage.supervision.restart("part", "again")
        assert stage.heard == [("part", "it ended without being asked to")]
        await stage.supervision.stop()

    _play(scene)


def test_a_part_that_does_not_end_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_app.runtime.supervision.GOODBYE_S", 0.05)

    async def scene(stage: _Scene) -> None:
        async def work(_: asyncio.Event) -> None:
            await asyncio.sleep(3_600)

        stage.supervision.start("deaf", work)
        await asyncio.sleep(0)
        await stage.supervision.stop()
        assert stage.supervision.report()[0].state is PartState.STOPPED

    _play(scene)


def test_two_parts_of_one_name_are_refused() -> None:
    async def scene(stage: _Scene) -> None:
        stage.supervision.start("part", _failing(0, asyncio.Event()))
        with pytest.raises(ValueError, match="already"):
            stage.supervision.start("part", _failing(0, asyncio.Event()))
        await stage.supervision.stop()

    _play(scene)
