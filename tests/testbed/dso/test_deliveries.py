"""Home and grid operator come to the same sum, from documents that crossed the wire in any order."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.reconcile.deviation import FinalTrade
from firmware_app.reconcile.metered import MeteredInterval, Quality
from firmware_app.reconcile.report import DeliveryReport, padded_bytes, sign_report
from firmware_app.reconcile.sealing import public_seal_key, seal
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.transactions import decode_transaction
from light_client.rules.units import Side
from testbed.dso.accuracy import MeteredDelivery
from testbed.dso.deliveries import DeliveryDesk, Taken
from testbed.dso.reporting import Reporter
from tests.firmware_app.reconcile.test_reconcile import (
    FIRST,
    PRICES,
    filled,
    metered_days,
    some,
    trades_of_a_day,
)

SECRET = bytes(31) + b"\x05"
SEAL = bytes(range(32))


def a_desk() -> DeliveryDesk:
    return DeliveryDesk({"home-7": public_key_of(SECRET)}.get, PRICES, SEAL)


def signed(report: DeliveryReport | None, secret: bytes = SECRET) -> bytes:
    assert report is not None
    document = sign_report(report, lambda message: sign(secret, message))
    return seal(
        document,
        public_seal_key(SEAL),
        size=padded_bytes(report.interval_s),
        ephemeral=secrets.token_bytes(32),
    )


@given(metered_days, trades_of_a_day)
def test_both_sides_come_to_the_same_sum(metered: list[MeteredInterval], trades: list[FinalTrade]) -> None:
    ours, desk = filled(metered, trades), a_desk()
    assert desk.take(signed(ours.report(FIRST // 24))) is Taken.NEW
    theirs = desk.settle("home-7", FIRST, trades)
    mine = ours.settle(FIRST, FIRST + 23)
    assert (theirs.owed_uc, theirs.received_uc) == (mine.owed_uc, mine.received_uc)
    known = [one for one in theirs.deviations if one.interval in {row.interval for row in metered}]
    assert known == [one for one in mine.deviations if one.interval in {row.interval for row in metered}]


@given(st.permutations([1, 2, 3]), st.booleans())
def test_the_highest_version_holds_in_whatever_order_they_come(order: list[int], again: bool) -> None:
    rows = filled([some()], []).report(FIRST // 24)
    assert rows is not None
    desk = a_desk()
    for version in order * (2 if again else 1):
        changed = [some(drawn=version), *rows.rows[1:]]
        report = DeliveryReport(meter_id="home-7", interval_s=3_600, version=version, rows=tuple(changed))
        desk.take(signed(report))
    newest = desk.newest("home-7", FIRST)
    assert newest is not None
    assert (newest.version, newest.rows[0].import_j) == (3, 3)


def test_says_what_became_of_each() -> None:
    ours, desk = filled([some(quality=Quality.UNKNOWN)], []), a_desk()
    report = ours.report(FIRST // 24)
    assert report is not None
    ours.issue(report)
    assert desk.take(signed(report)) is Taken.NEW
    assert desk.take(signed(report)) is Taken.KNOWN
    ours.add_metered(some(drawn=9))
    correction = ours.report(FIRST // 24)
    assert desk.take(signed(correction)) is Taken.CORRECTED
    assert desk.take(signed(report)) is Taken.KNOWN
    assert desk.settle("home-7", FIRST, ()).metered_j == -9


def test_a_stranger_and_a_forger_are_refused() -> None:
    desk, report = a_desk(), filled([some()], []).report(FIRST // 24)
    with pytest.raises(RuleViolation, match="RPT-02"):
        desk.take(signed(report, bytes(31) + b"\x06"))
    assert report is not None
    stranger = DeliveryReport(meter_id="home-8", interval_s=3_600, version=1, rows=report.rows)
    with pytest.raises(RuleViolation, match="RPT-02"):
        desk.take(signed(stranger))
    with pytest.raises(RuleViolation, match="RPT-03"):
        desk.take(signed(report)[:-1])
    assert desk.newest("home-7", FIRST) is None


def test_trades_of_other_days_and_days_without_a_report_are_left_out() -> None:
    desk = a_desk()
    trade = FinalTrade(offer_id=1, side=Side.SELL, interval=FIRST + 24, energy_j=9, amount_uc=1)
    assert desk.settle("home-7", FIRST, [trade]).deviations == ()
    desk.take(signed(filled([some(drawn=4)], []).report(FIRST // 24)))
    assert desk.settle("home-7", FIRST, [trade]).traded_j == 0


class _State:
    """As much of the ledger's state as a reporter looks at."""

    class meta:  # noqa: N801 - stands for a field
        next_report = FIRST

    class genesis:  # noqa: N801
        class market:  # noqa: N801
            interval_s = 3_600

    class registry:  # noqa: N801
        candidates = (public_key_of(SECRET),)

    chain_id = b"c" * 32


class _Tip:
    time_ms = (FIRST + 25) * 3_600_000


def _kwh(energy: int) -> int:
    return energy * 3_600_000


def test_reports_and_trades_become_the_delivery_that_scores_are_made_of() -> None:
    """Sold 3 and delivered 2; bought 2 and drew 5 of which 2 count; sold 4 in an hour that nobody metered."""
    desk, miner = a_desk(), public_key_of(SECRET)
    rows = [
        some(FIRST, drawn=0, fed=_kwh(2)),
        some(FIRST + 1, drawn=_kwh(5), fed=0),
        some(FIRST + 2, drawn=0, fed=_kwh(9), quality=Quality.UNKNOWN),
        some(FIRST + 3, drawn=0, fed=_kwh(7)),
    ]
    desk.take(signed(filled(rows, []).report(FIRST // 24)))
    trades = [
        FinalTrade(offer_id=number, side=side, interval=FIRST + number, energy_j=_kwh(energy), amount_uc=0)
        for number, (side, energy) in enumerate([(Side.SELL, 3), (Side.BUY, 2), (Side.SELL, 4)])
    ]
    delivered = MeteredDelivery(desk, {miner: "home-7"}, {"home-7": trades}.__getitem__, intervals_per_day=24)
    assert delivered(miner, FIRST, FIRST + 23) == (_kwh(5), _kwh(4))
    assert delivered(miner, FIRST + 1, FIRST + 1) == (_kwh(2), _kwh(2))
    assert delivered(miner, FIRST + 24, FIRST + 47) == (0, 0), "no report"
    assert delivered(bytes(33), FIRST, FIRST + 23) == (0, 0), "a miner without a home"
    raw = Reporter(SECRET, delivered, 24).due(_State(), _Tip())  # type: ignore[arg-type]
    assert raw is not None
    (row,) = decode_transaction(raw, max_bytes=1 << 16).transaction.rows  # type: ignore[union-attr]
    assert (row.public_key, row.promised_j, row.delivered_j) == (miner, _kwh(5), _kwh(4))
