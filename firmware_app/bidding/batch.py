"""The daily batch: fresh addresses and standard grants asked for once, before anybody knows what will be offered.

Grants are public. One that is asked for offer by offer tells its amount and its hours beforehand, and who asks together
trades together. A batch for the whole day, in standard lots and in multiples of ``batch_lots``, tells neither; what is
not used goes back in the evening like any other leftover.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from firmware_app.bidding.commitments import Commitment
from firmware_app.bidding.settings import BiddingSettings, PrivacySettings
from light_client.rules.market.settlement import most_owed_uc
from light_client.rules.units import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one fresh address is to hold."""

    side: Side
    energy_j: int
    first_interval: int
    last_interval: int
    money_uc: int
    """For a purchase at the highest price this home ever pays, micro-currency; 0 for a sale."""


def daily_batch(
    yesterday: Iterable[Commitment],
    *,
    first_interval: int,
    last_interval: int,
    settings: BiddingSettings,
    privacy: PrivacySettings,
) -> tuple[Grant, ...]:
    """The grants for a day: of every size used on the day before as many, rounded up to whole batches.

    A side on which nothing was offered gets one batch of the smallest size, so that a first offer finds an address.

    Args:
        yesterday: the home's orders of the day before.
        first_interval: first interval of the day.
        last_interval: last interval for which any of the day's offers may trade.
    """
    used: dict[tuple[Side, int], int] = {}
    for side, wanted in ((Side.SELL, settings.sell), (Side.BUY, settings.buy)):
        if wanted:
            used[side, privacy.lot_j] = 0
    for one in yesterday:
        if (one.side, privacy.lot_j) in used:
            used[one.side, one.offered_j] = used.get((one.side, one.offered_j), 0) + 1
    ranges = ((first_interval, last_interval),)
    highest = min(settings.retail_uc_per_kwh, settings.ceiling_uc_per_kwh)
    grants: list[Grant] = []
    for (side, energy_j), count in sorted(used.items()):
        money_uc = 0 if side is Side.SELL else most_owed_uc(energy_j, highest, ranges)
        grant = Grant(
            side=side,
            energy_j=energy_j,
            first_interval=first_interval,
            last_interval=last_interval,
            money_uc=money_uc,
        )
        batches = max(1, -(-count // privacy.batch_lots))
        grants += [grant] * (batches * privacy.batch_lots)
    return tuple(grants)
