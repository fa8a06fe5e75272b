"""What a process that lives for months asks of Python and the C library, so that it holds no more than it uses.

one arena       glibc gives each thread a heap of its own; a device has few threads, and Python runs one at a time
fixed limits    what is large is mapped, and given back at once when it is freed; glibc raises the limit by itself
                otherwise, and keeps what one large message took for ever
frozen          what was loaded lives as long as the process: nobody looks through it for garbage again
often           so garbage can be looked for often, and few cycles wait for it
given back      what loading took in between, as far as whole pages are free again
classes once    `dataclass(slots=True)` makes each class a second time, and where it is frozen two of its methods hold
                the first one, which nobody can reach

Source: mallopt(3), malloc_trim(3); Python documentation, `gc.freeze`; its dataclasses.py, `_frozen_get_del_attr`.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from types import CellType, FunctionType
from typing import Final

_LARGE_BYTES: Final = 128 << 10
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_WISHES: Final = ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _LARGE_BYTES))
_GARBAGE: Final = (1_000, 10, 5)
"""New objects, and collections of the youngest and of the next, after which garbage is looked for."""


def live_frugally() -> None:
    """Called once, when the program is loaded and before there are threads; another C library is left as it is."""
    mallopt = _of_glibc("mallopt")
    for name, value in _WISHES:
        mallopt(name, value)
    gc.set_threshold(*_GARBAGE)
    give_back()
    gc.freeze()


def give_back() -> None:
    """Let go of what loading took in between: called when a part has loaded its modules."""
    for made, cell in _first_classes():
        cell.cell_contents = made
    gc.collect()
    _of_glibc("malloc_trim")(0)


def _of_glibc(name: str) -> Callable[..., int]:
    """A function of it; where the C library is another one, nothing is done."""
    found: Callable[..., int] = getattr(ctypes.CDLL(None), name, lambda *_: 0)
    return found


def _first_classes() -> Iterator[tuple[type, CellType]]:
    """Where a loaded class holds the one that it was made of."""
    for module in list(sys.modules.values()):
        for made in list(vars(module).values()):
            if not isinstance(made, type) or "__dataclass_fields__" not in vars(made):
                continue
            for name in ("__setattr__", "__delattr__"):
                method = vars(made).get(name)
                if isinstance(method, FunctionType) and method.__closure__:
                    cells = dict(zip(method.__code__.co_freevars, method.__closure__, strict=True))
                    if "cls" in cells and cells["cls"].cell_contents is not made:
                        yield made, cells["cls"]
