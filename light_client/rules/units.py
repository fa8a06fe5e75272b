"""Units and identities of the rules: whole numbers only, the unit in every name.

Energy in joules (``_j``), power in watts (``_w``), prices in micro-currency per kilowatt-hour
(``_uc_per_kwh``), money in micro-currency (``_uc``), protocol time in UTC milliseconds (``_ms``); an
*interval* is ``UTC seconds // interval_s``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NewType

FeederId = NewType("FeederId", int)
OfferId = NewType("OfferId", int)
Interval = NewType("Interval", int)
Address = NewType("Address", bytes)
PublicKey = NewType("PublicKey", bytes)
Signature = NewType("Signature", bytes)
Hash = NewType("Hash", bytes)

ADDRESS_BYTES = 20
HASH_BYTES = 32
PUBLIC_KEY_BYTES = 33
SIGNATURE_BYTES = 64

JOULES_PER_WH = 3_600
JOULES_PER_KWH = 3_600_000
LOT_J = JOULES_PER_WH
"""Energies and limits are multiples of 1 Wh: 3600 = 2^4 * 3^2 * 5^2 survives the halvings of rolling clearing
exactly."""

MAX_ENERGY_J = 1 << 40
"""Most energy of one offer or asset: about 305 MWh, so that sums over 2^20 offers stay below 2^60."""
MAX_PRICE_UC_PER_KWH = 1 << 31
"""Highest reservation price: about 2147 currency units per kWh."""
MAX_MONEY_UC = 1 << 60
MAX_INTERVAL = 1 << 31


class Side(IntEnum):
    """The side of an offer; the numbers are those of the canonical encoding."""

    SELL = 0
    BUY = 1


def energy_of_power(power_w: int, interval_s: int) -> int:
    """Energy in joules of a constant power (W) over one interval (s): exact."""
    return power_w * interval_s


def payment_ceiling_uc(energy_j: int, price_uc_per_kwh: int) -> int:
    """Money in micro-currency for ``energy_j`` at ``price_uc_per_kwh``, rounded up to the next whole unit."""
    return -(-energy_j * price_uc_per_kwh // JOULES_PER_KWH)
