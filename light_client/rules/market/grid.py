"""The grid as the market sees it: feeders with their limits, as energies per interval."""

from __future__ import annotations

from dataclasses import dataclass, field

from light_client.rules.errors import RuleViolation
from light_client.rules.units import FeederId

ROOT = 1 << 16
"""The node on which the feeders hang: above all their numbers."""
MAX_FEEDERS = 4_096
MAX_POWER_W = 1 << 34
MAX_INTERVAL_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """One feeder of the radial grid. Source: section 4 of the transactive-energy paper."""

    feeder: FeederId
    """Number of the feeder, 0..65,535."""
    c_ext_w: int
    """Most net power into or out of the feeder, watts."""
    c_int_w: int | None = None
    """Most total production, and most total consumption, inside the feeder, watts; None where no limit is set."""

    def __post_init__(self) -> None:
        if type(self.feeder) is not int or not 0 <= self.feeder <= 65_535:
            raise RuleViolation(
                "MKT-02",
                "feeder number out of range",
                got=self.feeder,
                expected="0..65535",
            )
        for name, value in (("c_ext_w", self.c_ext_w), ("c_int_w", self.c_int_w)):
            if name == "c_int_w" and value is None:
                continue
            if type(value) is not int or not 0 <= value <= MAX_POWER_W:
                raise RuleViolation(
                    "MKT-02",
                    f"{name} out of range",
                    got=value,
                    expected=f"0..{MAX_POWER_W}",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The feeders of one grid in ascending order, and their limits per interval in joules."""

    feeders: tuple[Feeder, ...]
    interval_s: int
    """Length of one interval, seconds; that of the market's parameters."""
    ext_j: dict[int, int] = field(init=False, repr=False, compare=False)
    """Feeder -> most net energy in or out of it in one interval, J."""
    int_j: dict[int, int | None] = field(init=False, repr=False, compare=False)
    """Feeder -> most energy sold, and most bought, inside it in one interval, J; None where unlimited."""

    def __post_init__(self) -> None:
        if type(self.interval_s) is not int or not 1 <= self.interval_s <= MAX_INTERVAL_S:
            expected = f"1..{MAX_INTERVAL_S}"
            raise RuleViolation(
                "MKT-02",
                "length of the grid's interval",
                got=self.interval_s,
                expected=expected,
            )
        numbers = [feeder.feeder for feeder in self.feeders]
        if numbers != sorted(set(numbers)):
            raise RuleViolation(
                "MKT-02",
                "feeders are not strictly ascending",
                got=numbers,
                expected="ascending",
            )
        if not 1 <= len(numbers) <= MAX_FEEDERS:
            raise RuleViolation(
                "MKT-02",
                "number of feeders",
                got=len(numbers),
                expected=f"1..{MAX_FEEDERS}",
            )
        seconds = self.interval_s
        object.__setattr__(self, "ext_j", {f.feeder: f.c_ext_w * seconds for f in self.feeders})
        internal = {f.feeder: None if f.c_int_w is None else f.c_int_w * seconds for f in self.feeders}
        object.__setattr__(self, "int_j", internal)

    @property
    def parents(self) -> dict[int, int]:
        """Feeder -> what it hangs on: each on the root, since no limits are known between feeders."""
        return dict.fromkeys(self.ext_j, ROOT)
