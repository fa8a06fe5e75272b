"""LED-01: the first agreement, its canonical form, and that every word of it is part of the chain's identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.genesis import ChainParams, Genesis, genesis_from_wire
from light_client.rules.market.grid import Feeder
from light_client.rules.market.params import OBJECTIVE_ORDERS, MarketParams
from light_client.rules.units import MAX_INTERVAL, FeederId
from tests.epoch_kit import PARAMS, registry
from tests.ledger_kit import FIRST, INTERVAL_MS, genesis

START = genesis()
UNIFORM = replace(
    genesis(price=100_000),
    feeders=(Feeder(feeder=FeederId(0), c_ext_w=5, c_int_w=7),),
)
WIRE = START.to_wire()


ELECTING = replace(START, epochs=PARAMS, registry=registry())


@pytest.mark.parametrize("start", [START, UNIFORM, ELECTING])
def test_a_genesis_reads_back_from_its_bytes(start: Genesis) -> None:
    read = genesis_from_wire(decode(encode(start.to_wire()), max_bytes=1 << 16))
    assert read == start
    assert read.chain_id() == start.chain_id()


@pytest.mark.parametrize(
    "other",
    [
        replace(START, name="test-other"),
        replace(START, genesis_time_ms=START.genesis_time_ms + 1),
        replace(START, first_interval=FIRST + 1),
        replace(START, market=MarketParams(interval_s=900, horizon=9)),
        replace(START, market=MarketParams(interval_s=900, horizon=8, objectives=OBJECTIVE_ORDERS[1])),
        replace(START, market=MarketParams(interval_s=900, horizon=8, uniform_price_uc_per_kwh=0)),
        replace(START, feeders=START.feeders[:2]),
        replace(START, dso_key=START.committee.members[0].public_key),
        replace(START, committee=Committee(members=START.committee.members[:3])),
        replace(START, epochs=PARAMS),
        ELECTING,
        replace(ELECTING, registry=registry(threshold=1)),
        *(
            replace(START, chain=ChainParams(**{name: getattr(ChainParams(), name) + 1}))
            for name in ChainParams.__slots__
        ),
    ],
)
def test_every_word_is_part_of_the_chain_id(other: Genesis) -> None:
    assert other.chain_id() != START.chain_id()


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "\N{GRINNING FACE}" * 64, "\ud800", "two\nlines", "nul\0", 5, b"bytes", None]
)
def test_the_name_can_be_read_and_encoded(name: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        replace(START, name=name)  # type: ignore[arg-type]
    assert broken.value.rule == "LED-01"


def test_the_longest_names_can_be_encoded() -> None:
    for name in ("x" * 64, "\N{GRINNING FACE}" * 16, "Zürich-Nord"):
        assert len(replace(START, name=name).chain_id()) == 32


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("LED-01", {"dso_key": bytes(32)}),
        ("LED-01", {"dso_key": "key"}),
        ("LED-01", {"genesis_time_ms": -1}),
        ("LED-01", {"genesis_time_ms": 1 << 62}),
        ("LED-01", {"genesis_time_ms": True}),
        ("LED-01", {"first_interval": -1}),
        ("LED-01", {"first_interval": MAX_INTERVAL}),
        ("LED-01", {"first_interval": b""}),
        ("MKT-02", {"feeders": ()}),
        ("MKT-02", {"feeders": START.feeders[::-1]}),
        ("MKT-02", {"feeders": (START.feeders[0],) * 2}),
    ],
)
def test_a_genesis_that_no_chain_could_start_from_is_refused(rule: str, change: dict[str, object]) -> None:
    with pytest.raises(RuleViolation) as broken:
        replace(START, **change)  # type: ignore[arg-type]
    assert broken.value.rule == rule


@pytest.mark.parametrize("name", ChainParams.__slots__)
@pytest.mark.parametrize("value", [0, -1, (1 << 31) + 1, True, b"1", None])
def test_chain_parameters_are_bounded(name: str, value: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        ChainParams(**{name: value})  # type: ignore[arg-type]
    assert broken.value.rule == "LED-01"
    assert getattr(ChainParams(**{name: 1 << 31}), name) == 1 << 31


MARKET_WIRE, FEEDERS_WIRE, CHAIN_WIRE = WIRE[4], WIRE[5], WIRE[8]


def spoiled(at: int, value: object) -> tuple[object, ...]:
    """Return the wire form with one field replaced."""
    return (*WIRE[:at], value, *WIRE[at + 1 :])


@pytest.mark.parametrize(
    "wire",
    [
        0,
        (),
        WIRE[:8],
        (*WIRE, 0),
        spoiled(0, 2),
        spoiled(4, MARKET_WIRE[:7]),
        spoiled(4, 0),
        spoiled(4, (*MARKET_WIRE[:4], 0, *MARKET_WIRE[5:])),
        spoiled(4, (*MARKET_WIRE[:4], (1, 2), *MARKET_WIRE[5:])),
        spoiled(4, (*MARKET_WIRE[:4], (b"1",), *MARKET_WIRE[5:])),
        spoiled(4, (*MARKET_WIRE[:5], 0, 0, (0,))),
        spoiled(4, (*MARKET_WIRE[:5], (9,), 0, (0,))),
        spoiled(4, (*MARKET_WIRE[:5], ((),), 0, (0,))),
        spoiled(5, 0),
        spoiled(5, (0,)),
        spoiled(5, ((1, 2),)),
        spoiled(5, ((1, 2, 3),)),
        spoiled(8, CHAIN_WIRE[:4]),
        spoiled(8, 0),
        spoiled(10, 0),
        spoiled(10, (registry().to_wire(),) * 2),
    ],
)
def test_a_genesis_has_one_shape(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        genesis_from_wire(wire)
    assert broken.value.rule == "LED-01"


@pytest.mark.parametrize(
    ("rule", "wire"),
    [
        ("MKT-01", spoiled(4, (0, *MARKET_WIRE[1:]))),
        ("MKT-01", spoiled(4, (*MARKET_WIRE[:5], (1, 0), 0, (0,)))),
        *(
            ("MKT-30", spoiled(4, (*MARKET_WIRE[:7], wire)))
            for wire in (0, (), (4,), (0, 0), (3, 2, 9), (2, 0, 0))
        ),
        ("MKT-02", spoiled(5, ((1, b"", ()),))),
        ("CNS-01", spoiled(7, ())),
        ("CNS-20", spoiled(9, ())),
        ("CNS-21", spoiled(10, ((),))),
    ],
)
def test_parts_of_a_genesis_are_held_to_their_own_rules(rule: str, wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        genesis_from_wire(wire)
    assert broken.value.rule == rule


@pytest.mark.parametrize("t_clear", [1, 2, 96])
def test_gate_times_and_open_intervals_agree(t_clear: int) -> None:
    start = genesis(t_clear=t_clear)
    for interval in range(FIRST, FIRST + 5):
        gate = start.gate_ms(interval)
        assert gate == (interval - t_clear + 1) * INTERVAL_MS
        assert start.first_open_interval(gate - 1) == interval
        assert start.first_open_interval(gate) == interval + 1
