"""An order on disk is the order that was stored, or it is refused; nothing of a secret is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.trading.intent import Intent
from firmware_app.trading.order_store import TABLE, forgotten, load, stored
from firmware_app.trading.orders import Order, Stage, asset_for
from light_client.rules.errors import LocalError
from light_client.rules.market.clearing import Trade
from light_client.rules.units import FeederId, OfferId, Side
from light_client.session.actor import Write
from light_client.store.errors import StoreDamagedError
from light_client.store.memory import MemoryStorage
from light_client.wallet.wallet import Wallet

_CHAIN = b"c" * 32
_WALLET = Wallet(b"s" * 32, _CHAIN, MemoryStorage())

_INTENTS = st.builds(
    lambda side, wh, first, length, price, limit: Intent(
        side=side,
        energy_j=wh * 3_600,
        first_interval=first,
        last_interval=first + length,
        price_uc_per_kwh=price,
        post_interval=first - 1,
        last_limit_uc_per_kwh=limit,
    ),
    st.sampled_from(Side),
    st.integers(1, 10_000),
    st.integers(1, 1 << 22),
    st.integers(0, 95),
    st.integers(0, 10**6),
    st.none() | st.integers(0, 10**6),
)
_TRADES = st.lists(
    st.builds(
        Trade,
        st.integers(1, 99),
        st.integers(0, 1),
        st.integers(0, 99),
        st.integers(1, 10**9),
        st.integers(0, 99),
    ),
    max_size=3,
)


@st.composite
def _orders(draw: st.DrawFn) -> Order:
    key = _WALLET.key_at(draw(st.integers(0, 5)))
    intent = draw(_INTENTS)
    return Order(
        key=key,
        asset=asset_for(intent, key.address, FeederId(draw(st.integers(1, 9)))),
        request=draw(st.integers(0, 99)),
        wish=draw(st.sampled_from([intent, None])),
        post_at_ms=draw(st.integers(0, 1 << 45)),
        stage=draw(st.sampled_from(Stage)),
        offer_id=draw(st.none() | st.integers(1, 1 << 40).map(OfferId)),
        sent_at_ms=draw(st.none() | st.integers(1, 1 << 45)),
        granted=draw(st.booleans()),
        ended_height=draw(st.integers(0, 1 << 40)),
        trades=draw(_TRADES),
        limits=draw(st.dictionaries(st.integers(0, 99), st.integers(0, 10**6), max_size=3)),
        changed=False,
        binds=False,
    )


@given(_orders())
def test_what_is_read_is_what_was_stored(order: Order) -> None:
    storage = MemoryStorage()
    storage.commit([stored(order)])
    assert list(load(storage, _WALLET)) == [order]
    storage.commit([forgotten(order)])
    assert list(load(storage, _WALLET)) == []


@given(_orders())
def test_no_secret_is_on_disk(order: Order) -> None:
    assert order.key.secret not in (stored(order).value or b"")


@given(_orders(), st.data())
def test_a_record_that_is_cut_or_of_another_wallet_is_refused(order: Order, data: st.DataObject) -> None:
    write = stored(order)
    assert write.value is not None
    storage = MemoryStorage()
    cut = write.value[: data.draw(st.integers(0, len(write.value) - 1))]
    storage.commit([Write(table=TABLE, key=write.key, value=cut)])
    with pytest.raises(StoreDamagedError, match="order"):
        list(load(storage, _WALLET))
    storage.commit([write])
    with pytest.raises(StoreDamagedError, match="wallet"):
        list(load(storage, Wallet(b"t" * 32, _CHAIN, MemoryStorage())))


@given(_orders())
def test_an_order_goes_only_where_its_table_lets_it(order: Order) -> None:
    order.stage = Stage.DEPOSITED
    for stage in Stage:
        with pytest.raises(LocalError, match="next stage"):
            order.advance(stage)
