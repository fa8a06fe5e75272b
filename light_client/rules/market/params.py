"""What the genesis fixes about the market."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from light_client.rules.errors import RuleViolation
from light_client.rules.market.grid import MAX_INTERVAL_S
from light_client.rules.market.mechanisms.kinds import MaximumEnergy, MechanismParams, TwoStage
from light_client.rules.units import MAX_ENERGY_J, MAX_PRICE_UC_PER_KWH


class Objective(IntEnum):
    """The certified objectives, in the order in which they are optimised; numbers as in the canonical encoding."""

    ENERGY = 0
    """Most energy traded. Source: equation (10) of the transactive-energy paper."""
    EXPIRY = 1
    """Soonest-expiring energy first, then the earliest interval: least ``sum (N * last + t) * x[s,t]``."""
    WELFARE = 2
    """Most welfare: ``sum R_b * y[b,t] - sum R_s * x[s,t]``, micro-currency joules per kWh."""


OBJECTIVE_ORDERS = (
    (Objective.ENERGY, Objective.EXPIRY),
    (Objective.ENERGY, Objective.EXPIRY, Objective.WELFARE),
)
"""The orders a genesis may choose from."""


_MAXIMUM_ENERGY = MaximumEnergy()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketParams:
    """Parameters of the market, the same for every party and never changed within a chain."""

    interval_s: int = 900
    """Length of one interval, seconds; 1..86,400."""
    t_clear: int = 1
    """How many intervals after its offers close an interval becomes final; at least 1.

    Source: T_clear, equations (11)-(15) of the paper.
    """
    horizon: int = 96
    """How many intervals ahead of the first open one an offer may reach; 1..``expiry_weight``."""
    expiry_weight: int = 128
    """N in the second objective; at least ``horizon``, so that expiry decides before the interval does."""
    uniform_price_uc_per_kwh: int | None = None
    """The one price of a uniform market, or None where every offer states its reservation price."""
    objectives: tuple[Objective, ...] = OBJECTIVE_ORDERS[0]
    """Which objectives are certified, most important first."""
    max_gap_j: int = 0
    """Largest proven energy gap (J) that may still be voted for."""
    mechanism: MechanismParams = _MAXIMUM_ENERGY
    """How an interval is cleared; uniform price, objectives and gap are those of ``MaximumEnergy`` alone."""

    def __post_init__(self) -> None:
        price = self.uniform_price_uc_per_kwh
        bounds = (
            ("interval_s", self.interval_s, 1, MAX_INTERVAL_S),
            ("t_clear", self.t_clear, 1, 96),
            ("expiry_weight", self.expiry_weight, 1, 4_096),
            ("horizon", self.horizon, 1, self.expiry_weight),
            ("max_gap_j", self.max_gap_j, 0, MAX_ENERGY_J),
            (
                "uniform_price_uc_per_kwh",
                0 if price is None else price,
                0,
                MAX_PRICE_UC_PER_KWH,
            ),
        )
        for name, value, low, high in bounds:
            if type(value) is not int or not low <= value <= high:
                raise RuleViolation(
                    "MKT-01",
                    f"market parameter {name} out of range",
                    got=value,
                    expected=f"{low}..{high}",
                )
        if self.objectives not in OBJECTIVE_ORDERS or any(type(o) is not Objective for o in self.objectives):
            raise RuleViolation(
                "MKT-01",
                "unknown order of objectives",
                got=self.objectives,
                expected=OBJECTIVE_ORDERS,
            )
        self._check_mechanism()

    def _check_mechanism(self) -> None:
        """MKT-30: the mechanism is a known one, and the market's other parameters leave it room."""
        mechanism = self.mechanism
        if not isinstance(mechanism, MechanismParams):
            raise RuleViolation(
                "MKT-30", "mechanism of a market", got=mechanism, expected="one that is known"
            )
        if not mechanism.by_solver and self.uniform_price_uc_per_kwh is not None:
            price = self.uniform_price_uc_per_kwh
            raise RuleViolation("MKT-30", "one price for all in an auction", got=price, expected=None)
        if isinstance(mechanism, TwoStage) and mechanism.reaction_ms >= self.interval_s * 1_000:
            raise RuleViolation(
                "MKT-30",
                "time to react to the average, ms",
                got=mechanism.reaction_ms,
                expected=f"less than an interval, {self.interval_s * 1_000}",
            )
