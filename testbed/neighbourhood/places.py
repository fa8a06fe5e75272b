"""The folder that tier and meters share.

open                  the tier takes part: it waits for meters, plays, and has not said its verdict yet
places/NAME/          made by each meter, under the name of its container; then filled by the tier as any board's folder
places/NAME/invited   the folder is complete: the meter may begin
places/NAME/leave     the meter is asked to end
places/NAME/code      with which the meter has ended
broker/               what the fleet's broker runs from
run/                  what the tier writes about itself
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

GRID: Final = Path("/grid")
"""Where both see the folder: the same path, since the meters' documents name it."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one meter."""

    folder: Path

    @property
    def invited(self) -> Path:
        """Written by the tier when everything else is there."""
        return self.folder / "invited"

    @property
    def leave(self) -> Path:
        """Written by the tier when the day is over."""
        return self.folder / "leave"

    @property
    def code(self) -> Path:
        """Written by the meter when its program has ended."""
        return self.folder / "code"


@dataclass(frozen=True, slots=True)
class Grounds:
    """The whole folder."""

    folder: Path

    @property
    def open(self) -> Path:
        """Written by the tier, meters may come; removed by it when its verdict is said."""
        return self.folder / "open"

    @property
    def places(self) -> Path:
        """Of the meters."""
        return self.folder / "places"

    @property
    def broker(self) -> Path:
        """Of the broker."""
        return self.folder / "broker"

    @property
    def run(self) -> Path:
        """Of the tier."""
        return self.folder / "run"

    def taken(self) -> list[Place]:
        """The places of the meters that have come."""
        return [Place(path) for path in sorted(self.places.iterdir()) if path.is_dir()]
