"""The section ``[meters]`` of a scenario file: whether homes trade on their plan alone, or on what a meter says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from testbed.scenarios.errors import PlanError, at_least

MOST_EVERY_S = 120
"""A guard believes single readings that are at most five minutes apart, and wants to see two in that time."""


class MeterSource(StrEnum):
    """What homes know of their own energy."""

    PLAN = "plan"
    """The scenario's table: nothing is measured."""
    READINGS = "readings"
    """A virtual meter behind each home, read through bus, parser, guard and interval book."""


class MeterProtocol(StrEnum):
    """What the virtual meters speak."""

    P1 = "p1"
    SML = "sml"
    MODBUS_RTU = "modbus-rtu"
    MIXED = "mixed"
    """These three in turn, home after home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetersSection:
    """How homes are metered; without readings the other keys have no effect."""

    source: MeterSource = MeterSource.PLAN
    protocol: MeterProtocol = MeterProtocol.P1
    every_s: int = 60
    """From one reading to the next, s."""
    faults_per_day: int = 0
    """Accidents of each meter, drawn from the seed."""
    faults: tuple[str, ...] = ()
    """Accidents by name: ``HOME:KIND@SECOND+DURATION``, seconds from the start of the day."""

    def __post_init__(self) -> None:
        at_least(self, every_s=1, faults_per_day=0)
        if self.every_s > MOST_EVERY_S:
            raise PlanError("every_s", got=self.every_s, expected=f"1..{MOST_EVERY_S}")
        if self.faults_per_day > 24:
            raise PlanError("faults_per_day", got=self.faults_per_day, expected="0..24")
        for text in self.faults:
            home, colon, _ = text.partition(":")
            if not colon or not home.isdecimal():
                raise PlanError("faults", got=text, expected="HOME:KIND@SECOND+DURATION")
