"""The daily batch: fresh addresses and standard grants asked for once, before anybody knows what will be offered.

Grants are public. One that is asked for offer by offer tells its amount and its hours beforehand, and who asks together
trades together. A batch for the whole day, in standard lots and in multiples of ``batch_lots``, tells neither; what is
not used goes back in the evening like any other leftover.
"""

from __future__ import annotations

from collections.abc import Iterable

from firmware_app.bidding.commitments import Commitment
from firmware_app.bidding.settings import BiddingSettings, PrivacySettings
from firmware_app.trading.reservation import Reservation
from light_client.rules.market.settlement import most_owed_uc
from light_client.rules.units import Side


def daily_batch(
    yesterday: Iterable[Commitment],
    *,
    first_interval: int,
    last_interval: int,
    settings: BiddingSettings,
    privacy: PrivacySettings,
) -> tuple[Reservation, ...]:
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
    grants: list[Reservation] = []
    for (side, energy_j), count in sorted(used.items()):
        selling = side is Side.SELL
        grant = Reservation(
            first_interval=first_interval,
            last_interval=last_interval,
            production_j=energy_j if selling else 0,
            consumption_j=0 if selling else energy_j,
            money_uc=0 if selling else most_owed_uc(energy_j, highest, ranges),
        )
        batches = max(1, -(-count // privacy.batch_lots))
        grants += [grant] * (batches * privacy.batch_lots)
    return tuple(grants)
