"""What a process that lives for months asks of Python and the C library, so that it holds no more than it uses.

one arena       glibc gives each thread a heap of its own; a device has few threads, and Python runs one at a time
fixed limits    what is large is mapped, and given back at once when it is freed; glibc raises the limit by itself
                otherwise, and keeps what one large message took for ever
frozen          what was loaded lives as long as the process: nobody looks through it for garbage again
often           so garbage can be looked for often, and few cycles wait for it

Source: mallopt(3); Python documentation, `gc.freeze`.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_LARGE_BYTES: Final = 128 << 10
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_WISHES: Final = ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _LARGE_BYTES))
_GARBAGE: Final = (1_000, 10, 5)
"""New objects, and collections of the youngest and of the next, after which garbage is looked for."""


def live_frugally() -> None:
    """Called once, when everything is loaded and before there are threads; where the C library is another, half of it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in _WISHES:
            mallopt(name, value)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
