"""What a simulation hands over for the report of one trading day.

Energies are whole joules and intervals are numbers counted from the start of the day unless a name says
otherwise. What was not observed is ``None``: a report shows it as a gap, never as zero.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

from testbed.report.wording import kwh

Series = tuple[int | None, ...]


class ReportError(ValueError):
    """The parts of a trading day contradict each other: a bug of whoever collected them."""

    def __init__(self, what: str, *, got: object, expected: object) -> None:
        super().__init__(f"{what}: got {got!r}, expected {expected!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The totals of one day; the first fourteen fields are those of ``summary.json``."""

    offered_j: int
    """Energy of the accepted sell offers, J: what could at most have been traded."""
    traded_j: int
    """Energy in final trades, J."""
    bound_j: int
    """Proven upper bound on what could have been traded, knowing the whole day beforehand, J."""
    gap_j: int
    """``bound_j - traded_j``."""
    blocks: int
    finals: int
    """Intervals that became final."""
    meters: int
    verified_headers: int
    verified_trades: int
    verified_solutions: int
    rejected: int
    """Solutions refused because they were infeasible or their proof did not hold."""
    latency_p50_s: float | None
    """From posting an offer to its trade being final, simulated seconds; None if nothing was traded."""
    latency_p99_s: float | None
    wall_s: float
    """How long the run took in real time, s."""
    offered_sell_j: int
    wanted_j: int
    """Energy of the sell offers, and of the buy offers, J."""
    settled_uc: int
    """Money paid by buyers to sellers, micro-currency."""
    finals_proven: int
    """Final intervals whose clearing was proven optimal."""
    finals_kept: int
    """Final intervals cleared by a plan kept from before, with a proven gap."""
    finals_vacuous: int
    """Final intervals in which nothing could be traded."""
    finals_computed: int = 0
    """Final intervals cleared by an auction, whose outcome everybody computed."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "gap_j" and value is not None and value < 0:
                raise ReportError(field.name, got=value, expected="0 or more")
        if self.gap_j != self.bound_j - self.traded_j:
            raise ReportError("gap_j", got=self.gap_j, expected=self.bound_j - self.traded_j)
        kinds = self.finals_proven + self.finals_kept + self.finals_vacuous + self.finals_computed
        if kinds != self.finals:
            raise ReportError(
                "proven, kept, vacuous and computed finals together", got=kinds, expected=self.finals
            )

    @property
    def optimum_share(self) -> float | None:
        """Traded energy as a share of the bound, 0..1; None where nothing could be traded."""
        return self.traded_j / self.bound_j if self.bound_j else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeederDay:
    """One feeder's flow through the day."""

    feeder: int
    c_ext_w: int
    """The most net power in or out, W."""
    net_j: Series
    """Energy that left the feeder per interval (negative: entered it), J."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationTimes:
    """How long one kind of verifier took."""

    verifier: str
    """Who checked what, on which platform; as it should read in a plot."""
    times_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProsumerTrade:
    """Energy that one prosumer sold in one interval to one buyer, or group of buyers."""

    interval: int
    """From the start of the day."""
    buyer: str
    energy_j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProsumerDay:
    """One prosumer's day, by way of example."""

    prosumer: str
    generation_j: tuple[int, ...]
    trades: tuple[ProsumerTrade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Something that must hold of the day."""

    name: str
    passed: bool
    got: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What the electricity meters of all homes said of the day, beside what was traded."""

    homes: int
    readings: int
    """All that were taken, from the first start of the meters on."""
    good: int
    suspect: tuple[tuple[str, int], ...]
    """(quality, count) of those that were not good."""
    missed: int
    """Rounds or telegrams that brought no reading."""
    measured: int
    estimated: int
    unknown: int
    """Intervals of the day by how their energy is known, all homes together."""
    metered_import_j: int
    metered_export_j: int
    """Energy of the measured intervals, J."""
    doubtful_j: int
    """Energy, both ways, that meters counted in intervals that are not measured, J: never traded on."""
    sold_j: int
    bought_j: int
    """Energy of final trades of offers for one interval, J."""
    sold_from_battery_j: int
    """Energy of final trades of offers over several intervals, J: what a battery gives back is not metered here."""
    short_j: int
    """Energy traded in measured intervals beyond what the meter shows there, J."""
    unmeasured_trades_j: int
    """Energy traded, before anybody knew, in intervals that turned out not to be measured, J."""
    halted: tuple[int, ...]
    """Homes that were suspect at some time after the first good reading."""
    withheld: int
    """Offers that such a home did not post before their gate closed."""
    posted_suspect: int
    """Offers first sent while the home was suspect: must be none."""
    wrong: int
    """Where what was believed differs from what truly flowed: must be none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDay:
    """Everything the report of one day is made of."""

    scenario_name: str
    title: str
    seed: int
    interval_s: int
    first_interval: int
    """Absolute: UTC seconds // ``interval_s``."""
    summary: Summary
    offered_sell_j: Series
    """Energy newly offered for sale from each interval on, J."""
    wanted_j: Series
    traded_j: Series
    feeders: tuple[FeederDay, ...]
    latencies_s: tuple[float, ...]
    """Offer posted to trade final, one per final trade."""
    verifications: tuple[VerificationTimes, ...]
    verification_budget_ms: float | None = None
    """What a check may take, drawn as a line; None for no such budget."""
    prosumer: ProsumerDay | None = None
    bound_cumulative_j: Series = ()
    """What an offline optimum has traded by the end of each interval, J."""
    rejected_by_rule: tuple[tuple[str, int], ...] = ()
    """(rule id, count), most frequent first."""
    expectations: tuple[Expectation, ...] = ()
    """What the scenario demands, beside what the report itself checks."""
    command: str
    """The command that repeats the day."""
    versions: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    """(input, its hash)."""
    readings: Readings | None = None
    """None where homes go by their plan."""

    def __post_init__(self) -> None:
        count = len(self.traded_j)
        lengths = {"offered_sell_j": len(self.offered_sell_j), "wanted_j": len(self.wanted_j)}
        lengths |= {f"net_j of feeder {feeder.feeder}": len(feeder.net_j) for feeder in self.feeders}
        if self.bound_cumulative_j:
            lengths["bound_cumulative_j"] = len(self.bound_cumulative_j)
        if self.prosumer is not None:
            lengths["generation_j"] = len(self.prosumer.generation_j)
        for name, length in lengths.items():
            if length != count:
                raise ReportError(f"length of {name}", got=length, expected=count)
        traded = sum(energy for energy in self.traded_j if energy is not None)
        if traded != self.summary.traded_j:
            raise ReportError("sum of traded_j", got=traded, expected=self.summary.traded_j)
        refused = sum(number for _, number in self.rejected_by_rule)
        if self.rejected_by_rule and refused != self.summary.rejected:
            raise ReportError("sum of rejected_by_rule", got=refused, expected=self.summary.rejected)

    @property
    def intervals(self) -> int:
        """How many intervals the day has."""
        return len(self.traded_j)

    def feeder_intervals(self) -> Counter[str]:
        """How many (feeder, interval) pairs are ``below``, ``at`` and ``above`` their limit, or ``unknown``."""
        return Counter(
            loading(energy, feeder.c_ext_w * self.interval_s)
            for feeder in self.feeders
            for energy in feeder.net_j
        )

    def checked(self) -> tuple[Expectation, ...]:
        """The expectations, preceded by what the report can see for itself."""
        above = self.feeder_intervals()["above"]
        own = (
            Expectation(
                name="no feeder above its limit",
                passed=above == 0,
                got=f"{above} feeder-intervals",
                expected="0",
            ),
            Expectation(
                name="no more traded than the proven bound",
                passed=self.summary.gap_j >= 0,
                got=f"{kwh(self.summary.gap_j)} kWh below it",
                expected="0 kWh or more",
            ),
        )
        return (*own, *self.expectations)

    @property
    def passed(self) -> bool:
        """Whether every expectation holds."""
        return all(expectation.passed for expectation in self.checked())


def loading(net_j: int | None, limit_j: int) -> str:
    """Where a net flow stands against its limit: ``below``, ``at``, ``above`` or ``unknown``."""
    if net_j is None:
        return "unknown"
    if abs(net_j) == limit_j:
        return "at"
    return "below" if abs(net_j) < limit_j else "above"
