"""Finds a scenario by name or path and builds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from testbed.scenarios import citylearn
from testbed.scenarios.errors import ScenarioFileError, nearest
from testbed.scenarios.files import (
    Homes102Section,
    ScenarioFile,
    SyntheticSection,
    TransaxSection,
    read,
)
from testbed.scenarios.homes102 import Homes102, homes102
from testbed.scenarios.mechanism import MechanismName
from testbed.scenarios.model import Scenario
from testbed.scenarios.part import part_of
from testbed.scenarios.synthetic import Village, village
from testbed.scenarios.transax import microgrid

SHIPPED = Path(__file__).parent


def names() -> list[str]:
    """Names of the scenarios that come with the project."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def find(name_or_path: str) -> ScenarioFile:
    """The scenario file of that name among the shipped ones, or at that path if it ends in ``.toml``."""
    if name_or_path.endswith(".toml"):
        return read(Path(name_or_path))
    if name_or_path not in names():
        expected = nearest(name_or_path, names()) + ", or the path of a .toml file"
        raise ScenarioFileError(
            SHIPPED,
            "scenarios",
            "unknown scenario",
            got=name_or_path,
            expected=expected,
        )
    return read(SHIPPED / f"{name_or_path}.toml")


def build(
    file: ScenarioFile,
    *,
    seed: int | None = None,
    day: date | None = None,
    cache: Path | None = None,
) -> Scenario:
    """The trading day, or the part of it, that ``file`` describes.

    Args:
        seed, day: instead of those in the file.
        cache: where the measured homes are kept; see ``wheel.default_cache``.

    Raises:
        ScenarioError: the data is not to be had, or is wrong.
    """
    seed = file.seed if seed is None else seed
    whole = _whole_day(file, seed, day or file.date, cache)
    played = file.window
    if (played.from_interval, played.to_interval) == (0, whole.intervals - 1):
        return whole
    length = played.to_interval - played.from_interval + 1
    return part_of(whole, skip=played.from_interval, intervals=length)


def _whole_day(file: ScenarioFile, seed: int, day: date, cache: Path | None) -> Scenario:
    reacting = file.mechanism.kind is MechanismName.TWO_STAGE
    prices = replace(file.prices.prices(), reacting=reacting)
    posting, limits = file.posting(), file.limits
    match file.particulars:
        case Homes102Section() as of:
            shape = Homes102(
                c_ext_w=limits.c_ext_w,
                c_int_w=limits.c_int_w,
                sunny_feeders=of.sunny_feeders,
                sunny_pv_percent=of.sunny_pv_percent,
                sunny_nameplate_percent=of.sunny_nameplate_percent,
                pv_percent=of.pv_percent,
                battery_percent=of.battery_percent,
            )
            sources = citylearn.read_homes(citylearn.fetch_wheel(cache))
            return homes102(
                sources,
                seed=seed,
                day=day,
                shape=shape,
                prices=prices,
                posting=posting,
                name=file.name,
            )
        case SyntheticSection() as of:
            small = Village(
                homes_per_feeder=of.homes_per_feeder,
                c_ext_w=limits.c_ext_w,
                c_int_w=limits.c_int_w,
                pv_percent=of.pv_percent,
                battery_percent=of.battery_percent,
            )
            return village(
                seed=seed,
                day=day,
                shape=small,
                prices=prices,
                posting=posting,
                name=file.name,
            )
        case TransaxSection() as of:
            if file.prices.uniform_uc_per_kwh is None:
                expected = "uniform_uc_per_kwh: the data of this source states no prices"
                raise ScenarioFileError(
                    file.path,
                    "[prices]",
                    "missing key",
                    got="nothing",
                    expected=expected,
                )
            return microgrid(
                file.path.parent / of.folder,
                day=day,
                c_ext_w=limits.c_ext_w,
                c_int_w=limits.c_int_w,
                price_uc_per_kwh=file.prices.uniform_uc_per_kwh,
                posting=posting,
                name=file.name,
            )
