"""The table ``[report]`` of the configuration: to whom the delivery report is sealed, and when it is made."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_app.reconcile.sealing import KEY_BYTES
from light_client.rules.errors import LocalError

_DAY_MIN = 1_440


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """How the grid operator learns what was metered.

    Raises:
        LocalError: a key that is none, or a time beyond the day.
    """

    operator_key: str = ""
    """The operator's public sealing key, 64 hexadecimal digits; empty: books are kept, and nothing is reported."""
    after_min: int = 60
    """So long after midnight UTC the day before is reported, minutes: what is estimated may be measured by then."""

    def __post_init__(self) -> None:
        try:
            length = len(bytes.fromhex(self.operator_key))
        except ValueError:
            length = -1
        if length not in (0, KEY_BYTES) or len(self.operator_key) != 2 * length:
            raise LocalError(
                "operator_key", got=self.operator_key, expected=f"{2 * KEY_BYTES} hex digits, or none"
            )
        if not 0 <= self.after_min < _DAY_MIN:
            raise LocalError("after_min", got=self.after_min, expected=f"0 to {_DAY_MIN - 1}")

    @property
    def seal_key(self) -> bytes:
        """The operator's key; empty where nothing is reported."""
        return bytes.fromhex(self.operator_key)
