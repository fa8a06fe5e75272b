"""Scenario files: TOML that names a grid, its limits, its market, its remote tier and what goes wrong.

Every key has a default except ``name`` and ``source``; an unknown key is an error that names the nearest
known one. Interval numbers in a file count from the start of the day, 0..95.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from testbed.scenarios.errors import PlanError, ScenarioFileError, at_least, nearest
from testbed.scenarios.faults import CampaignRule, Fault
from testbed.scenarios.mechanism import MechanismSection
from testbed.scenarios.metering import MetersSection
from testbed.scenarios.planning import Posting, PriceBand, Prices

T = TypeVar("T")


class Source(StrEnum):
    """Where the homes come from; also the name of the section with their particulars."""

    HOMES102 = "homes102"
    TRANSAX = "transax"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of every feeder, W."""

    c_ext_w: int = 20_000
    c_int_w: int | None = None

    def __post_init__(self) -> None:
        at_least(self, c_ext_w=0, c_int_w=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The rolling market."""

    t_clear: int = 1
    """How many intervals after its offers close an interval becomes final."""
    horizon: int = 96
    """How many intervals ahead an offer may reach."""
    lead_intervals: int = 4
    """How many intervals before its first interval a home posts an offer."""
    from_interval: int = 0
    to_interval: int = 95
    """The part of the day that is played, inclusive."""

    def __post_init__(self) -> None:
        at_least(self, t_clear=1, horizon=1, lead_intervals=1)
        if not 0 <= self.from_interval <= self.to_interval <= 95:
            got = (self.from_interval, self.to_interval)
            raise PlanError("from_interval, to_interval", got=got, expected="0 <= from <= to <= 95")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRule:
    """Reservation prices, micro-currency per kWh: one for all, or a band per side on a coarse grid."""

    uniform_uc_per_kwh: int | None = None
    sell_low_uc_per_kwh: int = 80_000
    sell_high_uc_per_kwh: int = 200_000
    buy_low_uc_per_kwh: int = 140_000
    buy_high_uc_per_kwh: int = 300_000
    step_uc_per_kwh: int = 10_000

    def __post_init__(self) -> None:
        at_least(self, uniform_uc_per_kwh=0)
        self.prices()

    def prices(self) -> Prices:
        """The rule in the form that planning takes; refuses a band that is none."""
        step = self.step_uc_per_kwh
        return Prices(
            sell=PriceBand(low=self.sell_low_uc_per_kwh, high=self.sell_high_uc_per_kwh, step=step),
            buy=PriceBand(low=self.buy_low_uc_per_kwh, high=self.buy_high_uc_per_kwh, step=step),
            uniform_uc_per_kwh=self.uniform_uc_per_kwh,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """The remote tier."""

    miners: int = 4
    """Members of the committee; 3f + 1 of them bear f faulty ones."""
    solvers: int = 1
    candidates: int = 0
    """Miners that may be elected, those of the first committee among them; 0 for a committee that stays."""
    epoch_blocks: int = 1_024
    """Blocks of an epoch, after which the committee is elected anew."""

    def __post_init__(self) -> None:
        at_least(self, miners=1, solvers=0, candidates=0, epoch_blocks=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes102Section:
    """Particulars of ``source = "homes102"``; see ``homes102.Homes102``."""

    sunny_feeders: tuple[int, ...] = (1, 7, 10)
    sunny_pv_percent: int = 80
    sunny_nameplate_percent: int = 200
    pv_percent: int = 20
    battery_percent: int = 40

    def __post_init__(self) -> None:
        _percentages(self, "sunny_pv_percent", "pv_percent", "battery_percent")
        at_least(self, sunny_nameplate_percent=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSection:
    """Particulars of ``source = "synthetic"``; see ``synthetic.Village``."""

    homes_per_feeder: tuple[int, ...] = (2, 3, 1)
    pv_percent: int = 50
    battery_percent: int = 30

    def __post_init__(self) -> None:
        _percentages(self, "pv_percent", "battery_percent")
        if sum(self.homes_per_feeder) < 2 or min(self.homes_per_feeder, default=0) < 0:
            raise PlanError(
                "homes_per_feeder",
                got=self.homes_per_feeder,
                expected="two homes or more",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransaxSection:
    """Particulars of ``source = "transax"``."""

    folder: str
    """Directory of the CSV files; relative to the scenario file."""


Particulars = Homes102Section | SyntheticSection | TransaxSection
_PARTICULARS: dict[Source, type[Homes102Section | SyntheticSection | TransaxSection]] = {
    Source.HOMES102: Homes102Section,
    Source.SYNTHETIC: SyntheticSection,
    Source.TRANSAX: TransaxSection,
}
_TOP = ("name", "title", "seed", "source", "date")
_SECTIONS: dict[
    str, type[Limits | Window | PriceRule | Tier | MechanismSection | MetersSection | CampaignRule]
] = {
    "limits": Limits,
    "mechanism": MechanismSection,
    "window": Window,
    "prices": PriceRule,
    "tier": Tier,
    "meters": MetersSection,
    "campaign": CampaignRule,
}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFile:
    """Everything a scenario file says."""

    path: Path
    name: str
    title: str
    seed: int
    source: Source
    date: date
    limits: Limits
    mechanism: MechanismSection
    window: Window
    prices: PriceRule
    tier: Tier
    meters: MetersSection
    campaign: CampaignRule
    particulars: Particulars
    faults: tuple[Fault, ...]

    def posting(self) -> Posting:
        """When homes post their offers."""
        return Posting(lead_intervals=self.window.lead_intervals)


def _percentages(section: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(section, name) <= 100:
            raise PlanError(name, got=getattr(section, name), expected="0..100")


class _Reader:
    """Takes typed values out of one parsed file and says where a wrong one stands."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines = text.splitlines()

    def where(self, section: str, key: str) -> str:
        """``line N, [section] key``, or without the line if the key is not written on one of its own."""
        current = ""
        for number, line in enumerate(self._lines, start=1):
            header = re.match(r"\s*\[+\s*([\w.-]+)\s*\]+", line)
            if header:
                current = header[1]
            written = re.match(r"\s*\"?([\w-]+)\"?\s*=", line)
            if (current == section and written and written[1] == key) or (
                header and key == section == current
            ):
                return f"line {number}, {self._label(section, key)}"
        return self._label(section, key)

    @staticmethod
    def _label(section: str, key: str) -> str:
        return key if section in ("", key) else f"[{section}] {key}"

    def error(self, section: str, key: str, problem: str, *, got: object, expected: str) -> ScenarioFileError:
        return ScenarioFileError(self.path, self.where(section, key), problem, got=got, expected=expected)

    def known(self, section: str, keys: Mapping[str, Any], names: list[str]) -> None:
        """Refuse the first key that is not among ``names``."""
        for key in keys:
            if key not in names:
                raise self.error(section, key, "unknown key", got=key, expected=nearest(key, names))

    def value(self, section: str, key: str, value: Any, kind: Any) -> Any:
        """``value`` as ``kind`` (int, str, date, an enum, a tuple of one of these, or one of these or None)."""
        if get_origin(kind) is UnionType:
            kind = next(arm for arm in get_args(kind) if arm is not NoneType)
        if get_origin(kind) is tuple and isinstance(value, list):
            return tuple(self.value(section, key, item, get_args(kind)[0]) for item in value)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            names = [str(member) for member in kind]
            if value not in names:
                raise self.error(
                    section,
                    key,
                    "unknown value",
                    got=value,
                    expected=nearest(str(value), names),
                )
            return kind(value)
        if type(value) is not kind:
            raise self.error(
                section,
                key,
                "wrong type",
                got=value,
                expected=getattr(kind, "__name__", "a list of int"),
            )
        return value

    def section(self, cls: type[T], name: str, table: Any) -> T:
        """An instance of the section's class from its table."""
        if not isinstance(table, dict):
            raise self.error("", name, "wrong type", got=table, expected=f"a table [{name}]")
        hints = get_type_hints(cls)
        known = fields(cls)  # type: ignore[arg-type]
        self.known(name, table, [field.name for field in known])
        for field in known:
            if field.default is MISSING and field.name not in table:
                raise self.error(name, name, "missing key", got="nothing", expected=field.name)
        values = {key: self.value(name, key, value, hints[key]) for key, value in table.items()}
        try:
            return cls(**values)
        except PlanError as error:
            key = next((key for key in table if key in str(error)), name)
            raise self.error(
                name,
                key,
                str(error).split(": got")[0],
                got=error.got,
                expected=str(error.expected),
            ) from error


def parse(text: str, path: Path) -> ScenarioFile:
    """Read a scenario file's text; ``path`` is used in messages and to find data beside it.

    Raises:
        ScenarioFileError: not TOML, an unknown key, a missing one, or a value that cannot be.
    """
    reader = _Reader(path, text)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioFileError(
            path, "syntax", "not TOML", got=str(error), expected="a TOML document"
        ) from error
    reader.known("", document, [*_TOP, *_SECTIONS, "faults", *map(str, Source)])
    for key in ("name", "source"):
        if key not in document:
            raise reader.error("", key, "missing key", got="nothing", expected=key)
    source: Source = reader.value("", "source", document["source"], Source)
    for other in Source:
        if other is not source and other in document:
            raise reader.error(
                other,
                other,
                "section of another source",
                got=str(other),
                expected=f"[{source}] only",
            )
    name = reader.value("", "name", document["name"], str)
    if not _NAME.fullmatch(name):
        raise reader.error(
            "",
            "name",
            "bad name",
            got=name,
            expected="lower-case letters, digits and dashes",
        )
    faults = document.get("faults", [])
    if not isinstance(faults, list):
        raise reader.error("", "faults", "wrong type", got=faults, expected="tables [[faults]]")
    return ScenarioFile(
        path=path,
        name=name,
        title=reader.value("", "title", document.get("title", name), str),
        seed=reader.value("", "seed", document.get("seed", 1), int),
        source=source,
        date=reader.value("", "date", document.get("date", date(2026, 6, 14)), date),
        limits=reader.section(Limits, "limits", document.get("limits", {})),
        mechanism=reader.section(MechanismSection, "mechanism", document.get("mechanism", {})),
        window=reader.section(Window, "window", document.get("window", {})),
        prices=reader.section(PriceRule, "prices", document.get("prices", {})),
        tier=reader.section(Tier, "tier", document.get("tier", {})),
        meters=reader.section(MetersSection, "meters", document.get("meters", {})),
        campaign=reader.section(CampaignRule, "campaign", document.get("campaign", {})),
        particulars=reader.section(_PARTICULARS[source], source, document.get(source, {})),
        faults=tuple(reader.section(Fault, "faults", fault) for fault in faults),
    )


def read(path: Path) -> ScenarioFile:
    """Read the scenario file at ``path``."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioFileError(
            path, "file", "cannot be read", got=str(error), expected="a UTF-8 text file"
        ) from error
    return parse(text, path)
