"""Keeps the proxies of the environment, and what it takes to read them, out of the device.

The MQTT library imports `urllib.request` to ask for them, which it does only where PySocks is installed. A device dials
its broker itself; the module brings HTTP, mail and compression along: 1.9 MB (docs/adr/0066-memory-and-flash.md).
"""

from __future__ import annotations

import sys
import urllib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

_NAME: Final = "urllib.request"


class _NoProxies(ModuleType):
    """Stands for `urllib.request` with whoever imports it for its proxies: there are none."""

    @staticmethod
    def getproxies() -> dict[str, str]:
        """None, whatever the environment says."""
        return {}


@contextmanager
def no_proxies() -> Iterator[None]:
    """Import the MQTT library inside; who imports `urllib.request` afterwards gets the real one."""
    if _NAME in sys.modules:
        yield
        return
    sys.modules[_NAME] = none = _NoProxies(_NAME)
    vars(urllib)["request"] = none
    try:
        yield
    finally:
        del sys.modules[_NAME]
