"""Headers older than the trusted one: proven by the history root, without another signature.

The history root of a header is the RFC 9162 root over the hashes of all headers before it. So an older header is as
trustworthy as the newer one that it is shown to precede, whoever brings it and however long its committee is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from light_client.rules import merkle
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header


def header_is_an_ancestor(head: Header, older: Header, inclusion: Sequence[bytes]) -> None:
    """LC-16: the older header stands at its own height in the history of the trusted one."""
    held = merkle.verify_inclusion(
        older.hash(), older.height - 1, head.height - 1, inclusion, head.history_root
    )
    if not held:
        raise RuleViolation(
            "LC-16", "a header that is not in the trusted history", got=older.hash(), expected=head.height
        )


def history_has_only_grown(head: Header, older: Header, consistency: Sequence[bytes]) -> None:
    """LC-22: what was history for the older header still is, unchanged and in front, for the newer one.

    The first header has no history, of which nothing can be shown.
    """
    if older.height == 1:
        return
    grown = merkle.verify_consistency(
        older.height - 1, head.height - 1, older.history_root, head.history_root, consistency
    )
    if not grown:
        raise RuleViolation(
            "LC-22", "a history that was rewritten", got=older.history_root, expected=head.history_root
        )


def headers_are_linked(headers: Sequence[Header]) -> None:
    """LC-23: each header names the one before it as its parent, so that the last one vouches for all."""
    for parent, child in pairwise(headers):
        if child.height != parent.height + 1 or child.previous_hash != parent.hash():
            raise RuleViolation(
                "LC-23", "a header that does not follow", got=child.previous_hash, expected=parent.hash()
            )
