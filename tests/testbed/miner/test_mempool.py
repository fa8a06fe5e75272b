"""What waits for a block: admission, order, fairness, bounds, renewal."""

from __future__ import annotations

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.chain import genesis_tip, make_block
from light_client.rules.ledger.transactions import SignedTransaction, decode_transaction
from light_client.rules.units import Side
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.mempool import Mempool, tx_id_of
from testbed.miner.params import PoolLimits
from testbed.network.memory import MemoryStorage
from tests.testbed.miner.chains import FIRST_INTERVAL, START_MS, grant, offer, small_genesis

GENESIS = small_genesis()
GRANT = grant(GENESIS, 0, range(4))
NOW_MS = START_MS - 500
INTERVAL = FIRST_INTERVAL + 1


def fresh(limits: PoolLimits | None = None) -> tuple[Ledger, Mempool]:
    ledger = Ledger(GENESIS, MemoryStorage(), SignatureMemo())
    return ledger, Mempool(ledger.state, SignatureMemo(), limits)


def admit(pool: Mempool, *transactions: SignedTransaction) -> None:
    for signed in transactions:
        pool.admit(signed, signed.tx_id(), NOW_MS)


def test_the_identity_is_that_of_the_rules() -> None:
    assert tx_id_of(GRANT.raw) == GRANT.tx_id()


def test_what_waits_is_executable_in_order() -> None:
    ledger, pool = fresh()
    first, second = offer(GENESIS, 0, INTERVAL), offer(GENESIS, 0, INTERVAL + 1, sequence=1)
    admit(pool, GRANT, first, second)
    assert pool.ready() == [GRANT, first, second]
    block, _ = make_block(
        ledger.state,
        genesis_tip(GENESIS),
        round_=0,
        time_ms=NOW_MS,
        solution=b"",
        transactions=pool.ready(),
        verify_signature=SignatureMemo(),
    )
    assert len(block.body.transactions) == 3


def test_what_comes_early_is_parked_until_it_can_execute() -> None:
    _, pool = fresh()
    first, second = offer(GENESIS, 0, INTERVAL), offer(GENESIS, 0, INTERVAL + 1, sequence=1)
    admit(pool, second, first)
    assert len(pool) == 0
    assert pool.oldest_ms is None
    assert pool.knows(second.tx_id())
    admit(pool, GRANT)
    assert pool.ready() == [GRANT, first, second]


def test_what_breaks_a_rule_is_refused() -> None:
    _, pool = fresh()
    admit(pool, GRANT)
    forged = decode_transaction(GRANT.raw[:-1] + bytes((GRANT.raw[-1] ^ 1,)), max_bytes=1 << 20)
    cases = [
        (forged, "LED-03"),
        (grant(GENESIS, 0, [7]), "LED-05"),
        (offer(GENESIS, 0, FIRST_INTERVAL + 900), "MKT-07"),
    ]
    for signed, rule in cases:
        with pytest.raises(RuleViolation, match=rule):
            admit(pool, signed)
    assert pool.ready() == [GRANT]


def test_a_sender_cannot_take_all_the_room() -> None:
    _, pool = fresh(PoolLimits(per_sender=2))
    admit(pool, GRANT, offer(GENESIS, 0, INTERVAL), offer(GENESIS, 0, INTERVAL, sequence=1))
    with pytest.raises(RuleViolation, match="POOL-02"):
        admit(pool, offer(GENESIS, 0, INTERVAL, sequence=2))
    admit(pool, offer(GENESIS, 1, INTERVAL))


def test_the_pool_is_bounded_in_count_and_bytes() -> None:
    _, pool = fresh(PoolLimits(transactions=2))
    admit(pool, GRANT, offer(GENESIS, 0, INTERVAL))
    with pytest.raises(RuleViolation, match="POOL-01"):
        admit(pool, offer(GENESIS, 1, INTERVAL))
    _, pool = fresh(PoolLimits(bytes_=len(GRANT.raw)))
    admit(pool, GRANT)
    with pytest.raises(RuleViolation, match="POOL-01"):
        admit(pool, offer(GENESIS, 1, INTERVAL))
    _, pool = fresh(PoolLimits(parked=1))
    early = [offer(GENESIS, prosumer, INTERVAL) for prosumer in range(3)]
    admit(pool, *early)
    assert [pool.knows(signed.tx_id()) for signed in early] == [False, False, True]


def test_a_new_block_takes_out_what_it_executed_and_what_it_made_invalid() -> None:
    ledger, pool = fresh()
    kept, doomed = offer(GENESIS, 0, INTERVAL), offer(GENESIS, 1, INTERVAL)
    admit(pool, GRANT, kept, doomed)
    rival = offer(GENESIS, 1, INTERVAL, side=Side.SELL)
    block, outcome = make_block(
        ledger.state,
        genesis_tip(GENESIS),
        round_=0,
        time_ms=NOW_MS,
        solution=b"",
        transactions=[GRANT, rival],
        verify_signature=SignatureMemo(),
    )
    ledger.state.adopt(outcome.draft, block.header.hash())
    dropped = pool.renew([tx_id_of(raw) for raw in block.body.transactions], NOW_MS)
    assert dropped == [(doomed, "LED-09")]
    assert pool.ready() == [kept]
    assert pool.knows(GRANT.tx_id())
    assert not pool.knows(doomed.tx_id())
