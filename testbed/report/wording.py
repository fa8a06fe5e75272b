"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil

from light_client.rules.units import JOULES_PER_KWH

THIN_SPACE = "\u202f"
UC_PER_CURRENCY = 1_000_000


def grouped(number: float, digits: int = 0) -> str:
    """A number with its thousands set apart by a thin space."""
    return f"{number:,.{digits}f}".replace(",", THIN_SPACE)


def kwh(energy_j: float, digits: int = 1) -> str:
    """An energy in kWh, without the unit."""
    return grouped(energy_j / JOULES_PER_KWH, digits)


def money(amount_uc: int) -> str:
    """An amount in currency units with two decimals, without a sign for the currency."""
    return grouped(amount_uc / UC_PER_CURRENCY, 2)


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 in percent; never rounded up to 100 when it is less, nor down to 0 when it is more."""
    if share is None:
        return "none possible"
    value = round(100 * share, digits)
    step = 10.0**-digits
    if value >= 100 and share < 1:
        value = 100 - step
    if value <= 0 < share:
        value = step
    return f"{value:.{digits}f}{THIN_SPACE}%"


def seconds(value: float | None) -> str:
    """A duration in seconds with three significant digits, or minutes where these read better."""
    if value is None:
        return "none"
    if value >= 600:
        return f"{value / 60:.0f}{THIN_SPACE}min"
    return f"{value:.3g}{THIN_SPACE}s"


def milliseconds(value: float) -> str:
    """A duration in milliseconds with two significant digits, or all of them from 10 ms on."""
    return f"{value:.0f}{THIN_SPACE}ms" if value >= 9.95 else f"{value:#.2g}{THIN_SPACE}ms"


def capitalised(text: str) -> str:
    """The text with a capital first letter and the rest as it is."""
    return text[:1].upper() + text[1:]


def clock(interval: int, interval_s: int, *, ends: bool = False) -> str:
    """When an absolute interval begins, ``HH:MM`` of the scenario's clock; a midnight that ``ends`` is 24:00."""
    if ends and interval * interval_s % 86_400 == 0:
        return "24:00"
    return datetime.fromtimestamp(interval * interval_s, UTC).strftime("%H:%M")


def calendar_day(interval: int, interval_s: int) -> str:
    """The day of an absolute interval in words."""
    at = datetime.fromtimestamp(interval * interval_s, UTC)
    return f"{at:%A}, {at.day} {at:%B %Y}"


def runs(at: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as inclusive runs: 3, 4, 5, 9 becomes (3, 5), (9, 9)."""
    found: list[tuple[int, int]] = []
    for number in at:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of ``values`` do not exceed; never interpolated."""
    ordered = sorted(values)
    return ordered[max(ceil(share * len(ordered)) - 1, 0)]
