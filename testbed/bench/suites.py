"""The suites of the bench by name; each is a module that is loaded only when it is chosen."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from testbed.bench.section import Suite

SUITES: Final = {
    "clearing": "testbed.bench.clearing",
    "auctions": "testbed.bench.auctions",
    "ledger": "testbed.bench.ledger",
    "headers": "testbed.bench.headers",
    "parsing": "testbed.bench.parsing",
    "modbus": "testbed.bench.modbus",
    "store": "testbed.bench.store",
    "device": "testbed.bench.device",
    "armhf": "testbed.bench.armhf",
}
"""Name -> module, in the order in which they run."""


def suite(name: str) -> Suite:
    """Load a suite.

    Raises:
        KeyError: there is none of this name.
    """
    return cast("Suite", import_module(SUITES[name]))
