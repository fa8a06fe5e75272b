"""The battery: own use first, and of what is left one offer over several intervals that can always be kept.

The market may spread an offer over its intervals as it likes. Offers i with energy ``e[i]`` still open over their
intervals ``I[i]`` are deliverable under **every** spread if, and only if,

- power: in each interval t the offers that may trade in it fit together, ``sum(e[i] for t in I[i]) <= P * interval_s``,
  because all of them may be served in t alone;
- energy: everything open fits into what is in the store **now** above the reserve,
  ``sum(taken_for(e[i])) <= stored - reserve``. What the sun may bring until then does not count: it is not there yet.

Both stay true as time goes by: a trade takes the same energy out of the offer and out of the store. They hold only if
nobody else empties the battery, so the bidder says what has to be held (``hold_j``), and own use stops there.

Own use first: the battery must begin the first interval of a sale with what the home will need from it until it is
filled again. Counted backwards from the end of the forecast that is ``need = max(reserve, need - charged)`` over a
surplus and ``need = min(capacity, need + taken)`` over a deficit. Only what is above it is sold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from firmware_app.bidding.commitments import Committed
from firmware_app.bidding.settings import PERMILLE, BatterySettings
from light_client.rules.errors import LocalError


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryState:
    """What the battery holds at the start of an interval.

    Raises:
        LocalError: a negative energy.
    """

    stored_j: int
    """Energy in the store, J."""
    discharged_today_j: int = 0
    """Energy taken out of the store since midnight UTC, J."""

    def __post_init__(self) -> None:
        if self.stored_j < 0 or self.discharged_today_j < 0:
            got = (self.stored_j, self.discharged_today_j)
            raise LocalError("energies of a battery", got=got, expected="0 or more")


class Flow(NamedTuple):
    """What the battery does for its own home in one interval, J at its terminals."""

    charged_j: int
    delivered_j: int


def hold_j(battery: BatterySettings, committed: Committed) -> int:
    """What has to stay in the store for reserve and promises, J: own use must not go below it.

    What leaves the store is rounded up in each interval that trades: one joule more is held for each further interval.
    """
    return battery.reserve_j + sum(
        battery.taken_for(one.open_j) + one.last_interval - one.first_interval for one in committed.batteries
    )


def own_use(
    battery: BatterySettings, stored_j: int, held_j: int, net_j: Sequence[int], interval_s: int
) -> list[Flow]:
    """How the battery serves its home over a net position: charge from surplus, discharge into deficits.

    Args:
        stored_j: energy in the store at the start, J.
        held_j: what stays in it, J.
        net_j: per interval generation less load, J.
    """
    flows = []
    for net in net_j:
        charged = delivered = 0
        if net > 0:
            room = battery.put_in_for(max(0, battery.capacity_j - stored_j))
            charged = min(net, battery.charge_w * interval_s, room)
            stored_j += battery.stored_from(charged)
        elif net < 0:
            left = battery.delivered_from(max(0, stored_j - held_j))
            delivered = min(-net, battery.discharge_w * interval_s, left)
            stored_j -= battery.taken_for(delivered)
        flows.append(Flow(charged, delivered))
    return flows


def needed_j(battery: BatterySettings, net_j: Sequence[int], interval_s: int) -> int:
    """What the store must hold at the start to meet own deficits until it is filled again, J, reserve included."""
    need = battery.reserve_j
    for net in reversed(net_j):
        if net > 0:
            stored = battery.stored_from(min(net, battery.charge_w * interval_s))
            need = max(battery.reserve_j, need - stored)
        else:
            taken = battery.taken_for(min(-net, battery.discharge_w * interval_s))
            need = min(battery.capacity_j, need + taken)
    return need


def spare_j(
    battery: BatterySettings,
    state: BatteryState,
    committed: Committed,
    net_j: Sequence[int],
    interval_s: int,
    first: int = 0,
) -> int:
    """What may be sold from an interval on of the energy in the store now, J as delivered.

    Above own need from then on, and never lower than that in any interval before: until it is sold it lies in the
    store, where nothing else can be charged.

    Args:
        net_j: from the present interval on.
        first: how many intervals from now the sale may begin.
    """
    held = hold_j(battery, committed)
    stored = lowest = state.stored_j
    for flow in own_use(battery, stored, held, net_j[:first], interval_s):
        stored += battery.stored_from(flow.charged_j) - battery.taken_for(flow.delivered_j)
        lowest = min(lowest, stored)
    need = needed_j(battery, net_j[first:], interval_s) - battery.reserve_j
    return battery.delivered_from(max(0, min(lowest, stored - need) - held))


def room_in(battery: BatterySettings, committed: Committed, interval: int, interval_s: int) -> int:
    """What the discharge power leaves in an interval under the worst spread of all promises, J."""
    promised = sum(one.most_in(interval) for one in committed.batteries)
    return battery.discharge_w * interval_s - promised


def cycles_left_j(
    battery: BatterySettings, state: BatteryState, committed: Committed, interval: int, *, today: bool
) -> int:
    """What the limit of cycles leaves on the day of an interval, J as delivered.

    Args:
        today: whether this is the day on which ``state`` was measured.
    """
    limit = battery.capacity_j * battery.cycles_per_day_permille // PERMILLE
    used = state.discharged_today_j if today else 0
    used += battery.taken_for(committed.from_battery_on_day_of(interval))
    return battery.delivered_from(max(0, limit - used))
