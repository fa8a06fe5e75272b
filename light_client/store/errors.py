"""Why a store refuses: its file is in use, is damaged, or cannot be written now."""

from light_client.rules.errors import LightClientError


class StoreError(LightClientError):
    """The store could not do it: no batch was written, not even in part."""


class StoreBusyError(StoreError):
    """Another process holds the file: two actors with one identity would contradict each other."""


class StoreDamagedError(StoreError):
    """The file is not a store of this program, or its pages do not agree with each other."""
