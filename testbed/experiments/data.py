"""Where data that cannot be shipped lies."""

from __future__ import annotations

import os
from pathlib import Path

from testbed.experiments.findings import Options
from testbed.scenarios.errors import DataUnavailableError


def root(options: Options) -> Path:
    """Where all of it lies: ``--data``, else ``$GRIDLIGHT_SHARED/data``, else ``../shared/data``; perhaps absent."""
    return options.data or Path(os.environ.get("GRIDLIGHT_SHARED") or "../shared") / "data"


def folder(options: Options, name: str, source: str) -> Path:
    """The folder of a data set.

    Args:
        name: of the folder.
        source: what it is and where it was published, for whoever has to get it.

    Raises:
        DataUnavailableError: it is not there.
    """
    path = root(options) / name
    if not path.is_dir():
        raise DataUnavailableError(
            f"there is no folder {path}; it holds {source}, which has no licence that allows to ship it: "
            "get it from its authors and name the folder that holds it with --data"
        )
    return path
