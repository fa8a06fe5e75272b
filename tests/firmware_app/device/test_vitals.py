"""A silent part is restarted, systemd is fed while none is given up, and the journal says both."""

import io
from dataclasses import dataclass, field

from firmware_app.device.vitals import Vitals
from firmware_app.journal import Journal, LogParams
from firmware_app.watchdog.notify import Notifier
from firmware_app.watchdog.parts import Part


class _Systemd(Notifier):
    """Counts what systemd is told."""

    def __init__(self) -> None:
        super().__init__({})
        self.fed = 0
        self.lines: list[str] = []

    def watchdog(self) -> None:
        self.fed += 1

    def status(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class _Board:
    now_ms: int = 0
    restarted: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.systemd = _Systemd()
        self.journal = Journal(LogParams(), out=io.StringIO(), monotonic_ms=lambda: self.now_ms)
        parts = (
            Part(name="clock", limit_ms=1_000, fresh="a look", restarts=2),
            Part(name="store", limit_ms=1_000, fresh="a commit", idle="nothing due", restarts=2),
        )
        self.vitals = Vitals(
            parts,
            notifier=self.systemd,
            journal=self.journal,
            restart=lambda part, why: self.restarted.append((part, why)),
            monotonic_ms=lambda: self.now_ms,
        )

    def live(self, steps: int, *, clock: bool) -> None:
        for _ in range(steps):
            self.now_ms += 500
            self.vitals.idle("store", "no batch was due")
            if clock:
                self.vitals.fresh("clock")
            self.vitals.beat()


def test_while_all_live_systemd_is_fed_and_nobody_restarted() -> None:
    board = _Board()
    board.live(20, clock=True)
    assert (board.systemd.fed, board.restarted) == (20, [])
    assert set(board.systemd.lines) == {""}


def test_a_silent_part_is_restarted_so_often_then_systemd_starves_until_it_is_back() -> None:
    board = _Board()
    board.live(20, clock=False)
    assert [part for part, _ in board.restarted] == ["clock", "clock"]
    starved = board.systemd.fed
    board.live(5, clock=False)
    assert board.systemd.fed == starved, "given up"
    assert "clock given up" in board.systemd.lines[-1]
    board.live(1, clock=True)
    assert board.systemd.fed == starved + 1
    kinds = {event.kind for event in board.journal.recent}
    assert kinds == {"watchdog.restart", "watchdog.silent", "watchdog.recovered"}
    assert {part.name for part in board.vitals.report()} == {"clock", "store"}
