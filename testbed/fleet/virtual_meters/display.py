"""What a meter says of the truth: its registers, and the accidents that happen to them."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.script import FaultKind, Script

WH_J: Final = 3_600
BACK_STEP_WH: Final = 100
JUMP_WH: Final = 777_000
VOLTAGE_DV: Final = 2_301
FREQUENCY_DHZ: Final = 500


class Shown(NamedTuple):
    """Registers and momentary values, whole numbers.

    Attributes:
        import_wh: counter, watt hours.
        export_wh: counter, watt hours.
        power_w: net, positive when drawn.
        voltage_dv: of each phase, tenths of a volt.
        current_ma: of each phase, milliamperes.
        frequency_dhz: tenths of a hertz.
    """

    import_wh: int
    export_wh: int
    power_w: int
    voltage_dv: int = VOLTAGE_DV
    current_ma: int = 0
    frequency_dhz: int = FREQUENCY_DHZ


@dataclass(frozen=True, kw_only=True)
class Display:
    """The registers of one meter.

    Attributes:
        household: the truth.
        script: what goes wrong.
        script_start_ms: when the script begins, UTC; None for the household's beginning.
        import_wh: what the import counter showed at the beginning.
        export_wh: likewise.
        modulus_wh: where the counters begin again, None for never.
    """

    household: Household
    script: Script
    script_start_ms: int | None = None
    import_wh: int = 4_711_000
    export_wh: int = 815_000
    modulus_wh: int | None = None

    def since_ms(self, utc_ms: int) -> int:
        """An instant in the script's time."""
        return utc_ms - (self.household.start_ms if self.script_start_ms is None else self.script_start_ms)

    def honest(self, utc_ms: int) -> Shown:
        """What the registers hold: the truth since the last reset, without what passes by."""
        flow = self.household.at(utc_ms)
        counters = (flow.import_j // WH_J + self.import_wh, flow.export_j // WH_J + self.export_wh)
        since_ms = self.since_ms(utc_ms)
        reset = self.script.latest(FaultKind.RESET, since_ms)
        if reset is not None:
            then = self.household.at(utc_ms - since_ms + reset.start_ms)
            counters = (
                (flow.import_j - then.import_j) // WH_J,
                (flow.export_j - then.export_j) // WH_J,
            )
        if self.modulus_wh is not None:
            counters = (counters[0] % self.modulus_wh, counters[1] % self.modulus_wh)
        milliamperes = abs(flow.power_w) * 10_000 // (3 * VOLTAGE_DV)
        return Shown(counters[0], counters[1], flow.power_w, current_ma=milliamperes)

    def shown(self, utc_ms: int) -> Shown:
        """What the meter says."""
        at_ms, active = self.since_ms(utc_ms), self.script.active
        said = self.honest(utc_ms)
        frozen = active(FaultKind.FROZEN, at_ms)
        if frozen is not None:
            stood = self.honest(utc_ms - at_ms + frozen.start_ms)
            said = said._replace(import_wh=stood.import_wh, export_wh=stood.export_wh)
        if active(FaultKind.BACK_STEP, at_ms) is not None:
            said = _counters(said, offset_wh=-BACK_STEP_WH)
        if active(FaultKind.JUMP, at_ms) is not None:
            said = _counters(said, offset_wh=JUMP_WH)
        if active(FaultKind.SCALED, at_ms) is not None:
            said = _counters(said, factor=1_000)
        if active(FaultKind.FALSE_ZERO, at_ms) is not None:
            said = _counters(said, factor=0)
        if active(FaultKind.WRONG_SIGN, at_ms) is not None:
            said = said._replace(power_w=-said.power_w)
        return said


def _counters(said: Shown, *, factor: int = 1, offset_wh: int = 0) -> Shown:
    return said._replace(
        import_wh=max(0, said.import_wh * factor + offset_wh),
        export_wh=max(0, said.export_wh * factor + offset_wh),
    )
