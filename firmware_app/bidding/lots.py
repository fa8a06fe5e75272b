"""Standard lots: a position becomes offers whose sizes many homes share, as a sum of money becomes coins.

Each offer gets an address of its own (the trader sees to that), so two lots of one position stand side by side on the
market as if two homes had posted them.
"""

from __future__ import annotations

from firmware_app.bidding.settings import PrivacySettings


def whole_lots(energy_j: int, privacy: PrivacySettings) -> int:
    """The part of an energy that can be offered: whole lots, J; nothing of a negative one."""
    lot_j = privacy.lot_j
    return max(0, energy_j) // lot_j * lot_j


def cut(energy_j: int, privacy: PrivacySettings) -> tuple[int, ...]:
    """Sizes of the offers for an energy, J, largest first: as few as the units allow, together its whole lots."""
    lots = whole_lots(energy_j, privacy) // privacy.lot_j
    if not lots:
        return ()
    if not privacy.lot_units:
        return (lots * privacy.lot_j,)
    sizes: list[int] = []
    for unit in reversed(privacy.lot_units):
        count, lots = divmod(lots, unit)
        sizes += [unit * privacy.lot_j] * count
    return tuple(sizes)
