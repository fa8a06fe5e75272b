"""Mutants of the light verifier: each check removed or weakened in turn, and the case that notices.

Nineteen are those that were made of a Tendermint light verifier to try the public single-step cases, twelve of which
these cases do not notice; they keep their numbers. Where our verifier does the same by other means, the mutant is
transferred: we have no trust level of a third, since the committee of an epoch is known, but a threshold of the quorum.

`python -m tests.light_mutants` writes docs/verifier-mutants.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from light_client.rules import ancestry, checkpoint, light
from light_client.rules.ledger import fork
from tests.light_cases import CASES
from tests.light_weakenings import (
    Patch,
    any_signature,
    certificate_without,
    committees_of_a_checkpoint_unchecked,
    duplicates_counted,
    expiry_a_moment_late,
    height_only,
    keys_counted_twice,
    named_committee_may_sign,
    no_quorum,
    old_committee_may_sign,
    one_key_is_enough,
    order_of_a_fork_unchecked,
    put,
    quorum_of,
    signatures_unchecked,
    skip,
    time_only,
    unknown_signers_ignored,
)

DOCUMENT = Path(__file__).parents[1] / "docs" / "verifier-mutants.md"
COMMAND = "python -m tests.light_mutants"


class Mutant(NamedTuple):
    """A verifier that is wrong in one place."""

    number: int
    """Place among the nineteen; 0 for ours."""
    name: str
    patch: Patch
    killer: str
    """The case that it gets wrong."""


MUTANTS: tuple[Mutant, ...] = (
    Mutant(1, "no expiry check", skip("trusted_header_is_fresh"), "a trusted header long expired"),
    Mutant(2, "no height order", put(light, "header_is_newer", time_only), "height 0 after the genesis"),
    Mutant(
        3,
        "threshold `>=` for `>`",
        quorum_of(lambda weight, total: 3 * weight >= 2 * total),
        "two of three signers",
    ),
    Mutant(
        4,
        "threshold of a third",
        quorum_of(lambda weight, total: 3 * weight > total),
        "two of four signers",
    ),
    Mutant(5, "no known committee needed", named_committee_may_sign, "a header of strangers"),
    Mutant(6, "no quorum check", quorum_of(lambda weight, total: True), "no signers"),
    Mutant(
        7,
        "unknown signer ignored",
        put(light, "check_quorum", unknown_signers_ignored),
        "a signer from nowhere",
    ),
    Mutant(8, "no signature check", put(light, "check_quorum", signatures_unchecked), "a forged signature"),
    Mutant(
        9,
        "no header-hash check",
        put(light, "certificate_is_for_the_header", certificate_without("header_hash")),
        "a certificate of another header",
    ),
    Mutant(
        10, "no committee-hash check", skip("committee_is_the_known_one"), "a header of another committee"
    ),
    Mutant(
        11,
        "no next-committee-hash check",
        skip("next_committee_is_the_announced_one"),
        "another list than the announced one",
    ),
    Mutant(
        12,
        "expiry `<` for `<=`",
        put(light, "trusted_header_is_fresh", expiry_a_moment_late),
        "a trusted header that has just expired",
    ),
    Mutant(13, "no future check", skip("time_is_not_ahead"), "a header from the future"),
    Mutant(14, "no time order", put(light, "header_is_newer", height_only), "a header of a time before"),
    Mutant(
        15, "old committee after a turn", old_committee_may_sign, "a header of the old committee after a turn"
    ),
    Mutant(
        16, "quorum of a half", quorum_of(lambda weight, total: 2 * weight >= total), "two of four signers"
    ),
    Mutant(
        17,
        "duplicate signer counted",
        put(light, "check_quorum", duplicates_counted),
        "one signature for three seats",
    ),
    Mutant(18, "no chain-id check", skip("header_is_of_this_chain"), "a header of another chain"),
    Mutant(
        19,
        "height of the certificate unchecked",
        put(light, "certificate_is_for_the_header", certificate_without("height")),
        "a certificate of another height",
    ),
    Mutant(
        0,
        "round of the certificate unchecked",
        put(light, "certificate_is_for_the_header", certificate_without("round_")),
        "a certificate of an earlier round",
    ),
    Mutant(0, "no link to the parent", skip("header_continues_history"), "a next header of another parent"),
    Mutant(
        0, "no link to the history", skip("header_continues_history"), "a later header without its history"
    ),
    Mutant(
        0,
        "list of the next committee not needed",
        skip("next_committee_is_known"),
        "a change of committee without its list",
    ),
    Mutant(
        0,
        "committee changed within an epoch",
        skip("committee_changes_at_an_epochs_end"),
        "a change of committee within an epoch",
    ),
    Mutant(
        0,
        "no inclusion check",
        skip("header_is_an_ancestor", ancestry),
        "an older header that was never there",
    ),
    Mutant(
        0,
        "no consistency check",
        skip("history_has_only_grown", ancestry),
        "a history rewritten behind a header",
    ),
    Mutant(0, "no link between old headers", skip("headers_are_linked", ancestry), "a header left out"),
    Mutant(
        0,
        "checkpoint: signatures unchecked",
        put(checkpoint, "verify", any_signature),
        "a checkpoint with a forged signature",
    ),
    Mutant(
        0,
        "checkpoint: no threshold",
        put(checkpoint, "checkpoint_is_signed", one_key_is_enough),
        "a checkpoint of one key",
    ),
    Mutant(
        0,
        "checkpoint: key counted twice",
        put(checkpoint, "checkpoint_is_signed", keys_counted_twice),
        "a checkpoint signed twice by one key",
    ),
    Mutant(
        0,
        "checkpoint: committees unchecked",
        put(checkpoint, "checkpoint_is_signed", committees_of_a_checkpoint_unchecked),
        "a checkpoint with another committee",
    ),
    Mutant(
        0,
        "checkpoint: no floor",
        skip("checkpoint_is_not_below_the_floor", checkpoint),
        "a checkpoint below the floor",
    ),
    Mutant(
        0,
        "checkpoint: no expiry",
        skip("checkpoint_is_fresh", checkpoint),
        "a checkpoint that has just expired",
    ),
    Mutant(
        0,
        "checkpoint: contradiction at the floor",
        skip("checkpoint_is_not_below_the_floor", checkpoint),
        "a checkpoint of another header at the floor",
    ),
    Mutant(
        0,
        "fork: no quorum check",
        put(fork, "check_quorum", no_quorum),
        "a fork with too few signers on one side",
    ),
    Mutant(
        0,
        "fork: signatures unchecked",
        put(fork, "check_quorum", signatures_unchecked),
        "a fork with a forged signature",
    ),
    Mutant(
        0,
        "fork: one header twice",
        put(fork, "check_fork", order_of_a_fork_unchecked),
        "a header against itself",
    ),
    Mutant(
        0,
        "fork: two heights",
        put(fork, "check_fork", order_of_a_fork_unchecked),
        "two headers of two heights",
    ),
    Mutant(
        0,
        "fork: another committee",
        put(fork, "check_fork", order_of_a_fork_unchecked),
        "a fork of another committee",
    ),
    Mutant(
        0,
        "fork: a certificate for something else",
        put(fork, "check_fork", order_of_a_fork_unchecked),
        "a fork with a certificate for something else",
    ),
)


def document() -> str:
    """Return the table as it stands in the documents."""
    rows = [
        f"| {mutant.number or '+'} | {mutant.name} | {mutant.killer} | {CASES[mutant.killer][0]} | killed |"
        for mutant in MUTANTS
    ]
    return "\n".join((*_HEAD, *rows, ""))


_HEAD = (
    "# Mutants of the light verifier",
    "",
    "Each row is our verifier with one check removed or weakened. A mutant is killed if it accepts what the case in",
    "its row shows it, which the verifier refuses by the rule named (*undecided*: not accepted, and nobody blamed); a",
    "test makes each one and sees to it. The numbers 1 to 19 are those of a Tendermint light verifier's mutants, tried",
    "on the public single-step cases, which do not notice twelve of them (8 to 19); `+` marks ours. Besides, every",
    "function of the verifier is swept: each `raise` removed, each comparison shifted by one, each condition dropped;",
    "none survives.",
    "",
    f"Written by `{COMMAND}`; a test holds the page to it.",
    "",
    "| no | mutant | case that notices | refused by | |",
    "|---|---|---|---|---|",
)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
