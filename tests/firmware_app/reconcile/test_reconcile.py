"""Books of one home: conserved, indifferent to repetition and restarts, and silent about the market."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.reconcile.deviation import FinalTrade, ImbalancePrices, deviation_of
from firmware_app.reconcile.metered import MeteredInterval, Quality, metered_of, nothing_known
from firmware_app.reconcile.reconciler import Issued, Reconciler
from firmware_app.reconcile.report import (
    DeliveryReport,
    read_signed_report,
    sign_report,
)
from light_client.rules.crypto import public_key_of, sign, verify
from light_client.rules.encoding import encode
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.units import JOULES_PER_KWH, Side
from meter_io.intervals import IntervalEnergy
from meter_io.reading import MeterId
from meter_io.span import Basis

DAY = 20_000
PER_DAY = 24
FIRST = DAY * PER_DAY
PRICES = ImbalancePrices(shortage_uc_per_kwh=670_000, surplus_uc_per_kwh=450_000)
OVER_MS = (DAY + 1) * 86_400_000

metered_days = st.dictionaries(
    st.integers(FIRST, FIRST + PER_DAY - 1),
    st.tuples(st.integers(0, 10**8), st.integers(0, 10**8), st.sampled_from(Quality)),
).map(
    lambda rows: [
        MeteredInterval(interval=at, import_j=drawn, export_j=fed, quality=quality)
        for at, (drawn, fed, quality) in sorted(rows.items())
    ]
)
trades_of_a_day = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from(Side),
        st.integers(FIRST, FIRST + PER_DAY - 1),
        st.integers(1, 10**8),
        st.integers(0, 10**8),
    ),
    unique_by=lambda row: (row[0], row[2]),
).map(
    lambda rows: [
        FinalTrade(offer_id=offer, side=side, interval=at, energy_j=energy, amount_uc=amount)
        for offer, side, at, energy, amount in rows
    ]
)


def books(issued: dict[int, Issued] | None = None) -> Reconciler:
    return Reconciler(meter_id="home-7", interval_s=3_600, prices=PRICES, issued=issued)


def filled(metered: list[MeteredInterval], trades: list[FinalTrade]) -> Reconciler:
    ours = books()
    for one in metered:
        ours.add_metered(one)
    for trade in trades:
        ours.add_trade(trade)
    return ours


def some(
    interval: int = FIRST, drawn: int = 5, fed: int = 0, quality: Quality = Quality.MEASURED
) -> MeteredInterval:
    return MeteredInterval(interval=interval, import_j=drawn, export_j=fed, quality=quality)


@given(metered_days, trades_of_a_day)
def test_energy_and_money_are_conserved(metered: list[MeteredInterval], trades: list[FinalTrade]) -> None:
    """By the oracle of three sums taken directly from the inputs."""
    day = filled(metered, trades).settle(FIRST, FIRST + PER_DAY - 1)
    fed_in = sum(one.export_j - one.import_j for one in metered)
    sold = sum(trade.energy_j if trade.side is Side.SELL else -trade.energy_j for trade in trades)
    assert (day.metered_j, day.traded_j) == (fed_in, sold)
    assert day.metered_j == day.traded_j + day.deviation_j
    assert day.received_uc == sum(
        trade.amount_uc if trade.side is Side.SELL else -trade.amount_uc for trade in trades
    )
    unsure = {one.interval for one in metered if one.quality is not Quality.MEASURED}
    unmetered = {trade.interval for trade in trades} - {one.interval for one in metered}
    assert set(day.provisional) == unsure | unmetered
    for one in day.deviations:
        assert (one.owed_uc is None) == (one.quality is Quality.UNKNOWN)


@given(st.integers(-(10**9), 10**9))
def test_what_is_owed_is_exact_to_a_unit_and_never_to_the_grids_loss(deviation: int) -> None:
    owed = PRICES.owed_uc(deviation)
    price = 670_000 if deviation < 0 else 450_000
    exact_times_kwh = -deviation * price
    assert 0 <= owed * JOULES_PER_KWH - exact_times_kwh < JOULES_PER_KWH


@given(metered_days, trades_of_a_day, st.integers(0, 2**32))
def test_repetition_and_order_change_nothing(
    metered: list[MeteredInterval], trades: list[FinalTrade], seed: int
) -> None:
    once = filled(metered, trades)
    news: list[MeteredInterval | FinalTrade] = [*metered, *trades] * 2
    Random(seed).shuffle(news)
    often = books()
    for one in news:
        changed = often.add_metered(one) if isinstance(one, MeteredInterval) else often.add_trade(one)
        assert isinstance(changed, bool)
    span = (FIRST, FIRST + PER_DAY - 1)
    assert often.settle(*span) == once.settle(*span)
    assert often.report(DAY) == once.report(DAY)
    assert not any(often.add_metered(one) for one in metered)
    assert not any(often.add_trade(trade) for trade in trades)


@given(metered_days, trades_of_a_day, st.integers(0, 60))
def test_a_restart_at_any_point_reports_neither_twice_nor_less(
    metered: list[MeteredInterval], trades: list[FinalTrade], cut: int
) -> None:
    """The books are lost after ``cut`` pieces of news; what was stored is played back, and the rest comes."""
    stored: list[MeteredInterval] = []
    issued: dict[int, Issued] = {}
    sent: list[DeliveryReport] = []

    def send(ours: Reconciler) -> None:
        for day in ours.days_due(OVER_MS):
            report = ours.report(day)
            assert report is not None
            issued.update([ours.issue(report)])
            sent.append(report)

    ours = books()
    for place, one in enumerate(metered):
        stored.append(one)
        ours.add_metered(one)
        if place == cut:
            send(ours)
            ours = books(dict(issued))
            for old in stored:
                ours.add_metered(old)
            assert ours.days_due(OVER_MS) == ()
    for trade in trades:
        ours.add_trade(trade)
    send(ours)
    assert ours.days_due(OVER_MS) == ()
    assert [report.version for report in sent] == list(range(1, len(sent) + 1))
    if metered:
        assert {row.interval: row for row in sent[-1].rows if row in metered}.keys() == {
            one.interval for one in metered
        }


@given(metered_days, trades_of_a_day)
def test_the_report_says_nothing_of_the_market(
    metered: list[MeteredInterval], trades: list[FinalTrade]
) -> None:
    """Whatever the home traded, the same bytes leave the board."""
    quiet, busy = filled(metered, []).report(DAY), filled(metered, trades).report(DAY)
    assert quiet is not None
    assert busy is not None
    assert quiet.to_bytes() == busy.to_bytes()


def test_a_report_that_tells_deviations_would_be_found_out() -> None:
    """The check above can fail: a row with the traded energy in it differs."""
    trade = FinalTrade(offer_id=1, side=Side.SELL, interval=FIRST, energy_j=9, amount_uc=1)
    ours, day = filled([some(fed=20)], [trade]), filled([some(fed=20)], [])
    telling = [
        encode(tuple(one.deviation_j for one in book.settle(FIRST, FIRST).deviations)) for book in (ours, day)
    ]
    assert telling[0] != telling[1]


def test_a_correction_is_a_new_version_and_the_same_is_none() -> None:
    ours = filled([some(quality=Quality.UNKNOWN)], [])
    assert ours.days_due(OVER_MS - 1) == ()
    assert ours.days_due(OVER_MS) == (DAY,)
    first = ours.report(DAY)
    assert first is not None
    assert first.version == 1
    assert [row.quality for row in first.rows] == [Quality.UNKNOWN] * 24
    assert ours.unknown_in(DAY) == tuple(range(FIRST, FIRST + 24))
    ours.issue(first)
    assert ours.days_due(OVER_MS) == ()
    assert ours.add_metered(some(drawn=7, quality=Quality.ESTIMATED))
    assert not ours.add_metered(some(drawn=9, quality=Quality.UNKNOWN))
    second = ours.report(DAY)
    assert second is not None
    assert (second.version, second.rows[0].import_j) == (2, 7)
    assert ours.unknown_in(DAY) == tuple(range(FIRST + 1, FIRST + 24))


def test_what_is_old_is_dropped_with_its_versions() -> None:
    trade = FinalTrade(offer_id=1, side=Side.SELL, interval=FIRST, energy_j=9, amount_uc=1)
    ours = filled([some(), some(FIRST + 24)], [trade])
    report = ours.report(DAY)
    assert report is not None
    ours.issue(report)
    ours.forget_before(FIRST + 24)
    assert [one.interval for one in ours.settle(FIRST, FIRST + 48).deviations] == [FIRST + 24]
    again = ours.report(DAY)
    assert again is not None
    assert again.version == 1


def test_a_final_trade_never_changes() -> None:
    trade = FinalTrade(offer_id=1, side=Side.SELL, interval=FIRST, energy_j=9, amount_uc=1)
    ours = filled([], [trade])
    with pytest.raises(LocalError, match="a final trade changed"):
        ours.add_trade(FinalTrade(offer_id=1, side=Side.SELL, interval=FIRST, energy_j=8, amount_uc=1))


def test_the_meter_librarys_words_are_translated() -> None:
    counted = IntervalEnergy(
        meter=MeterId("m"),
        interval=4,
        energy_j=(7, None),
        basis=Basis.ESTIMATED,
        covered_ms=1,
        reason="a gap",
    )
    assert metered_of(counted) == some(4, 7, 0, Quality.ESTIMATED)
    assert {
        metered_of(
            IntervalEnergy(meter=MeterId("m"), interval=4, energy_j=(1, 1), basis=basis, covered_ms=1)
        ).quality
        for basis in Basis
    } == set(Quality)


@given(metered_days, st.integers(1, 9))
def test_a_report_survives_the_wire_signed(metered: list[MeteredInterval], version: int) -> None:
    secret = bytes(31) + b"\x07"
    report = filled(metered, []).report(DAY)
    assert report is not None
    report = DeliveryReport(meter_id="é", interval_s=3_600, version=version, rows=report.rows)
    raw = sign_report(report, lambda message: sign(secret, message))
    assert read_signed_report(raw, lambda _: public_key_of(secret), verify) == report
    for key in (public_key_of(bytes(31) + b"\x08"), None):
        with pytest.raises(RuleViolation, match="RPT-02"):
            read_signed_report(raw, {"é": key}.get, verify)


_small = st.integers(-5, 5) | st.binary(max_size=3) | st.text(max_size=2)


@given(st.lists(_small | st.lists(_small, max_size=3).map(tuple), max_size=7).map(tuple) | _small)
@settings(max_examples=60)
def test_what_is_no_report_is_refused(wire: object) -> None:
    raw = encode(wire)  # type: ignore[arg-type]
    with pytest.raises(RuleViolation):
        DeliveryReport.from_bytes(raw)
    with pytest.raises(RuleViolation):
        read_signed_report(raw, lambda _: public_key_of(bytes(31) + b"\x07"), verify)


@pytest.mark.parametrize(
    "wire",
    [
        (2, 1, "m", 3_600, 0, ((0, 0, 0),)),
        (1, 0, "m", 3_600, 0, ((0, 0, 0),)),
        (1, 1, b"m", 3_600, 0, ((0, 0, 0),)),
        (1, 1, "m", 1, 0, ((0, 0, 0),)),
        (1, 1, "m", 3_600, 0, ()),
        (1, 1, "m", 3_600, 0, ((0, 0, 3),)),
        (1, 1, "m", 3_600, 0, ((-1, 0, 0),)),
        (1, 1, "m", 3_600, "0", ((0, 0, 0),)),
    ],
)
def test_a_report_with_one_thing_wrong_is_refused(wire: tuple[object, ...]) -> None:
    right = encode((1, 1, "m", 3_600, 0, ((0, 0, 0),)))
    assert DeliveryReport.from_bytes(right).to_bytes() == right
    with pytest.raises(RuleViolation, match="RPT-01"):
        DeliveryReport.from_bytes(encode(wire))  # type: ignore[arg-type]


def test_bad_settings_and_values_are_refused() -> None:
    with pytest.raises(LocalError, match="imbalance prices"):
        ImbalancePrices(shortage_uc_per_kwh=1, surplus_uc_per_kwh=2)
    with pytest.raises(LocalError, match="length of an interval"):
        Reconciler(meter_id="m", interval_s=7_000, prices=PRICES)
    trade = FinalTrade(offer_id=1, side=Side.SELL, interval=2, energy_j=9, amount_uc=1)
    with pytest.raises(LocalError, match="interval of a trade"):
        deviation_of(some(1), (trade,), PRICES)
    with pytest.raises(LocalError, match="a final trade"):
        FinalTrade(offer_id=1, side=Side.SELL, interval=2, energy_j=0, amount_uc=1)
    for bad in ({"interval": -1}, {"drawn": -1}, {"quality": 0}):
        with pytest.raises(LocalError):
            some(**bad)  # type: ignore[arg-type]


def test_nothing_known_is_marked() -> None:
    assert nothing_known(3).quality is Quality.UNKNOWN
