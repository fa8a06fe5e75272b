"""What no bidding can beat: all homes as one, knowing everything beforehand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import bmat, diags, identity

from firmware_app.bidding.settings import PERMILLE
from firmware_app.reconcile.deviation import ImbalancePrices
from light_client.rules.units import JOULES_PER_KWH
from testbed.year.homes import Village

_WATT_HOURS = JOULES_PER_KWH // 1_000


class BoundError(Exception):
    """The linear program was not solved; the reason is the solver's."""


def best_income_uc(village: Village, first_place: int, stored_j: int, prices: ImbalancePrices) -> int:
    """Most income of all homes together, whoever trades with whom and at whatever price, micro-currency, rounded up.

    Money between homes cancels, so this is the income of one home with the sum of all net positions and all batteries
    in one, dispatched with perfect foresight: a relaxation, since one battery can do what several can.

    Args:
        first_place: the first interval that counts.
        stored_j: energy in all batteries at its start, J.

    Raises:
        BoundError: the solver gave up.
    """
    net = np.sum([home.net_j[first_place:] for home in village.homes], axis=0) / _WATT_HOURS
    buy, sell = prices.shortage_uc_per_kwh / 1_000, prices.surplus_uc_per_kwh / 1_000
    batteries = [home.battery for home in village.homes if home.battery is not None]
    if not batteries:
        income = sell * np.maximum(net, 0).sum() - buy * np.maximum(-net, 0).sum()
        return int(np.ceil(income))
    hours = village.interval_s / 3_600
    capacity = sum(one.capacity_wh for one in batteries)
    charge = sum(one.charge_w for one in batteries) * hours
    discharge = sum(one.discharge_w for one in batteries) * hours
    into = max(one.charge_permille for one in batteries) / PERMILLE
    out_of = max(one.discharge_permille for one in batteries) / PERMILLE
    return _dispatched(
        net, (buy, sell), (capacity, charge, discharge), (into, out_of), stored_j / _WATT_HOURS
    )


def _dispatched(
    net: npt.NDArray[np.float64],
    prices: tuple[float, float],
    limits: tuple[float, float, float],
    shares: tuple[float, float],
    stored: float,
) -> int:
    """The linear program: columns are drawn, fed in, charged, discharged and stored per interval, in Wh."""
    count = len(net)
    buy, sell = prices
    capacity, charge, discharge = limits
    one, nothing = identity(count, format="csr"), None
    balance = [one, -one, -one, one, nothing]  # net + drawn - fed in - charged + discharged = 0
    earlier = diags([np.ones(count), -np.ones(count - 1)], [0, -1], format="csr")
    store = [nothing, nothing, -shares[0] * one, one / shares[1], earlier]
    begin = np.zeros(count)
    begin[0] = stored
    solved = linprog(
        np.concatenate([np.full(count, buy), np.full(count, -sell), np.zeros(3 * count)]),
        A_eq=bmat([balance, store], format="csr"),
        b_eq=np.concatenate([-net, begin]),
        bounds=[
            *[(0, None)] * (2 * count),
            *[(0, charge)] * count,
            *[(0, discharge)] * count,
            *[(0, capacity)] * count,
        ],
        method="highs",
    )
    if solved.status != 0:
        raise BoundError(str(solved.message))
    return int(np.ceil(-solved.fun))
