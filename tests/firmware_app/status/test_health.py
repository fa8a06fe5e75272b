"""What is wrong is told worst first, late enough not to flap, and without the consequences of a cause."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given

from firmware_app.status.checks import CHECKS, EXPLAINED
from firmware_app.status.conditions import CONDITIONS, Condition
from firmware_app.status.health import Health
from firmware_app.status.snapshot import Absent, ClockView, LinkView, MeterView, Notice, Snapshot
from tests.firmware_app.status.made_up import SNAPSHOTS
from tests.status_kit import BARE, FAILED, LINKS, METER, TRADING

HOUR_MS = 3_600_000


def after(health: Health, snapshot: Snapshot, passed_ms: int) -> tuple[Notice, ...]:
    return health.look(replace(snapshot, made_monotonic_ms=passed_ms)).notices


def codes(snapshot: Snapshot, passed_ms: int = HOUR_MS) -> list[str]:
    health = Health()
    after(health, snapshot, 0)
    return [notice.code for notice in after(health, snapshot, passed_ms)]


def test_the_mock_ups_device_has_one_warning() -> None:
    health = Health()
    after(health, TRADING, 0)
    (notice,) = after(health, TRADING, HOUR_MS)
    assert (notice.code, notice.subject, notice.severity) == ("witness-unreachable", "witness-2", "warning")
    assert notice.sentence == "unreachable for 41 min: forks are seen by 1 witness only"
    assert notice.since_ago_ms == HOUR_MS


def test_failures_come_first() -> None:
    severities = [notice.severity for notice in Health().look(FAILED).notices]
    assert severities == sorted(severities)
    assert len(severities) > 4


def test_a_condition_is_told_when_it_has_held_for_its_time_and_forgotten_when_it_is_over() -> None:
    health = Health()
    for passed_ms in (0, 200_000, 299_999):
        assert after(health, TRADING, passed_ms) == ()
    assert len(after(health, TRADING, 300_000)) == 1
    well = replace(TRADING, links=LINKS[:3])
    assert after(health, well, 300_001) == ()
    assert after(health, TRADING, 300_002) == ()


def test_a_cause_hides_its_consequences_even_before_it_is_shown_itself() -> None:
    down = tuple(replace(link, up=False, since_ago_ms=200_000) for link in LINKS)
    cut = replace(TRADING, links=down, life=replace(TRADING.life, state="degraded", sentence="no server"))
    assert codes(cut) == ["network-down"]
    health = Health()
    assert after(health, cut, 0) == after(health, cut, 119_999) == ()
    alone = replace(
        TRADING, life=replace(TRADING.life, state="degraded", sentence="a pause"), links=LINKS[:3]
    )
    assert codes(alone) == ["not-trading"]


def test_a_cause_of_one_meter_does_not_hide_another_meters_trouble() -> None:
    lost = replace(METER, name="pv", age_ms=HOUR_MS, quality="jump", reason="too much")
    suspect = replace(METER, quality="false-zero", reason="0 after 3905")
    both = replace(TRADING, meters=(suspect, lost), links=LINKS[:3])
    notices = [(notice.code, notice.subject) for notice in Health().look(both).notices]
    assert notices == [("meter-lost", "pv"), ("counter-suspect", "house")]


class ShowsEverything(Health):
    """Broken: consequences stand beside their causes."""

    def look(self, snapshot: Snapshot) -> Snapshot:
        self._conditions = tuple(replace(condition, root_causes=()) for condition in CONDITIONS)
        return super().look(snapshot)


def test_without_causes_the_list_is_noise() -> None:
    noisy = ShowsEverything()
    after(noisy, FAILED, 0)
    assert len(after(noisy, FAILED, HOUR_MS)) > len(codes(FAILED)) + 3


def clock(**changes: object) -> ClockView:
    assert isinstance(TRADING.clock, ClockView)
    return replace(TRADING.clock, **changes)  # type: ignore[arg-type]


def meter(**changes: object) -> Snapshot:
    changed: MeterView = replace(METER, **changes)  # type: ignore[arg-type]
    return replace(TRADING, meters=(changed,))


def one_link(**changes: object) -> Snapshot:
    changed: LinkView = replace(LINKS[4], **changes)  # type: ignore[arg-type]
    return replace(TRADING, links=(*LINKS[:3], changed))


@pytest.mark.parametrize(
    ("code", "snapshot", "says"),
    [
        ("clock-untrusted", replace(TRADING, clock=clock(state="untrusted", reason="LC-08")), "LC-08"),
        (
            "clock-held-over",
            replace(TRADING, clock=clock(synchronised_ago_ms=3 * HOUR_MS)),
            "no time service for 3 h",
        ),
        ("clock-rescued", replace(TRADING, clock=clock(state="rescued")), "headers"),
        ("meter-lost", meter(age_ms=Absent("no answer")), "never read: no answer"),
        ("meter-lost", meter(age_ms=180_001), "limit 3 min"),
        (
            "meter-damaged",
            meter(rounds=300, damaged=38, unanswered=0),
            "38 of 300 replies damaged, 0 missing (12.7 %, limit 1 %)",
        ),
        ("counter-suspect", meter(quality="jump", reason="9 kWh in 1 s"), "9 kWh in 1 s"),
        ("simulated", replace(TRADING, device=replace(TRADING.device, simulated=True)), "SIMULATED"),
        ("server-unreachable", one_link(up=False, error="refused"), "refused"),
        ("certificate-ends", one_link(certificate_days=13), "13 more days"),
    ],
)
def test_each_condition_says_what_is_wrong(code: str, snapshot: Snapshot, says: str) -> None:
    calm = replace(snapshot, links=snapshot.links if snapshot.links is not TRADING.links else LINKS[:3])
    health = Health()
    after(health, calm, 0)
    (notice,) = after(health, calm, HOUR_MS)
    assert notice.code == code
    assert says in notice.sentence
    assert notice.next


def test_every_condition_occurs_and_every_code_is_unique_and_leads_to_a_check() -> None:
    all_codes = [condition.code for condition in CONDITIONS]
    assert len(set(all_codes)) == len(all_codes)
    assert {condition.check for condition in CONDITIONS} <= set(CHECKS)
    assert set(EXPLAINED) == {*CHECKS, "service"}
    roots = {code for condition in CONDITIONS for code in condition.root_causes}
    assert roots <= set(all_codes)
    order = {code: at for at, code in enumerate(all_codes)}
    assert all(condition.code not in condition.root_causes for condition in CONDITIONS)
    assert order["ledger-halted"] == 0


def found(condition: Condition) -> Callable[[Snapshot], int]:
    return lambda snapshot: len(list(condition.find(snapshot)))


@given(SNAPSHOTS)
def test_no_snapshot_is_too_strange_to_be_judged(snapshot: Snapshot) -> None:
    shown = Health().look(snapshot)
    assert all(notice.sentence and notice.next for notice in shown.notices)
    total = sum(found(condition)(snapshot) for condition in CONDITIONS)
    assert len(shown.notices) <= total
    assert codes(BARE) == []
