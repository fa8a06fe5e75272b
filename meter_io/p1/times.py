"""Times in P1 telegrams: `YYMMDDhhmmssX`, local, where X is S in summer and W in winter.

Source: DSMR P1 companion standard 5.0.2, section 6.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_TIME: Final = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([SW])")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def utc_ms(text: str, winter_offset_s: int | None) -> int | None:
    """Return UTC milliseconds of a time in a telegram.

    None if it is no time, if the country is not known, or if it has no season letter (DSMR 2.2 and 3.0): in the hour
    after the clocks go back, local time without it means two instants.

    Args:
        text: as in the telegram, without parentheses.
        winter_offset_s: the country's winter time less UTC, seconds; None if the country is not known.
    """
    match = _TIME.fullmatch(text)
    if match is None or winter_offset_s is None:
        return None
    year, month, day, hour, minute, second = (int(digits) for digits in match.groups()[:6])
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:  # an unset clock sends 632525252525W
        return None
    offset_s = winter_offset_s + (3600 if match[7] == "S" else 0)
    return (local - _EPOCH) // _MILLISECOND - offset_s * 1000
