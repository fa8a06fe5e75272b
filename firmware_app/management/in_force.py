"""Which configuration a device runs by: that of its file, until it joins a fleet; then what the fleet made of it.

    never joined              the file
    joined, no bundle yet     the file, with the broker of the ticket where the file names none
    a bundle was taken up     the fleet's document; of the file its `[device]` section and its secrets, nothing else

So whoever edits the file of a device that its operator configures changes only what is the device's own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from firmware_app.config.check import Checked, check_config
from firmware_app.config.load import ConfigError, read
from firmware_app.config.schema import DeviceConfig
from firmware_app.fleet.document import Tree, config_of, read_toml
from firmware_app.fleet.memory import Configuration, Memory
from firmware_app.fleet.memory_file import MemoryFile
from firmware_app.fleet.ownership import with_own
from light_client.store.errors import StoreError

FOLDER: Final = "fleet"
"""In the data folder: memory, credentials, inbox."""
SECTION: Final = "fleet"


def memory_file(data_folder: Path) -> MemoryFile:
    """Where the agent's memory lies."""
    return MemoryFile(data_folder / FOLDER / "memory")


def check_in_force(path: Path) -> Checked:
    """Read and check the configuration that the device runs by.

    Args:
        path: the device's file.

    Raises:
        ConfigError: file, memory, or what they name cannot be used.
    """
    memory = memory_of(path)
    if memory is None:
        return check_config(read(path, DeviceConfig), path)
    return check_document(memory.running.document, path)


def check_document(document: Tree, path: Path) -> Checked:
    """Check a document in the place of the file's.

    Raises:
        ConfigError: something is wrong.
    """
    return check_config(config_of(document, "the fleet's configuration"), path)


def memory_of(path: Path) -> Memory | None:
    """What the agent keeps, with what is the device's own as the file has it now; None if it never joined a fleet.

    Raises:
        ConfigError: the file is wrong, or the memory is damaged.
    """
    config = read(path, DeviceConfig)
    try:
        memory = memory_file(config.folder(path)).load()
    except StoreError as error:
        raise ConfigError(
            f"{error}: the configuration in force is not known; gridlight enroll --ticket FILE joins anew"
        ) from None
    if memory is None:
        return None
    return refreshed(memory, read_toml(path.read_text(encoding="utf-8"), str(path)))


def refreshed(memory: Memory, tree: Tree) -> Memory:
    """The memory with what is the device's own taken from its file."""
    current = memory.current
    if current.order == (0, 0):
        broker = current.document.get(SECTION, {})
        document = {**tree, SECTION: {**broker, **tree.get(SECTION, {})}}
        memory = replace(memory, current=replace(current, document=document))
    else:
        memory = replace(memory, current=_own(current, tree))
    following = memory.following
    if following is not None:
        following = replace(following, configuration=_own(following.configuration, tree))
        memory = replace(memory, following=following)
    return memory


def _own(configuration: Configuration, tree: Tree) -> Configuration:
    return replace(configuration, document=with_own(configuration.document, tree))
