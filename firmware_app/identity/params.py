"""Where the device's identity lies: the table `[device.identity]` of the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class KeyPlace(StrEnum):
    """What keeps the key."""

    FILE = "file"
    """A file of the data folder that the service alone may read."""
    PKCS11 = "pkcs11"
    """A chip that signs and never gives the key away: TPM, secure element, smart card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityParams:
    """How to reach the key.

    Raises:
        ValueError: a chip without a module, or a path that is none.
    """

    place: KeyPlace = KeyPlace.FILE
    module: str = ""
    """The chip's PKCS#11 library, an absolute path."""
    token: str = "gridlight"  # noqa: S105 - a label
    """Label of the token on the chip."""
    pin_file: str = field(default="token.pin", repr=False)
    """Holds the token's user PIN; in the data folder unless it begins with a slash, of mode 600."""

    def __post_init__(self) -> None:
        if self.place is KeyPlace.PKCS11 and not self.module.startswith("/"):
            raise ValueError(
                f"identity.module is the absolute path of a PKCS#11 library, got {self.module!r}"
            )
        if not 1 <= len(self.token.encode("utf-8")) <= 32:
            raise ValueError(f"identity.token has 1 to 32 bytes, got {self.token!r}")
