"""What truly flows at one connection: exact energy at any instant, from a table of intervals that repeats."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from testbed.scenarios.chance import Chance

_QUARTER_S = 900
_IDLE_J = 60 * _QUARTER_S
"""What the control of a battery leaves of import or export: none regulates to nothing."""
_MOST_J = 2_500 * _QUARTER_S
_EFFICIENCY_PERCENT = 90


class Flow(NamedTuple):
    """The truth at one instant.

    Attributes:
        import_j: drawn from the grid since the household's beginning, joules, rounded down.
        export_j: fed in, likewise.
        power_w: now, positive when drawn, rounded towards zero.
    """

    import_j: int
    export_j: int
    power_w: int


@dataclass(frozen=True)
class Household:
    """One connection.

    Attributes:
        net_j: energy drawn less energy fed in, for each interval in order, joules; repeats for ever.
        interval_ms: length of an interval.
        start_ms: when the first one begins, UTC.
    """

    net_j: tuple[int, ...]
    interval_ms: int
    start_ms: int

    @classmethod
    def synthetic(
        cls, seed: int, *, start_ms: int, days: int = 7, pv_w: int = 5_000, battery: bool = True
    ) -> "Household":
        """Days out of arithmetic: load with peaks, modules of `pv_w` watts (0 for none), perhaps a battery."""
        chance = Chance(seed)
        load, sun = [], []
        for quarter in range(96 * days):
            day, of_day = divmod(quarter, 96)
            base_w = 150 + chance.below(200, "base", quarter)
            peak_w = 2_400 if of_day in range(28, 34) or of_day in range(70, 84) else 300
            load.append((base_w + chance.below(peak_w, "load", quarter)) * 900)
            height = max(0, (of_day - 24) * (80 - of_day))  # a parabola from 6:00 to 20:00
            clear = 30 + chance.below(71, "clouds", day, of_day // 4)
            sun.append(pv_w * height * clear // (28 * 28 * 100) * 900)
        store = 36_000_000 if battery and pv_w else 0
        return cls(net_j=_with_battery(load, sun, store), interval_ms=900_000, start_ms=start_ms)

    @cached_property
    def _imported(self) -> tuple[int, ...]:
        return tuple(accumulate((max(0, net) for net in self.net_j), initial=0))

    @cached_property
    def _exported(self) -> tuple[int, ...]:
        return tuple(accumulate((max(0, -net) for net in self.net_j), initial=0))

    def at(self, utc_ms: int) -> Flow:
        """The truth at an instant, not before `start_ms`."""
        interval, within_ms = divmod(max(0, utc_ms - self.start_ms), self.interval_ms)
        turns, place = divmod(interval, len(self.net_j))
        net_j = self.net_j[place]
        share_j = abs(net_j) * within_ms // self.interval_ms
        return Flow(
            import_j=turns * self._imported[-1] + self._imported[place] + (share_j if net_j > 0 else 0),
            export_j=turns * self._exported[-1] + self._exported[place] + (share_j if net_j < 0 else 0),
            power_w=(abs(net_j) * 1_000 // self.interval_ms) * (1 if net_j > 0 else -1),
        )


def _with_battery(load_j: list[int], sun_j: list[int], capacity_j: int) -> tuple[int, ...]:
    """Net energy of each quarter of an hour with a battery that begins empty and leaves a little."""
    stored_j, net = 0, []
    for load, sun in zip(load_j, sun_j, strict=True):
        rest_j = load - sun
        if rest_j < 0:
            room_j = (capacity_j - stored_j) * 100 // _EFFICIENCY_PERCENT
            taken_j = max(0, min(-rest_j - _IDLE_J, _MOST_J, room_j))
            stored_j += taken_j * _EFFICIENCY_PERCENT // 100
            rest_j += taken_j
        else:
            given_j = max(0, min(rest_j - _IDLE_J, _MOST_J, stored_j))
            stored_j -= given_j
            rest_j -= given_j
        net.append(rest_j)
    return tuple(net)
