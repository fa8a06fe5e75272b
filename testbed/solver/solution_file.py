"""Solution files: everything that a stranger needs to check cleared problems, in the canonical encoding.

    ("gridlight-solution", 1, parameters, feeders, ((first_interval, offers, solution), ...))

parameters  (interval_s, t_clear, horizon, expiry_weight, uniform price or -1, objectives, max_gap_j)
feeders     ((feeder, c_ext_w, c_int_w or -1), ...)
offers      ((offer number, side, feeder, price, ranges relative to first_interval, remaining_j), ...)
solution    as on the wire: ``Solution.to_wire``

Addresses and escrow do not matter for clearing and are left out: a solution file names nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from light_client.rules.encoding import Value, decode, encode
from light_client.rules.errors import MalformedError, RuleViolation
from light_client.rules.market.clearing import Solution
from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.intervals import check_ranges, cut_before
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams, Objective
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import (
    ADDRESS_BYTES,
    MAX_ENERGY_J,
    MAX_INTERVAL,
    MAX_PRICE_UC_PER_KWH,
    Address,
    FeederId,
    OfferId,
    Side,
)

KIND = "gridlight-solution"
VERSION = 1
MAX_BYTES = 1 << 28
MAX_ITEMS = 1 << 25
_NOBODY = Address(bytes(ADDRESS_BYTES))


class SolutionFileError(Exception):
    """A solution file cannot be read; one sentence that names the file and the field."""

    def __init__(self, path: Path, where: str, reason: str) -> None:
        """Say what is wrong with which field."""
        super().__init__(f"{path}: {where}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A problem, and what somebody says is its solution, not yet judged."""

    problem: Problem
    solution: Value
    """On the wire."""


def write(
    path: Path,
    *,
    params: MarketParams,
    grid: Grid,
    clearings: Iterable[tuple[int, Sequence[OpenOffer], Solution]],
) -> None:
    """Write problems (first interval, offers) and their solutions, all with the same parameters and grid."""
    price = params.uniform_price_uc_per_kwh
    head = (
        params.interval_s,
        params.t_clear,
        params.horizon,
        params.expiry_weight,
        -1 if price is None else price,
        tuple(int(objective) for objective in params.objectives),
        params.max_gap_j,
    )
    feeders = tuple((f.feeder, f.c_ext_w, -1 if f.c_int_w is None else f.c_int_w) for f in grid.feeders)
    steps = tuple(
        (first, tuple(_offer_row(offer, first) for offer in offers), solution.to_wire())
        for first, offers, solution in clearings
    )
    path.write_bytes(encode((KIND, VERSION, head, feeders, steps)))


def _offer_row(offer: OpenOffer, base: int) -> tuple[Any, ...]:
    ranges = cut_before(offer.ranges, base)
    flat = tuple(value - base for pair in ranges for value in pair)
    return (offer.offer_id, int(offer.side), offer.feeder, offer.price_uc_per_kwh, flat, offer.remaining_j)


def read(path: Path) -> list[Claim]:
    """Read a solution file of any origin.

    Raises:
        SolutionFileError: anything but a well-formed file.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise SolutionFileError(path, "file", error.strerror or "cannot be read") from None
    if size > MAX_BYTES:
        raise SolutionFileError(path, "file", f"got {size} bytes, expected at most {MAX_BYTES}")
    try:
        value = decode(data, max_bytes=MAX_BYTES, max_depth=9, max_items=MAX_ITEMS)
    except MalformedError as error:
        raise SolutionFileError(path, "encoding", str(error)) from None
    kind, version, *parts = _tuple(path, "file", value, 5)
    if (kind, version) != (KIND, VERSION):
        raise SolutionFileError(
            path, "kind and version", f"got {kind!r}, {version!r}, expected {KIND!r}, {VERSION}"
        )
    params = _params(path, parts[0])
    grid = _grid(path, parts[1], params)
    claims = []
    for number, step in enumerate(_tuple(path, "clearings", parts[2])):
        where = f"clearing {number}"
        first, rows, solution = _tuple(path, where, step, 3)
        base = _number(path, f"{where}, first interval", first, 0, MAX_INTERVAL - 1)
        offers = _offers(path, where, rows, base, params, grid)
        problem = problem_of(offers, first_interval=base, params=params, grid=grid)
        claims.append(Claim(problem=problem, solution=solution))
    return claims


def _params(path: Path, value: Value) -> MarketParams:
    interval_s, t_clear, horizon, expiry_weight, price, objectives, max_gap_j = _tuple(
        path, "parameters", value, 7
    )
    known = {int(objective): objective for objective in Objective}
    order = tuple(known.get(number, number) for number in _tuple(path, "parameters, objectives", objectives))
    try:
        return MarketParams(
            interval_s=interval_s,
            t_clear=t_clear,
            horizon=horizon,
            expiry_weight=expiry_weight,
            uniform_price_uc_per_kwh=None if price == -1 else price,
            objectives=order,
            max_gap_j=max_gap_j,
        )
    except RuleViolation as error:
        raise SolutionFileError(path, "parameters", str(error)) from None


def _grid(path: Path, value: Value, params: MarketParams) -> Grid:
    feeders = []
    for number, row in enumerate(_tuple(path, "feeders", value)):
        feeder, ext, internal = _tuple(path, f"feeder {number}", row, 3)
        try:
            feeders.append(Feeder(feeder=feeder, c_ext_w=ext, c_int_w=None if internal == -1 else internal))
        except RuleViolation as error:
            raise SolutionFileError(path, f"feeder {number}", str(error)) from None
    try:
        return Grid(feeders=tuple(feeders), interval_s=params.interval_s)
    except RuleViolation as error:
        raise SolutionFileError(path, "feeders", str(error)) from None


def _offers(
    path: Path, where: str, rows: Value, base: int, params: MarketParams, grid: Grid
) -> list[OpenOffer]:
    offers: list[OpenOffer] = []
    previous = -1
    for row in _tuple(path, f"{where}, offers", rows):
        at = f"{where}, offer after {previous}" if offers else f"{where}, first offer"
        number, side, feeder, price, flat, remaining_j = _tuple(path, at, row, 6)
        previous = _number(path, f"{at}, number", number, previous + 1, 1 << 62)
        if _number(path, f"{at}, feeder", feeder, 0, 65_535) not in grid.ext_j:
            raise SolutionFileError(path, f"{at}, feeder", f"the grid has no feeder {feeder}")
        ends = [
            base + _number(path, f"{at}, intervals", end, 0, params.expiry_weight - 1)
            for end in _tuple(path, f"{at}, intervals", flat)
        ]
        ranges = tuple(zip(ends[::2], ends[1::2], strict=False))
        try:
            check_ranges(ranges)
        except RuleViolation as error:
            raise SolutionFileError(path, f"{at}, intervals", str(error)) from None
        if len(ends) % 2:
            raise SolutionFileError(path, f"{at}, intervals", "got an odd number of ends, expected pairs")
        only = params.uniform_price_uc_per_kwh
        low, high = (0, MAX_PRICE_UC_PER_KWH) if only is None else (only, only)
        offers.append(
            OpenOffer(
                offer_id=OfferId(previous),
                address=_NOBODY,
                side=Side(_number(path, f"{at}, side", side, 0, 1)),
                feeder=FeederId(feeder),
                price_uc_per_kwh=_number(path, f"{at}, price", price, low, high),
                ranges=ranges,
                remaining_j=_number(path, f"{at}, energy", remaining_j, 1, MAX_ENERGY_J),
                escrow_uc=0,
            )
        )
    return offers


def _tuple(path: Path, where: str, value: Value, length: int | None = None) -> tuple[Any, ...]:
    if type(value) is not tuple:
        raise SolutionFileError(path, where, f"got {type(value).__name__}, expected a list")
    if length is not None and len(value) != length:
        raise SolutionFileError(path, where, f"got {len(value)} values, expected {length}")
    return value


def _number(path: Path, where: str, value: Value, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        got = value if type(value) is int else type(value).__name__
        raise SolutionFileError(path, where, f"got {got}, expected a whole number in {low}..{high}")
    return value
