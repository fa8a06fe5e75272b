"""What a change of the configuration concerns: which parts are built anew, and when it is everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Final

from firmware_app.config.schema import DeviceConfig


class Concern(Enum):
    """What has to be told, or built anew."""

    JOURNAL = "journal"
    PAGE = "page"
    BIDDER = "bidder"
    """It remembers nothing, and decides by its settings of the moment."""
    MARKET = "market"
    FLEET = "fleet"
    EVERYTHING = "everything"
    """All parts end and begin, in this process: as after a power cut, which everything survives."""


CONCERNS: Final[Mapping[str, Concern]] = {
    "log": Concern.JOURNAL,
    "status": Concern.PAGE,
    "bidding": Concern.BIDDER,
    "privacy": Concern.BIDDER,
    "market": Concern.MARKET,
    "fleet": Concern.FLEET,
}
"""Section -> what a change of it concerns; any other concerns everything."""
_CHAIN: Final = ("genesis", "fingerprint", "feeder")
"""Of the market: what intervals, stores and addresses rest on."""


def concerns(before: DeviceConfig, after: DeviceConfig) -> frozenset[Concern]:
    """What the step from one configuration to another concerns; nothing where they are the same."""
    changed = [
        part.name for part in fields(before) if getattr(before, part.name) != getattr(after, part.name)
    ]
    found = {CONCERNS.get(name, Concern.EVERYTHING) for name in changed}
    if any(getattr(before.market, name) != getattr(after.market, name) for name in _CHAIN):
        found.add(Concern.EVERYTHING)
    return frozenset({Concern.EVERYTHING} if Concern.EVERYTHING in found else found)
