"""Corrupted solutions: what a lazy, greedy or broken solver could put on the wire.

Every corruption is a function of a random source and the honest wire form; it may return anything. Some keep the plan
feasible on purpose (less trade, later energy first), since those only a proof of optimality can refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

Wire = tuple[Any, ...]
Corruption = Callable[[Random, Wire, Wire], Wire]

JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    1 << 61,
    1 << 63,
    -(1 << 63),
    b"",
    b"\x00",
    "",
    "0",
    (),
    (0,),
    (0, 1),
    [0],
    0.5,
)


def put(whole: tuple[Any, ...], index: int, part: Any) -> tuple[Any, ...]:
    """The tuple with one part replaced."""
    return (*whole[:index], part, *whole[index + 1 :])


def _rows(wire: Wire) -> tuple[Any, ...]:
    rows: tuple[Any, ...] = wire[0][1]
    return rows


def _with_rows(wire: Wire, rows: tuple[Any, ...]) -> Wire:
    return put(wire, 0, put(wire[0], 1, rows))


def _pick_entry(random: Random, wire: Wire, side: int | None = None) -> tuple[int, int] | None:
    """(row, position of an energy in its flat entries)."""
    choices = [
        (r, e)
        for r, row in enumerate(_rows(wire))
        if side is None or row[0] == side
        for e in range(1, len(row[4]), 2)
    ]
    return random.choice(choices) if choices else None


def _add_energy(wire: Wire, at: tuple[int, int], joules: int) -> Wire:
    r, e = at
    rows = _rows(wire)
    entries = put(rows[r][4], e, rows[r][4][e] + joules)
    if entries[e] == 0:
        entries = (*entries[: e - 1], *entries[e + 1 :])
    rows = put(rows, r, put(rows[r], 4, entries)) if entries else (*rows[:r], *rows[r + 1 :])
    return _with_rows(wire, rows)


def change_energy(random: Random, wire: Wire, _: Wire) -> Wire:
    """One energy a little, much, or absurdly different."""
    at = _pick_entry(random, wire)
    return (
        wire
        if at is None
        else _add_energy(wire, at, random.choice((-1, 1, 7, -7, 12, -12, 1 << 59, -(1 << 59))))
    )


def trade_less(random: Random, wire: Wire, _: Wire) -> Wire:
    """Sell and buy less of one interval by the same amount: feasible wherever limits allow, but not most."""
    sale = _pick_entry(random, wire, 0)
    if sale is None:
        return wire
    r, e = sale
    offset, joules = _rows(wire)[r][4][e - 1 : e + 1]
    less = random.randint(1, joules)
    purchases = [
        (r, e)
        for r, row in enumerate(_rows(wire))
        if row[0] == 1
        for e in range(1, len(row[4]), 2)
        if row[4][e - 1] == offset
    ]
    taken = 0
    for r, e in reversed(purchases):  # rows of buyers follow those of sellers, so earlier positions stay
        step = min(less - taken, _rows(wire)[r][4][e])
        wire = _add_energy(wire, (r, e), -step)
        taken += step
    return _add_energy(
        wire, sale, -(taken or less)
    )  # in a uniform market the purchases may all follow from sales


def trade_more(random: Random, wire: Wire, _: Wire) -> Wire:
    """Sell and buy more of one interval by the same amount, past the energies or limits that stopped it."""
    sale, purchase = _pick_entry(random, wire, 0), _pick_entry(random, wire, 1)
    if sale is None:
        return wire
    more = random.choice((1, 12, 60))
    if purchase is not None:
        wire = _add_energy(wire, purchase, more)
    return _add_energy(wire, sale, more)


def move_energy(random: Random, wire: Wire, _: Wire) -> Wire:
    """Shift energy between two entries of one side, as a solver that prefers somebody would."""
    side = random.randint(0, 1)
    giver, taker = _pick_entry(random, wire, side), _pick_entry(random, wire, side)
    if giver is None or taker is None or giver == taker:
        return wire
    amount = random.randint(1, _rows(wire)[giver[0]][4][giver[1]])
    return _add_energy(_add_energy(wire, taker, amount), giver, -amount)


def move_time(random: Random, wire: Wire, _: Wire) -> Wire:
    """Let a class trade in another interval."""
    at = _pick_entry(random, wire)
    if at is None:
        return wire
    r, e = at
    rows = _rows(wire)
    offset = rows[r][4][e - 1] + random.choice((-1, 1, 2))
    return _with_rows(wire, put(rows, r, put(rows[r], 4, put(rows[r][4], e - 1, offset))))


def repeat_entry(random: Random, wire: Wire, _: Wire) -> Wire:
    """State one entry twice."""
    at = _pick_entry(random, wire)
    if at is None:
        return wire
    r, e = at
    rows = _rows(wire)
    entries = rows[r][4]
    return _with_rows(
        wire, put(rows, r, put(rows[r], 4, (*entries[: e + 1], *entries[e - 1 : e + 1], *entries[e + 1 :])))
    )


def rename_class(random: Random, wire: Wire, _: Wire) -> Wire:
    """Another side, feeder, price or set of intervals for one row."""
    rows = _rows(wire)
    if not rows:
        return wire
    r, part = random.randrange(len(rows)), random.randrange(4)
    value = rows[r][part]
    value = (
        put(value, random.randrange(len(value)), random.randint(0, 3))
        if part == 3
        else value + random.choice((-1, 1))
    )
    return _with_rows(wire, put(rows, r, put(rows[r], part, value)))


def disturb_rows(random: Random, wire: Wire, _: Wire) -> Wire:
    """Drop, repeat or reorder rows."""
    rows = list(_rows(wire))
    if not rows:
        return wire
    kind = random.randrange(3)
    if kind == 0:
        rows.pop(random.randrange(len(rows)))
    elif kind == 1:
        rows.insert(random.randrange(len(rows)), random.choice(rows))
    else:
        random.shuffle(rows)
    return _with_rows(wire, tuple(rows))


def scale_energies(random: Random, wire: Wire, _: Wire) -> Wire:
    """Every energy times a factor."""
    up, down = random.choice(((2, 1), (1, 2), (11, 10), (0, 1), (-1, 1)))
    rows = tuple(
        put(row, 4, tuple(v * up // down if i % 2 else v for i, v in enumerate(row[4])))
        for row in _rows(wire)
    )
    return _with_rows(wire, rows)


def state_nothing(random: Random, wire: Wire, _: Wire) -> Wire:
    """The empty plan with the honest certificates."""
    return _with_rows(wire, ())


def shift_start(random: Random, wire: Wire, _: Wire) -> Wire:
    """Pretend that another interval is the first."""
    return put(wire, 0, put(wire[0], 0, wire[0][0] + random.choice((-1, 1, 1 << 31))))


def _any_certificate(random: Random, wire: Wire, change: Callable[[Wire], Wire]) -> Wire:
    certificates = wire[1]
    if not certificates:
        return wire
    i = random.randrange(len(certificates))
    return put(wire, 1, put(certificates, i, change(certificates[i])))


def forge_weights(random: Random, wire: Wire, _: Wire) -> Wire:
    """Other weights or scale."""

    def change(proof: Wire) -> Wire:
        i = random.randrange(len(proof[0]))
        value = random.choice((0, 1, 2, -1, proof[0][i] + 1, proof[0][i] - 1, 2 * proof[0][i], 1 << 61))
        return put(proof, 0, put(proof[0], i, value))

    return _any_certificate(random, wire, change)


def forge_schedule(random: Random, wire: Wire, _: Wire) -> Wire:
    """Other values, prices or intervals of a schedule, or one schedule less."""

    def change(proof: Wire) -> Wire:
        rows = proof[1]
        if not rows:
            return proof
        r, kind = random.randrange(len(rows)), random.randrange(5)
        t, prices, values = rows[r]
        i = random.randrange(len(values))
        if kind == 0:
            row = (t, prices, put(values, i, values[i] + random.choice((-1, 1, -1_000, 1_000))))
        elif kind == 1:
            row = (t, put(prices, i, prices[i] + random.choice((-1, 1))), values)
        elif kind == 2:
            row = (t + random.choice((-1, 1)), prices, values)
        elif kind == 3:
            row = (t, (*prices, prices[-1] + 1), (*values, values[-1] - random.randint(0, 3)))
        else:
            return put(proof, 1, (*rows[:r], *rows[r + 1 :]))
        return put(proof, 1, put(rows, r, row))

    return _any_certificate(random, wire, change)


def forge_multipliers(random: Random, wire: Wire, _: Wire) -> Wire:
    """Negate, change, drop or invent a multiplier of a limit."""

    def change(proof: Wire) -> Wire:
        part = random.randrange(2, 5)
        rows = list(proof[part])
        kind = random.randrange(4)
        if kind == 3 or not rows:
            row = (random.randint(0, 4), random.randint(0, 12), random.choice((-3, -1, 1, 2)))
            return put(proof, part, tuple(sorted([*rows, row])))
        r = random.randrange(len(rows))
        if kind == 2:
            rows.pop(r)
        else:
            t, feeder, value = rows[r]
            rows[r] = (t, feeder, -value if kind == 0 else value + random.choice((-1, 1)))
        return put(proof, part, tuple(rows))

    return _any_certificate(random, wire, change)


def disturb_certificates(random: Random, wire: Wire, other: Wire) -> Wire:
    """Swap, drop, repeat, or take them from another market."""
    certificates = wire[1]
    forged = (
        certificates[::-1],
        certificates[:1],
        (*certificates, *certificates[:1]),
        (certificates[0],) * 2,
        other[1],
    )
    return put(wire, 1, random.choice(forged))


def replace_part(random: Random, wire: Wire, _: Wire) -> Wire:
    """Junk at a random place of the structure."""
    if not isinstance(wire, tuple) or not wire or random.random() < 0.15:
        return random.choice(JUNK)
    index = random.randrange(len(wire))
    return put(wire, index, replace_part(random, wire[index], wire))


def cut_short(random: Random, wire: Wire, _: Wire) -> Wire:
    """One tuple of the structure loses its end."""
    if not wire:
        return wire
    index = random.randrange(len(wire))
    if random.random() < 0.3 or not isinstance(wire[index], tuple):
        return wire[:index]
    return put(wire, index, cut_short(random, wire[index], wire))


SUBTLE: tuple[Corruption, ...] = (
    change_energy,
    trade_less,
    trade_less,
    trade_more,
    trade_more,
    move_energy,
    move_energy,
    move_time,
    rename_class,
    scale_energies,
    forge_weights,
    forge_schedule,
    forge_schedule,
    forge_multipliers,
    disturb_certificates,
)
CRUDE: tuple[Corruption, ...] = (
    repeat_entry,
    disturb_rows,
    state_nothing,
    shift_start,
    replace_part,
    cut_short,
)


def corrupt(random: Random, wire: Wire, other: Wire) -> tuple[str, Wire]:
    """One to three corruptions one after another (the first may hide what the next one does), and their names."""
    names = []
    for _ in range(random.choice((1, 1, 2, 3))):
        corruption = random.choice(SUBTLE if random.random() < 0.75 else CRUDE)
        try:
            wire = corruption(random, wire, other)
        except (TypeError, ValueError, IndexError):
            break  # an earlier corruption left nothing that this one could work on
        names.append(corruption.__name__)
    return "+".join(names), wire
