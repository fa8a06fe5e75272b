"""`gridlight status` on a terminal looks as it was drawn, and fits for any device."""

from dataclasses import replace

from hypothesis import given

from firmware_app.console import Paint
from firmware_app.status import terminal
from firmware_app.status.health import Health
from firmware_app.status.snapshot import Snapshot
from tests.firmware_app.status.made_up import SNAPSHOTS
from tests.status_kit import BARE, FAILED, TRADING

DRAWN = """\
meter-0427  feeder 7  gridlight 0.4.0           Sun 14 Jun 2026, 13:07:12 +02:00
TRADING     since 06:02, up 12 d 4 h            1 warning, at the end

Meter       Eastron SDM630, ttyUSB0 id 1        0.8 s old, quality good
            exporting 2.31 kW    import 14 382.417 kWh    export 3 905.220 kWh
            2 of 3600 rounds of the last hour damaged, 1 without an answer
Clock       synchronised, 0.4 ms slow of NTP time, stratum 3
Market      13:00-13:15 (#1979372), ends in 7 min 48 s
            sold 0.50 of 0.50 kWh at 0.1420 EUR/kWh
            today sold 6.25 kWh and bought 0.75 kWh: 0.89 EUR
            last offer: traded in full
Battery     3.6 of 6.4 kWh, 4 s old; 1.0 kWh held for promises
Owed        today 1.26 kWh drawn beside the market: 0.38 EUR owed
            30 days before: 2.15 EUR due to you, 2 intervals provisional
            last report of 2026-06-13, v1
Verified    height 40 812, 3 s old, 6 of 7 signatures (5 needed)
            own trades: yes   own balance: yes   whole solution: yes, 13:00
Forecast    PV next hour 2.1 kWh (P10 1.4, P90 2.6); 23 % better than naive
Store       0 records waiting; 61 % of 64 MB used; 2.1 MB written today
            holds 412 days at this rate; 160 days of buffer left
Config      v17, healthy since 11 Jun; slot A (booted) good, slot B good

Warning     witness-2 unreachable for 41 min: forks are seen by 1 witness only
            next: tell the operator; nothing to do on this board"""


def plain(text: str, _: Paint) -> str:
    return text


def judged(snapshot: Snapshot) -> Snapshot:
    """With the notices that are due after an hour."""
    health = Health()
    health.look(snapshot)
    return health.look(replace(snapshot, made_monotonic_ms=snapshot.made_monotonic_ms + 3_600_000))


def test_it_looks_as_it_was_drawn() -> None:
    assert "\n".join(terminal.lines(judged(TRADING), plain)) == DRAWN


def test_everything_that_failed_is_told() -> None:
    text = "\n".join(terminal.lines(judged(FAILED), plain, age_ms=41_000))
    assert "STALE       this is 41 s old: the device does not renew it" in text
    assert "DEGRADED" in text
    assert "(no reading for 5 h)" in text
    assert text.count("\nFailure") == 7
    assert max(map(len, text.splitlines())) <= 80


def test_a_device_that_knows_nothing_says_so_line_by_line() -> None:
    text = "\n".join(terminal.lines(BARE, plain))
    assert "UNPROVISIONED for 1.2 s" in text
    assert "Meter       no meter configured" in text
    assert "0 kWh" not in text


def test_a_word_stands_beside_each_colour() -> None:
    painted = "\n".join(terminal.lines(judged(TRADING), lambda text, paint: f"<{paint.name}>{text}</>"))
    assert "<GREEN>TRADING</>" in painted
    assert "<YELLOW>Warning" in painted


def test_one_line_says_the_gist() -> None:
    assert terminal.gist(judged(TRADING)) == "13:07:12 trading; 1 warning: witness-unreachable"
    assert terminal.gist(BARE) == "--:--:-- unprovisioned"


@given(SNAPSHOTS)
def test_any_device_can_be_shown(snapshot: Snapshot) -> None:
    assert len(list(terminal.lines(snapshot, plain))) >= 9
    assert terminal.gist(snapshot)
