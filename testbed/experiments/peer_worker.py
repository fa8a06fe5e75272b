"""Clears one order book with one peer system; run as a program by whichever interpreter has that system.

In, on standard input: {"engine": name, "limit_s": CPU seconds, "rows": [[selling, Wh, price in 1e-4 per kWh], ...]}.
Out, one JSON line: {"energy_kwh": ..., "seconds": of CPU, "version": ...} or {"missing": why}. Imports nothing of this
project, and a peer only when it is asked for: peers do not get along in one process.
"""

import json
import logging
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from typing import Any

Row = tuple[bool, float, float]
"""Whether it sells, kWh, price per kWh."""
_TINY_KWH = 1e-9
_MOST_BYTES = 8 << 30
Prepared = Callable[[], float]
"""Clears, and returns the energy traded, kWh."""


def assume(rows: Sequence[Row], mechanism: str) -> Prepared:
    """ASSUME, one product of one hour; supply has positive volumes, demand negative ones."""
    objects = import_module("assume.common.market_objects")
    mechanisms = import_module("assume.markets.clearing_algorithms").clearing_mechanisms
    relativedelta = import_module("dateutil.relativedelta").relativedelta
    rrule = import_module("dateutil.rrule")
    begin = datetime(2026, 6, 14, 12)  # noqa: DTZ001 - as its own examples have it
    product = (begin, begin + timedelta(hours=1), None)
    config = objects.MarketConfig(
        opening_hours=rrule.rrule(rrule.HOURLY, dtstart=begin, until=begin + timedelta(days=1)),
        market_mechanism=mechanism,
        market_products=[objects.MarketProduct(relativedelta(hours=+1), 1, relativedelta(hours=1))],
        additional_fields=["bid_type"] if mechanism == "complex_clearing" else [],
    )
    role = mechanisms[mechanism](config)
    book = [
        {
            "start_time": product[0],
            "end_time": product[1],
            "only_hours": None,
            "agent_addr": f"agent {number}",
            "bid_id": f"bid {number}",
            "volume": energy if selling else -energy,
            "price": price,
            "node": "node0",
            "bid_type": "SB",
        }
        for number, (selling, energy, price) in enumerate(rows)
    ]

    def clear() -> float:
        accepted = role.clear(book, [product])[0]
        return float(sum(max(0.0, order["accepted_volume"]) for order in accepted))

    return clear


def gsy(rows: Sequence[Row], algorithm: str) -> Prepared:
    """gsy-framework; asked again for what is left over until it recommends nothing more, as its exchange does."""
    found = getattr(import_module("gsy_framework.matching_algorithms"), algorithm)()
    orders: list[dict[str, Any]] = [
        {
            "id": f"order {number}",
            "energy": energy,
            "energy_rate": price,
            "seller" if selling else "buyer": f"party {number}",
        }
        for number, (selling, energy, price) in enumerate(rows)
    ]
    slot = "2026-06-14T12:00"

    def clear() -> float:
        traded, more = 0.0, True
        while more:
            left = [order for order in orders if order["energy"] > _TINY_KWH]
            sides = {
                name: [order for order in left if key in order]
                for name, key in (("bids", "buyer"), ("offers", "seller"))
            }
            matches = found.get_matches_recommendations({"market": {slot: {**sides, "current_time": slot}}})
            more = bool(matches)
            for match in matches:
                traded += match["selected_energy"]
                for order in (*match["bids"], *match["offers"]):
                    order["energy"] -= match["selected_energy"]
        return traded

    return clear


def pymarket(rows: Sequence[Row], algorithm: str) -> Prepared:
    """pymarket; its random choices from a fixed seed."""
    randoms, package = import_module("numpy.random"), import_module("pymarket")

    market = package.Market()
    for number, (selling, energy, price) in enumerate(rows):
        market.accept_bid(energy, price, number, not selling)
    chance = {} if algorithm == "huang" else {"r": randoms.RandomState(1)}

    def clear() -> float:
        transactions, _ = market.run(algorithm, **chance)
        return float(transactions.get_df()["quantity"].sum()) / 2

    return clear


ENGINES: dict[str, tuple[str, Callable[[Sequence[Row], str], Prepared], str]] = {
    "ASSUME, pay as clear": ("assume-framework", assume, "pay_as_clear"),
    "ASSUME, pay as bid": ("assume-framework", assume, "pay_as_bid"),
    "ASSUME, complex clearing": ("assume-framework", assume, "complex_clearing"),
    "gsy-framework, pay as clear": ("gsy-frameworke", gsy, "PayAsClearMatchingAlgorithm"),
    "gsy-framework, pay as bid": ("gsy-frameworke", gsy, "PayAsBidMatchingAlgorithm"),
    "pymarket, MUDA": ("pymarket", pymarket, "muda"),
    "pymarket, Huang": ("pymarket", pymarket, "huang"),
    "pymarket, peer to peer": ("pymarket", pymarket, "p2p"),
}
"""Name -> its package, how it is prepared, which of its algorithms."""


def main() -> None:
    """Clear what standard input asks for."""
    logging.disable()
    warnings.simplefilter("ignore")
    random.seed(1)
    asked: dict[str, Any] = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    used = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + asked["limit_s"], used + asked["limit_s"] + 1))
    package, prepare, algorithm = ENGINES[asked["engine"]]
    rows = [(bool(selling), energy_wh / 1_000, price / 10_000) for selling, energy_wh, price in asked["rows"]]
    try:
        clear = prepare(rows, algorithm)
    except ImportError as error:
        _say({"missing": f"{package}: {error}"})
        return
    began = time.process_time()
    energy = clear()
    seconds = time.process_time() - began
    _say({"energy_kwh": energy, "seconds": seconds, "version": f"{package} {version(package)}"})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
