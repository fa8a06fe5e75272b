"""Numbers as people read them: the same words on the terminal, on the page and in doctor."""

from __future__ import annotations

import time
from typing import Final

from firmware_app.status.snapshot import Absent, Maybe

_J_PER_KWH: Final = 3_600_000


def grouped(number: int) -> str:
    """A whole number with a thin gap at each thousand: `14 382`."""
    return f"{number:,}".replace(",", " ")


def decimal(number: int, per: int, places: int) -> str:
    """`number / per` rounded half up to some places, without a float: `decimal(14_382_417, 1_000, 3)`."""
    scaled = (2 * abs(number) * 10**places + per) // (2 * per)
    whole, rest = divmod(scaled, 10**places)
    sign = "-" if number < 0 and scaled else ""
    return f"{sign}{grouped(whole)}" + (f".{rest:0{places}}" if places else "")


def kwh(energy_j: int, places: int = 2) -> str:
    """Energy in kWh, with its unit."""
    return f"{decimal(energy_j, _J_PER_KWH, places)} kWh"


def kw(power_w: int) -> str:
    """Power in W below a kilowatt, otherwise in kW, with its unit; the sign is told in words elsewhere."""
    return f"{power_w} W" if abs(power_w) < 1_000 else f"{decimal(power_w, 1_000, 2)} kW"


def flow(power_w: int) -> str:
    """Power with its direction in words."""
    if power_w == 0:
        return "neither importing nor exporting"
    return f"{'importing' if power_w > 0 else 'exporting'} {kw(abs(power_w))}"


def money(amount_uc: int, currency: str) -> str:
    """An amount with its currency: `0.89 EUR`."""
    return f"{decimal(amount_uc, 1_000_000, 2)} {currency}"


def price(price_uc_per_kwh: int, currency: str) -> str:
    """A price: `0.1420 EUR/kWh`."""
    return f"{decimal(price_uc_per_kwh, 1_000_000, 4)} {currency}/kWh"


def span(duration_ms: int) -> str:
    """A duration by its two largest units: `0.8 s`, `3 s`, `41 min`, `7 min 48 s`, `12 d 4 h`."""
    seconds = abs(duration_ms) // 1_000
    if seconds < 2:
        return f"{decimal(abs(duration_ms), 1_000, 1)} s"
    for size, unit, smaller, smaller_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{seconds} s"


def age(age_ms: Maybe[int]) -> str:
    """An age, or why there is none: `0.8 s old`."""
    return age_ms.why if isinstance(age_ms, Absent) else f"{span(age_ms)} old"


def size(number_of_bytes: int) -> str:
    """Bytes in the unit that suits them: `2.1 MB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number_of_bytes >= factor:
            places = 0 if number_of_bytes >= 10 * factor else 1
            return f"{decimal(number_of_bytes, factor, places)} {unit}"
    return f"{number_of_bytes} B"


def offset(offset_us: int) -> str:
    """A clock's offset with the sign in words: `0.4 ms slow of NTP time`."""
    if offset_us == 0:
        return "exactly NTP time"
    side = "fast" if offset_us > 0 else "slow"
    amount = abs(offset_us)
    text = span(amount // 1_000) if amount >= 1_000_000 else f"{decimal(amount, 1_000, 1)} ms"
    return f"{text} {side} of NTP time"


def moment(utc_ms: int, zone_offset_s: int) -> str:
    """A local date and time: `Sun 14 Jun 2026, 13:07:12 +02:00`."""
    there = time.gmtime(utc_ms // 1_000 + zone_offset_s)
    date = f"{_DAYS[there.tm_wday]} {there.tm_mday} {_MONTHS[there.tm_mon - 1]} {there.tm_year}"
    return f"{date}, {clock(utc_ms, zone_offset_s)} {zone(zone_offset_s)}"


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clock(utc_ms: int, zone_offset_s: int, *, seconds: bool = True) -> str:
    """A local time of day: `13:07:12`."""
    there = time.gmtime(utc_ms // 1_000 + zone_offset_s)
    return f"{there.tm_hour:02}:{there.tm_min:02}" + (f":{there.tm_sec:02}" if seconds else "")


def utc(utc_ms: int) -> str:
    """A moment in UTC: `2026-06-14 11:06:58 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(utc_ms // 1_000))


def zone(offset_s: int) -> str:
    """An offset of local time: `+02:00`."""
    hours, minutes = divmod(abs(offset_s) // 60, 60)
    return f"{'-' if offset_s < 0 else '+'}{hours:02}:{minutes:02}"


def since(ago_ms: int, made_utc_ms: Maybe[int], zone_offset_s: int) -> str:
    """Since when, in local time where the time is known: `since 06:02`, `since 11 Jun`, `for 41 min`."""
    if isinstance(made_utc_ms, Absent):
        return f"for {span(ago_ms)}"
    then_ms = made_utc_ms - ago_ms
    there = time.gmtime(then_ms // 1_000 + zone_offset_s)
    today = time.gmtime(made_utc_ms // 1_000 + zone_offset_s)
    if (there.tm_year, there.tm_yday) == (today.tm_year, today.tm_yday):
        return f"since {there.tm_hour:02}:{there.tm_min:02}"
    year = "" if there.tm_year == today.tm_year else f" {there.tm_year}"
    return f"since {there.tm_mday} {_MONTHS[there.tm_mon - 1]}{year}"


def interval(index: int, interval_s: int, zone_offset_s: int) -> str:
    """An interval by its local times: `13:00-13:15`."""
    begin_ms = index * interval_s * 1_000
    return "-".join(
        clock(at_ms, zone_offset_s, seconds=False) for at_ms in (begin_ms, begin_ms + interval_s * 1_000)
    )


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 warning`, `2 warnings`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
