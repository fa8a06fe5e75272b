"""The grid that a fleet of a given size lives in: a synthetic village with that many homes, as a scenario file."""

from __future__ import annotations

from typing import Final

_PER_FEEDER: Final = 10
_DATE: Final = "2026-06-14"


def scenario_text(homes: int, *, seed: int) -> str:
    """A scenario file of a village of so many homes, at least two; the first has a battery, as in any village."""
    full, rest = divmod(homes, _PER_FEEDER)
    feeders = [_PER_FEEDER] * full + ([rest] if rest else [])
    return (
        f"# {homes} homes out of arithmetic alone, written by `gridlight-testbed up --fleet {homes}`.\n"
        f'name = "fleet-{homes}"\ntitle = "{homes} homes on {len(feeders)} feeders, synthetic"\n'
        f'seed = {seed}\nsource = "synthetic"\ndate = {_DATE}\n'
        f"[synthetic]\nhomes_per_feeder = {feeders}\nbattery_percent = 0\n"
    )
