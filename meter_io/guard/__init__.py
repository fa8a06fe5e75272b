"""Whether a meter's counters are believed: the order of the questions is in `guard`, what a step means in `steps`."""

from meter_io.guard.guard import CounterGuard, Judgement, most_overbooked_j
from meter_io.guard.params import EXPORT_WH, IMPORT_WH, CounterSpec, GuardParams
from meter_io.guard.state import MAX_STATE_BYTES, GuardStateError

__all__ = [
    "EXPORT_WH",
    "IMPORT_WH",
    "MAX_STATE_BYTES",
    "CounterGuard",
    "CounterSpec",
    "GuardParams",
    "GuardStateError",
    "Judgement",
    "most_overbooked_j",
]
