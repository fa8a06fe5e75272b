"""All metered homes of a scenario: built out of its table and its section ``[meters]``, each when it is first asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from light_client.rules.units import LOT_J, Side
from testbed.fleet.metered_home import MeteredHome, Metering, NewAccount, guarded
from testbed.fleet.virtual_meters.household import Household
from testbed.fleet.virtual_meters.script import PORT, Fault, FaultKind, Script, random_script
from testbed.scenarios.errors import PlanError
from testbed.scenarios.metering import MeterProtocol, MetersSection
from testbed.scenarios.model import DAY_S, HomeDay, Scenario

_PROTOCOLS = (MeterProtocol.P1, MeterProtocol.SML, MeterProtocol.MODBUS_RTU)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where and when homes are metered.

    Attributes:
        scenario: whose table is the truth.
        section: how homes are metered.
        seed: of accidents.
        start_ms: when the meters are first read, UTC.
        end_ms: when they are read last, UTC.
    """

    scenario: Scenario
    section: MetersSection
    seed: int
    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        known = {home.home_id for home in self.scenario.homes}
        for text in self.section.faults:
            home_id = int(text.partition(":")[0])
            if home_id not in known:
                expected = ", ".join(map(str, sorted(known)[:8]))
                raise PlanError("home of a meter's fault", got=home_id, expected=expected)
            try:
                Fault.parse(text.partition(":")[2])
            except ValueError as error:
                raise PlanError("fault of a meter", got=text, expected=str(error)) from None


class MeteredHomes:
    """The homes by their number."""

    def __init__(self, site: Site, *, account: NewAccount = guarded) -> None:
        self._site = site
        self._account = account
        self._days = {home.home_id: home for home in site.scenario.homes}
        self._homes: dict[int, MeteredHome] = {}

    def is_measured(self, home_id: int, utc_ms: int) -> bool:
        """Whether a home's meter is to be believed at a moment."""
        return self.of(home_id).is_measured(utc_ms)

    def of(self, home_id: int) -> MeteredHome:
        """One home."""
        if home_id not in self._homes:
            site = self._site
            household = truth_of(self._days[home_id], site.scenario, site.start_ms)
            self._homes[home_id] = MeteredHome(f"home-{home_id}", household, self._metering(home_id))
        return self._homes[home_id]

    def finish(self) -> Mapping[int, MeteredHome]:
        """Read every meter until the end; in the order of the homes."""
        for home_id in self._days:
            self.of(home_id).finish(self._site.end_ms)
        return {home_id: self._homes[home_id] for home_id in self._days}

    def _metering(self, home_id: int) -> Metering:
        site, section = self._site, self._site.section
        place = list(self._days).index(home_id)
        mixed = section.protocol is MeterProtocol.MIXED
        protocol = _PROTOCOLS[place % len(_PROTOCOLS)] if mixed else section.protocol
        seed = site.seed * 1_000_003 + home_id
        faults = [*self._named(home_id), *self._drawn(protocol, seed)]
        return Metering(
            protocol=protocol,
            every_ms=section.every_s * 1_000,
            faults=Script(fault for fault in faults if fault.kind not in PORT),
            port=Script(fault for fault in faults if fault.kind in PORT),
            seed=seed,
            account=self._account,
        )

    def _named(self, home_id: int) -> list[Fault]:
        """Accidents by name: their seconds count from midnight, a script from the first reading."""
        site = self._site
        midnight_ms = site.scenario.first_interval * site.scenario.interval_s // DAY_S * DAY_S * 1_000
        shift_ms = midnight_ms - site.start_ms
        faults = []
        for text in site.section.faults:
            home, _, what = text.partition(":")
            fault = Fault.parse(what)
            if int(home) == home_id and fault.end_ms + shift_ms > 0:
                start_ms = max(0, fault.start_ms + shift_ms)
                faults.append(replace(fault, start_ms=start_ms, end_ms=fault.end_ms + shift_ms))
        return faults

    def _drawn(self, protocol: MeterProtocol, seed: int) -> tuple[Fault, ...]:
        site = self._site
        kinds = set(FaultKind)
        if protocol is not MeterProtocol.MODBUS_RTU:
            kinds -= {FaultKind.WRONG_SLAVE}
        duration_ms = site.end_ms - site.start_ms
        count = site.section.faults_per_day * duration_ms // (DAY_S * 1_000)
        return random_script(seed, kinds, duration_ms=duration_ms, faults=count).faults if count else ()


def truth_of(home: HomeDay, scenario: Scenario, start_ms: int) -> Household:
    """What flows at a home: load less generation, and what its battery is charged with by plan.

    What a battery gives back is decided by the market and not part of the truth here. Before its day a home does what
    it does at the end of it.
    """
    net = [load - sun for load, sun in zip(home.load_j, home.pv_j, strict=True)]
    if home.battery is not None:
        net = [value + taken for value, taken in zip(net, _charging(home, scenario, net), strict=True)]
    early = scenario.first_interval - start_ms // (scenario.interval_s * 1_000)
    return Household(
        net_j=tuple(net[(place - early) % len(net)] for place in range(len(net))),
        interval_ms=scenario.interval_s * 1_000,
        start_ms=start_ms,
    )


def _charging(home: HomeDay, scenario: Scenario, net: list[int]) -> list[int]:
    """What a home neither uses nor offers at once, J for each interval: its battery takes it."""
    offered = Counter[int]()
    for offer in scenario.offers:
        if (
            offer.home_id == home.home_id
            and offer.side is Side.SELL
            and offer.first_interval == offer.last_interval
        ):
            offered[offer.first_interval] += offer.energy_j
    surplus = [max(0, -value) // LOT_J * LOT_J for value in net]
    return [
        max(0, energy_j - offered[interval])
        for interval, energy_j in enumerate(surplus, scenario.first_interval)
    ]
