"""The configuration as status and doctor show it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from firmware_app.config.check import DEFAULT_FILE, check
from firmware_app.config.load import ConfigError
from firmware_app.config.schema import DeviceConfig
from firmware_app.status.snapshot import Absent, ConfigView, Maybe


def key_count(section: Any) -> int:
    """How many values a section and those within it hold."""
    if is_dataclass(section) and not isinstance(section, type):
        return sum(key_count(getattr(section, field.name)) for field in fields(section))
    if isinstance(section, tuple) and section and is_dataclass(section[0]):
        return sum(map(key_count, section))
    return 1


def view_of(config: DeviceConfig, path: Path, since_ago_ms: Maybe[int]) -> ConfigView:
    """The document in force."""
    return ConfigView(
        version=0, state="healthy", since_ago_ms=since_ago_ms, file=str(path), keys=key_count(config)
    )


def look(path: Path = DEFAULT_FILE) -> ConfigView:
    """The document as it lies on the disk, checked as deeply as that is possible without opening a port."""
    idle: Maybe[int] = Absent("the service is not running")
    try:
        return view_of(check(path).config, path, idle)
    except ConfigError as error:
        return ConfigView(
            version=0, state="rejected", since_ago_ms=idle, file=str(path), depth="syntax", problem=str(error)
        )
