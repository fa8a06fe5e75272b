"""The page on scenarios says what the reader of scenario files does."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path

from light_client.rules.units import JOULES_PER_KWH, Side
from testbed.scenarios import files
from testbed.scenarios.catalogue import find, names
from testbed.scenarios.citylearn import SourceHome
from testbed.scenarios.columns import OfferColumns
from testbed.scenarios.faults import CampaignRule, Fault, FaultKind
from testbed.scenarios.homes102 import homes102
from testbed.scenarios.mechanism import MechanismSection
from testbed.scenarios.metering import MetersSection
from tests.testbed.scenarios.aggregated_lp import optimum_j

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scenarios.md").read_text(encoding="utf-8")
SECTIONS = {
    "[limits]": files.Limits,
    "[mechanism]": MechanismSection,
    "[window]": files.Window,
    "[prices]": files.PriceRule,
    "[tier]": files.Tier,
    "[meters]": MetersSection,
    "[homes102]": files.Homes102Section,
    "[synthetic]": files.SyntheticSection,
    "[transax]": files.TransaxSection,
    "[campaign]": CampaignRule,
    "[[faults]]": Fault,
}


def _documented() -> dict[tuple[str, str], str]:
    """(section, key) -> default, as the page's table has them."""
    found: dict[tuple[str, str], str] = {}
    section = ""
    for first, key, default in re.findall(
        r"^\| (?:`([^`]+)` )?\| `(\w+)` \| ([^|]*?) ?\|", PAGE, re.MULTILINE
    ):
        section = first or section
        found[section, key] = default
    return found


def _default(value: object) -> str:
    if value is MISSING:
        return ""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return str(list(value))
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)


def test_every_key_stands_there_with_its_default() -> None:
    expected = {
        (section, field.name): _default(field.default)
        for section, cls in SECTIONS.items()
        for field in fields(cls)
    }
    documented = {place: default for place, default in _documented().items() if place[0]}
    assert documented == expected


def test_every_shipped_scenario_and_fault_stands_there() -> None:
    assert re.findall(r"^\| `([a-z0-9-]+)` \| \d+ on \d+ feeders", PAGE, re.MULTILINE) == names()
    assert all(f"`{kind}`" in PAGE for kind in FaultKind)


def test_the_numbers_of_homes102_are_those_of_its_file(measured_homes: tuple[SourceHome, ...]) -> None:
    file = find("homes102")
    scenario = homes102(measured_homes, seed=file.seed, day=file.date)
    modules = sum(any(home.pv_j) for home in scenario.homes)
    batteries = sum(home.battery is not None for home in scenario.homes)
    sale, wanted = (scenario.energy_j(side) / JOULES_PER_KWH for side in Side)
    offers = OfferColumns.of(scenario.offers)
    limited, unlimited = (optimum_j(offers, limit_j) / JOULES_PER_KWH for limit_j in (20_000 * 900, 10**12))
    text = " ".join(PAGE.split())
    assert f"{modules} homes with modules, {batteries} with batteries, {len(offers)} offers" in text
    assert f"{sale:.0f} kWh for sale and {wanted:.0f} kWh wanted" in text
    assert f"trades {limited:.0f} kWh; without the limits it would trade {unlimited:.0f} kWh" in text
