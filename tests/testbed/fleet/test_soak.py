"""A sample of the soak, the rules of its scripts, and readers that break each promise and are found out."""

from decimal import Decimal
from itertools import pairwise

import pytest

from meter_io.account import Entry, MeterAccount
from meter_io.bus.dialogue import Said
from meter_io.bus.events import Failed, Round
from meter_io.errors import NoReply
from meter_io.guard import EXPORT_WH, IMPORT_WH, CounterGuard, GuardParams, Judgement
from meter_io.guard.state import Candidate
from meter_io.guard.steps import Step
from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, POWER_NET
from meter_io.reading import MeterId, Sample, Unit, Value
from testbed.fleet.virtual_meters.display import Display
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.script import PORT, Fault, FaultKind, Script, random_script
from testbed.fleet.virtual_meters.soak import START_MS, Soak
from testbed.fleet.virtual_meters.watch import RECOVERY_MS, Watch

PARAMS = GuardParams(counters=(IMPORT_WH, EXPORT_WH), needs_power=True)
METER = MeterId("house")
EVERY_MS = 30_000


def test_a_day_of_meters() -> None:
    """The command reads 20 meters for a week; here are eight, for a day, every other minute."""
    report = Soak(days=1, seed=2, every_ms=120_000, slaves=3).run()
    assert [str(breach) for breach in report.breaches] == []
    assert (report.meters, report.buses) == (8, 4)
    assert sum(report.faults.values()) == 8 * 4 + 4
    assert report.readings["good"] > 5_000
    assert report.failures > 20
    assert report.intervals["measured"] > 500


# -- the judge, with a meter of its own ------------------------------------------------------------------------------


def watch(script: Script, guard: type[CounterGuard] = CounterGuard, *, port: Script | None = None) -> Watch:
    """A judge over one meter, whose guard may be a broken one."""
    account = MeterAccount(METER, PARAMS)
    account.guard = guard(METER, PARAMS)
    household = Household.synthetic(4, start_ms=START_MS, days=1, pv_w=3_000)
    return Watch(
        display=Display(household=household, script=script),
        port=port or Script(),
        params=PARAMS,
        account=account,
        every_ms=EVERY_MS,
        limit_ms=1_000,
    )


def play(judge: Watch, *, until_ms: int, missed: tuple[int, int] = (0, 0), late_ms: int = 0) -> set[str]:
    """Read the meter on its beat, but not between `missed`; returns the promises that were broken."""
    for at_ms in range(0, until_ms, EVERY_MS):
        if missed[0] <= at_ms < missed[1]:
            continue
        now_ms = at_ms + (late_ms if at_ms == until_ms // 2 // EVERY_MS * EVERY_MS else 0)
        shown = judge.display.shown(START_MS + now_ms)
        values = {
            IMPORT_TOTAL: Value(number_of(shown.import_wh), Unit.WATT_HOUR),
            EXPORT_TOTAL: Value(number_of(shown.export_wh), Unit.WATT_HOUR),
            POWER_NET: Value(number_of(shown.power_w), Unit.WATT),
        }
        judge.read(
            Round(meter=METER, said=Said("test", values), began_ms=now_ms, ended_ms=now_ms), now_ms, []
        )
    judge.finish(until_ms)
    return {breach.promise for breach in judge.breaches}


def number_of(whole: int) -> Decimal:
    """A value as meters give it."""
    return Decimal(whole)


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind not in PORT])
def test_each_accident_alone_breaks_no_promise(kind: FaultKind) -> None:
    script = Script([Fault(kind=kind, start_ms=3_600_000, end_ms=3_655_000)])
    assert play(watch(script), until_ms=7_200_000) == set()


class BelievesAll(CounterGuard):
    """Takes every step for a plausible one."""

    def _steps(self, state: object, values_j: object, at: object) -> tuple[Step, Step]:
        return Step.PLAUSIBLE, Step.PLAUSIBLE

    def judge(self, sample: Sample) -> Judgement:
        try:
            return super().judge(sample)
        except ValueError:  # energy below 0: it lets that pass as a new beginning
            self.accept()
            return super().judge(sample)


class ProvesAtOnce(CounterGuard):
    """Takes a single sample for a new base."""

    def _is_confirmed(self, candidate: Candidate, steps: tuple[Step, Step]) -> bool:
        return Step.SCALED not in candidate.steps


class NeverRecovers(CounterGuard):
    """Waits for ever once something was wrong."""

    def _is_confirmed(self, candidate: Candidate, steps: tuple[Step, Step]) -> bool:
        return False


class LosesSpans(MeterAccount):
    """Forgets to book some spans."""

    count = 0

    def judge(self, sample: Sample) -> Entry:
        entry = super().judge(sample)
        self.count += 1
        return entry if self.count % 50 else entry._replace(spans=())


def test_a_guard_that_believes_all_is_found_out() -> None:
    script = Script([Fault(kind=FaultKind.JUMP, start_ms=3_600_000, end_ms=3_655_000)])
    assert "truth" in play(watch(script, BelievesAll), until_ms=7_200_000)


def test_a_guard_that_proves_at_once_is_found_out() -> None:
    script = Script([Fault(kind=FaultKind.FALSE_ZERO, start_ms=3_600_000, end_ms=4_200_000)])
    assert play(watch(script, ProvesAtOnce), until_ms=7_200_000)


def test_a_guard_that_never_recovers_is_found_out() -> None:
    script = Script([Fault(kind=FaultKind.RESET, start_ms=3_600_000, end_ms=3_601_000)])
    assert play(watch(script, NeverRecovers), until_ms=7_200_000) == {"recovery"}


def test_a_lost_span_is_found_out() -> None:
    judge = watch(Script())
    judge.account = LosesSpans(METER, PARAMS)
    assert "gaps" in play(judge, until_ms=7_200_000)


def test_unreported_silence_is_found_out() -> None:
    silence = (3_600_000, 4_200_000)
    script = Script([Fault(kind=FaultKind.SILENCE, start_ms=silence[0], end_ms=silence[1])])
    assert play(watch(script), until_ms=7_200_000, missed=silence) == {"gaps"}
    reported = watch(script)
    failed = Failed(meter=METER, error=NoReply("nothing"), failures=1, retry_ms=0)
    reported._reported_ms = -1
    for at_ms in range(0, 7_200_000, EVERY_MS):
        if at_ms == silence[0] + EVERY_MS:
            reported.failed(failed, at_ms)
    assert reported.failures == 1


def test_a_late_reading_is_found_out() -> None:
    assert play(watch(Script()), until_ms=7_200_000, late_ms=1_300) == set()
    assert play(watch(Script()), until_ms=7_200_000, late_ms=1_500) == {"delay"}


# -- scripts ---------------------------------------------------------------------------------------------------------


def test_faults_can_be_written_down() -> None:
    fault = Fault.parse("false-zero@60+30")
    assert (fault.kind, fault.start_ms, fault.end_ms) == (FaultKind.FALSE_ZERO, 60_000, 90_000)
    assert str(fault) == "false-zero@60+30"
    assert Fault.parse("reset@1.5") == Fault(kind=FaultKind.RESET, start_ms=1_500, end_ms=2_500)
    for text in ("false-zero", "nonsense@5", "reset@-5", "reset@5+", ""):
        with pytest.raises(ValueError, match="a fault looks like"):
            Fault.parse(text)
    with pytest.raises(ValueError, match="then ends, got 5, 5"):
        Fault(kind=FaultKind.RESET, start_ms=5, end_ms=5)


def test_random_scripts_are_the_same_for_a_seed_and_leave_room() -> None:
    script = random_script(5, set(FaultKind), duration_ms=86_400_000, faults=8)
    assert script.faults == random_script(5, set(FaultKind), duration_ms=86_400_000, faults=8).faults
    assert script.faults != random_script(6, set(FaultKind), duration_ms=86_400_000, faults=8).faults
    for earlier, later in pairwise(script.faults):
        assert later.start_ms - earlier.end_ms >= RECOVERY_MS
    with pytest.raises(ValueError, match="do not fit"):
        random_script(5, set(FaultKind), duration_ms=3_600_000, faults=8)
