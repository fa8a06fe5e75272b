"""Pulse outputs (S0): counting edges on a wire into energy."""

from meter_io.pulse.counter import Edge, PulseCounter, PulseInput, Verdict
from meter_io.pulse.store import FileTotal, TotalKeeper, TotalStore

__all__ = ["Edge", "FileTotal", "PulseCounter", "PulseInput", "TotalKeeper", "TotalStore", "Verdict"]
