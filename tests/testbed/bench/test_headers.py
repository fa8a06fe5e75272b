"""A year offline: what the bench's chain is made of, and that a light client gets through it either way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.messages.chain import MAX_UPDATES
from light_client.rules.errors import LocalError
from testbed.bench import headers
from testbed.bench.headers import DAY_BLOCKS, OfflineChain, anchor, walk


def test_every_day_another_committee_and_one_update() -> None:
    days = MAX_UPDATES + 3
    chain = OfflineChain(days=days, members=4)
    row = walk(chain)
    assert (row["headers"], row["signatures"], row["round_trips"]) == (days, 3 * days, 2)
    assert [update.header.height for update in chain.updates[:2]] == [DAY_BLOCKS, 2 * DAY_BLOCKS]
    each = row["bytes"] / days
    assert 900 < each < 1_800, "a header, three signatures, four members and a proof of some 400 bytes"


def test_a_checkpoint_costs_the_same_after_any_time() -> None:
    rows = [anchor(OfflineChain(days=days, members=7)) for days in (3, 20)]
    assert abs(rows[0]["bytes"] - rows[1]["bytes"]) < 200
    assert rows[0]["signatures"] == rows[1]["signatures"] == 2 + 5


def test_a_chain_that_does_not_hold_is_no_measurement() -> None:
    chain = OfflineChain(days=3, members=4)
    chain.updates[1] = replace(chain.updates[1], history_proof=())
    with pytest.raises(LocalError, match="LC-06"):
        walk(chain)


def test_the_quick_suite_has_no_aims_and_names_every_way() -> None:
    from testbed.bench.section import Options

    options = Options(quick=True)
    named: list[str] = []
    section = headers.measure(options, named.append)
    assert len(named) == headers.steps(options) == len(section.document["ways"]) == len(section.lines) - 1
    assert section.aims == []
