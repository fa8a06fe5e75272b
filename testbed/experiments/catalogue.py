"""The experiments by name; each is a module that is loaded only when it is chosen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from testbed.experiments.findings import Experiment

EXPERIMENTS: Final = {
    "microgrid": "testbed.experiments.microgrid",
    "multi-energy-trading": "testbed.experiments.multi_energy_trading",
    "ies-dispatch": "testbed.experiments.ies_dispatch",
    "two-stage-auction": "testbed.experiments.two_stage_auction",
    "score-dpos": "testbed.experiments.score_dpos",
    "privacy": "testbed.experiments.privacy",
    "peers": "testbed.experiments.peers",
}
"""Name -> module, in the order in which they run."""


def experiment(name: str) -> Experiment:
    """Load an experiment.

    Raises:
        KeyError: there is none of this name.
    """
    return cast("Experiment", import_module(EXPERIMENTS[name]))
