"""The three answers of a verification: accepted, rejected by a named rule, or undecided for want of something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Everything that the verification promises was checked and holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A rule is broken: whoever signed or sent this is at fault."""

    rule: str
    """Identity of the broken rule, such as ``MKT-12``."""
    reason: str
    """One sentence with the values compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """Neither right nor wrong yet: something is missing, for which nobody who signed or sent this is to blame."""

    missing: str
    """What to obtain before asking again."""
    rule: str = ""
    """Identity of the rule that cannot be decided, such as ``LC-03``; empty where it is none in particular."""


Verdict = Accepted | Rejected | Undecided
