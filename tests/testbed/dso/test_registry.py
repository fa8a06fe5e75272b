"""The registry: limits of connection and credit, all or nothing, and the way back."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import pytest

from light_client.messages.registry import MAX_REASON_CHARACTERS
from light_client.rules.crypto import public_key_of
from light_client.rules.ledger.records import Amounts
from light_client.rules.ledger.transactions import Asset
from light_client.rules.units import LOT_J, MAX_ENERGY_J, MAX_INTERVAL, MAX_MONEY_UC
from testbed.dso.registry import MAX_SPAN, Registration, Registry, WithdrawalRefusedError
from tests.ledger_kit import FIRST, KWH, Person, secret

METER = Registration(
    meter_id=7,
    identity_key=public_key_of(secret(70)),
    feeder=1,
    production_w=4_000,
    consumption_w=8_000,
    credit_uc=1_000,
)
"""4 kW and 8 kW over a quarter of an hour: 1 kWh to sell, 2 kWh to buy in each interval."""
ONE = Person(1, feeder=1)


@pytest.fixture
def registry() -> Registry:
    """A register of one meter."""
    return Registry([METER], 900)


def refused(registry: Registry, *assets: Asset) -> str:
    """Expect a withdrawal to be refused and nothing to change; return the reason."""
    before = (
        replace(registry.accounts[7], allowed=dict(registry.accounts[7].allowed)),
        dict(registry._owner),
    )
    with pytest.raises(WithdrawalRefusedError) as error:
        registry.withdraw(METER, assets)
    assert (registry.accounts[7], registry._owner) == before
    assert len(str(error.value)) <= MAX_REASON_CHARACTERS, "the meter is told"
    return str(error.value)


def test_a_stranger_is_not_registered(registry: Registry) -> None:
    assert registry.registration(METER.identity_key) == METER
    with pytest.raises(WithdrawalRefusedError):
        registry.registration(bytes(33))


def test_the_connection_limits_energy_per_interval(registry: Registry) -> None:
    registry.withdraw(METER, [ONE.asset(sells_j=KWH, first=FIRST, last=FIRST)])
    assert "feed in 3600 J" in refused(registry, Person(2).asset(sells_j=LOT_J, first=FIRST, last=FIRST))
    registry.withdraw(METER, [Person(3).asset(buys_j=2 * KWH, first=FIRST, last=FIRST)])
    assert "draw" in refused(registry, Person(4).asset(buys_j=LOT_J, first=FIRST, last=FIRST))
    registry.withdraw(METER, [Person(5).asset(sells_j=KWH, first=FIRST, last=FIRST + 1)])
    refused(registry, Person(6).asset(sells_j=LOT_J, first=FIRST, last=FIRST + 1))


def test_energy_of_several_intervals_leaves_the_early_ones_free(registry: Registry) -> None:
    registry.withdraw(METER, [ONE.asset(sells_j=KWH, first=FIRST, last=FIRST + 1)])
    registry.withdraw(METER, [Person(2).asset(sells_j=KWH, first=FIRST, last=FIRST)])
    refused(registry, Person(3).asset(sells_j=LOT_J, first=FIRST, last=FIRST + 1))


def test_credit_limits_money_that_is_out(registry: Registry) -> None:
    registry.withdraw(METER, [ONE.asset(money_uc=600)])
    assert "400 uc" in refused(registry, Person(2).asset(money_uc=401))
    refused(registry, Person(2).asset(money_uc=200), Person(3).asset(money_uc=201))
    registry.withdraw(METER, [Person(2).asset(money_uc=200), Person(3).asset(money_uc=200)])


def test_a_withdrawal_is_all_or_nothing(registry: Registry) -> None:
    refused(registry, ONE.asset(sells_j=KWH, money_uc=5), Person(2).asset(sells_j=500 * KWH))
    registry.withdraw(METER, [ONE.asset(sells_j=KWH, money_uc=5)])


def test_an_address_is_granted_once(registry: Registry) -> None:
    registry.withdraw(METER, [ONE.asset(money_uc=1)])
    assert "use each address once" in refused(registry, ONE.asset(money_uc=1))
    refused(registry, Person(2).asset(money_uc=1), Person(2).asset(money_uc=1))


def test_a_meter_withdraws_on_its_own_feeder(registry: Registry) -> None:
    assert "feeder 2" in refused(registry, Person(2, feeder=2).asset(money_uc=1))
    assert registry.feeders == {1}


@pytest.mark.parametrize("power_w", [0, 1])
def test_endless_intervals_cost_no_endless_time(power_w: int) -> None:
    """A meter that may feed in nothing asked for energy in 2^31 intervals, and the DSO counted them."""
    meter = replace(METER, production_w=power_w, credit_uc=MAX_MONEY_UC)
    registry = Registry([meter], 900)
    started = perf_counter()
    for last in (MAX_SPAN - 1, MAX_SPAN, MAX_INTERVAL - 1):
        with pytest.raises(WithdrawalRefusedError) as error:
            registry.withdraw(meter, [ONE.asset(sells_j=MAX_ENERGY_J // LOT_J * LOT_J, first=0, last=last)])
        assert len(str(error.value)) <= MAX_REASON_CHARACTERS
    assert perf_counter() - started < 1


def test_reasons_are_short_even_with_the_largest_numbers() -> None:
    rich = replace(METER, credit_uc=MAX_MONEY_UC, production_w=0, consumption_w=0)
    registry = Registry([rich], 900)
    for asset in (
        ONE.asset(money_uc=MAX_MONEY_UC),
        ONE.asset(sells_j=MAX_ENERGY_J // LOT_J * LOT_J),
        ONE.asset(buys_j=MAX_ENERGY_J // LOT_J * LOT_J),
    ):
        with pytest.raises(WithdrawalRefusedError) as error:
            registry.withdraw(rich, [asset, Person(2).asset(money_uc=MAX_MONEY_UC)])
        assert len(str(error.value)) <= MAX_REASON_CHARACTERS


def test_a_deposit_frees_the_credit_and_books_what_was_traded(registry: Registry) -> None:
    registry.withdraw(METER, [ONE.asset(money_uc=1_000, buys_j=KWH)])
    assert registry.deposit(ONE.address, Amounts(money_uc=700, bought_j=KWH)) == 7
    account = registry.accounts[7]
    assert (account.out_uc, account.earned_uc, account.bought_j, account.sold_j) == (0, -300, KWH, 0)
    registry.withdraw(METER, [Person(2).asset(money_uc=1_000)])
    assert registry.deposit(Person(9).address, Amounts(money_uc=5)) is None


def test_books_are_restored_without_being_judged_again(registry: Registry) -> None:
    """Two withdrawals that needed a deposit in between were each within the limits when they were made."""
    first, second = (
        ONE.asset(money_uc=1_000),
        Person(2).asset(money_uc=1_000, sells_j=KWH, first=FIRST, last=FIRST),
    )
    registry.restore(METER.identity_key, [second])
    registry.restore(METER.identity_key, [first])
    registry.restore(bytes(33), [Person(3).asset(money_uc=1)])
    assert registry.accounts[7].out_uc == 2_000
    refused(registry, Person(4).asset(sells_j=LOT_J, first=FIRST, last=FIRST))
    refused(registry, ONE.asset(money_uc=0))
    registry.deposit(ONE.address, Amounts(money_uc=1_000))
    assert registry.accounts[7].out_uc == 1_000
