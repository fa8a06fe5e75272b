"""Brute-force auctions: nested loops and exact fractions, no code or type of the product.

An offer is ``(number, side, feeder, price, energy)`` with side 0 for sellers; a limit is ``(external, internal)`` per
feeder, internal None where there is none. The oracle knows what each offer trades exactly; money it knows as fractions
only, so a product that rounds is held to less than one unit of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

Offer = tuple[int, int, int, int, int]
Limits = dict[int, tuple[int, int | None]]
Cell = tuple[int, int]
"""``(price, feeder)``: offers that nobody tells apart."""


@dataclass
class Traded:
    """What the oracle says of one interval."""

    energy: dict[int, int] = field(default_factory=dict)
    """Offer -> energy."""
    money: dict[int, Fraction] = field(default_factory=dict)
    """Offer -> energy times price."""
    flows: list[tuple[int, int, int]] = field(default_factory=list)
    """(seller's feeder, buyer's feeder, energy) in the order of matching."""

    def book(self, number: int, energy: int, money: Fraction) -> None:
        """Add a trade of an offer."""
        if energy:
            self.energy[number] = self.energy.get(number, 0) + energy
            self.money[number] = self.money.get(number, Fraction(0)) + money


def headroom(flows: list[tuple[int, int, int]], limits: Limits, seller: int, buyer: int) -> int:
    """How much more may go from one feeder to another: every limit added up anew."""
    rooms = [10**18]
    if seller != buyer:
        out = sum(q for s, b, q in flows if s == seller and b != seller)
        back = sum(q for s, b, q in flows if b == seller and s != seller)
        rooms.append(limits[seller][0] - (out - back))
        into = sum(q for s, b, q in flows if b == buyer and s != buyer)
        away = sum(q for s, b, q in flows if s == buyer and b != buyer)
        rooms.append(limits[buyer][0] - (into - away))
    for feeder, place in ((seller, 0), (buyer, 1)):
        internal = limits[feeder][1]
        if internal is not None:
            rooms.append(internal - sum(flow[2] for flow in flows if flow[place] == feeder))
    return min(rooms)


def split(total: int, weights: list[int]) -> list[int]:
    """Pro rata in whole units: what everyone up to a member gets is the floor of their exact part."""
    upto = [total * sum(weights[: end + 1]) // sum(weights) for end in range(len(weights))]
    return [now - before for before, now in zip([0, *upto], upto, strict=False)]


def call(
    offers: list[Offer], limits: Limits, interval: int, traded: Traded, price: Fraction | None = None
) -> list[tuple[Fraction, int]]:
    """One call auction, at midpoints unless a price is given. Returns (price, energy) of its pairs."""
    cells: list[dict[Cell, int]] = [{}, {}]
    for _, side, feeder, limit, energy in offers:
        if energy:
            cells[side][limit, feeder] = cells[side].get((limit, feeder), 0) + energy
    order = sorted(limits)
    place = {feeder: (order.index(feeder) - interval) % len(order) for feeder in order}
    asks = sorted(cells[0], key=lambda cell: (cell[0], place[cell[1]]))
    bids = sorted(cells[1], key=lambda cell: (-cell[0], place[cell[1]]))
    left = [dict(cells[0]), dict(cells[1])]
    got: list[dict[Cell, Fraction]] = [dict.fromkeys(asks, Fraction(0)), dict.fromkeys(bids, Fraction(0))]
    pairs = []
    for ask in asks:
        for bid in bids:
            if bid[0] < ask[0]:
                break
            room = headroom(traded.flows, limits, ask[1], bid[1])
            energy = min(left[0][ask], left[1][bid], room)
            if energy:
                at = Fraction(ask[0] + bid[0], 2) if price is None else price
                traded.flows.append((ask[1], bid[1], energy))
                pairs.append((at, energy))
                for side, cell in ((0, ask), (1, bid)):
                    left[side][cell] -= energy
                    got[side][cell] += energy * at
    for side in (0, 1):
        for cell, whole in cells[side].items():
            used = whole - left[side][cell]
            members = [o for o in sorted(offers) if (o[1], o[3], o[2]) == (side, *cell) and o[4]]
            _share(traded, members, used, got[side][cell])
    return pairs


def _share(traded: Traded, members: list[Offer], used: int, money: Fraction) -> None:
    """Book what the members of a cell trade."""
    for offer, energy in zip(members, split(used, [o[4] for o in members]), strict=True):
        traded.book(offer[0], energy, money * Fraction(energy, used) if used else Fraction(0))


def equilibrium(offers: list[Offer]) -> tuple[int, int] | None:
    """Lowest and highest price that leaves nobody unserved who would do better; None where nothing crosses."""

    def energy(side: int, low: int, high: int) -> int:
        return sum(offer[4] for offer in offers if offer[1] == side and low <= offer[3] <= high)

    top, found = 1 << 40, []
    for price in sorted({offer[3] for offer in offers}):
        supply, demand = energy(0, 0, price), energy(1, price, top)
        if supply and demand and energy(0, 0, price - 1) <= demand and energy(1, price + 1, top) <= supply:
            found.append(price)
    return (found[0], found[-1]) if found else None


def uniform(offers: list[Offer], limits: Limits, interval: int, permille: int) -> Traded:
    """The uniform-price auction."""
    traded = Traded()
    between = equilibrium(offers)
    if between is not None:
        price = (between[0] * (1_000 - permille) + between[1] * permille) // 1_000
        suited = [o for o in offers if (o[3] <= price if o[1] == 0 else o[3] >= price)]
        call(suited, limits, interval, traded, Fraction(price))
    return traded


def continuous(offers: list[Offer], limits: Limits, *, midpoint: bool) -> Traded:
    """The continuous double auction, by searching all that wait anew for every arrival."""
    traded = Traded()
    waiting: list[list[int]] = []
    for number, side, feeder, limit, energy in sorted(offers):
        rest = energy
        others = [row for row in waiting if row[1] != side and row[4]]
        others.sort(key=lambda row: (-row[3] if row[1] else row[3], row[0]))
        for row in others:
            ask, bid = (limit, row[3]) if side == 0 else (row[3], limit)
            seller, buyer = (feeder, row[2]) if side == 0 else (row[2], feeder)
            if ask > bid:
                continue
            used = min(rest, row[4], headroom(traded.flows, limits, seller, buyer))
            if used:
                at = Fraction(ask + bid, 2) if midpoint else Fraction(row[3])
                traded.flows.append((seller, buyer, used))
                traded.book(number, used, used * at)
                traded.book(row[0], used, used * at)
                rest -= used
                row[4] -= used
        waiting.append([number, side, feeder, limit, rest])
    return traded


def first_average(offers: list[Offer], limits: Limits, interval: int, *, by_energy: bool) -> int | None:
    """The broadcast average of the first stage, rounded down."""
    traded = Traded()
    pairs = call(offers, limits, interval, traded)
    left = {o[1] for o in offers if o[4] > traded.energy.get(o[0], 0)}
    if not pairs or left != {0, 1}:
        return None
    if by_energy:
        return int(sum(at * energy for at, energy in pairs) / sum(energy for _, energy in pairs))
    return int(sum(at for at, _ in pairs) / len(pairs))


def two_stage(offers: list[Offer], limits: Limits, interval: int, improved: dict[int, int] | None) -> Traded:
    """Both stages; ``improved`` holds the new limits of the second, None where there is none."""
    traded = Traded()
    call(offers, limits, interval, traded)
    if improved is not None:
        rest = [
            (number, side, feeder, improved.get(number, limit), energy - traded.energy.get(number, 0))
            for number, side, feeder, limit, energy in offers
        ]
        call(rest, limits, interval, traded)
    return traded
