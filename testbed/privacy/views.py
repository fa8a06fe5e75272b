"""Who looks, and what each of them has: the adversaries of the measurement, from weak to strong, and a control.

All of them read the whole ledger; none is the DSO, which grants addresses and so knows them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from testbed.adversaries.linker import Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one adversary has.

    Attributes:
        known_days: of how many days it knows whose address was whose; None for half of all days.
        moments: it sees when an offer came in, and over which connection, as a miner or a relay does.
        colluders: homes that tell it all of theirs, so that they are no hiding place any more.
        blind: it sees nothing but that there is an address: a control, which must find nothing.
    """

    name: str
    words: str
    known_days: int | None = 1
    moments: bool = False
    colluders: int = 0
    blind: bool = False

    def of(self, sighting: Sighting, interval_ms: int, number: int) -> Sighting:
        """What it sees of one address."""
        if self.blind:
            return Sighting(
                selling=True,
                energy_j=0,
                price_uc_per_kwh=0,
                first_interval=0,
                intervals=1,
                posted_ms=0,
                connection=f"address {number}",
            )
        if self.moments:
            return sighting
        in_block_ms = sighting.posted_ms - sighting.posted_ms % interval_ms
        return replace(sighting, posted_ms=in_block_ms, connection=f"address {number}")


NOBODY_KNOWN: Final = View(name="A0", words="reads the ledger, knows nobody", known_days=0)
ONE_DAY: Final = View(name="A1", words="and one day of every home")
MINER: Final = View(name="A2", words="and when each offer came, over which connection", moments=True)
COLLUDING: Final = View(
    name="A3", words="and three homes that tell it all of theirs", moments=True, colluders=3
)
WEEKS: Final = View(name="weeks", words="as A2, with half of all days known", known_days=None, moments=True)
BLIND: Final = View(name="blind", words="control: sees nothing", known_days=None, blind=True)
VIEWS: Final = (NOBODY_KNOWN, ONE_DAY, MINER, COLLUDING, WEEKS, BLIND)
"""In this order; every rung of the ladder is measured under each."""
