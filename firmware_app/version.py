"""The one place that says which release this is; the build reads it too."""

from typing import Final

VERSION: Final = "0.1.0"
