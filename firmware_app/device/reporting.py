"""The books at work: what each day came to goes to the history, and its report, sealed, to the grid operator's outbox.

    an interval is over      it enters the books; on the first one past a day's end, and `after_min` later, that day is
                             added up and reported
    a trade is final         it enters the books; of a day that is over, that day is added up anew
    a correction comes       the day again, under the next version

The report leaves by whoever carries the outbox to the management plane. It is signed by the meter's identity, sealed to
the operator and of one size, so that a reader of that plane learns that a meter reports, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from firmware_app.fleet.letters import DELIVERY_REPORT
from firmware_app.reconcile.deviation import FinalTrade, ImbalancePrices
from firmware_app.reconcile.metered import MeteredInterval, metered_of
from firmware_app.reconcile.reconciler import Issued, Reconciler, Settlement
from firmware_app.reconcile.report import DeliveryReport, padded_bytes, sign_report
from firmware_app.reconcile.sealing import KEY_BYTES, seal
from firmware_app.reconcile.settings import ReportSettings
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.outbox import Message, OutboxFullError
from firmware_app.store.rows import IntervalRow, SettlementRow, TradeRow
from light_client.rules.units import Side

OPERATOR: Final = "operator"
"""Destination of delivery reports in the outbox: the management plane."""
_DAY_MS: Final = 86_400_000
_SHOWN_DAYS: Final = 30
_BOOK_DAYS: Final = 14
"""How long a day's report can still be corrected."""
_ISSUED_SLOTS: Final = 32
_ISSUED_BYTES: Final = 8 + 4 + 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Owing:
    """What the books say, for people."""

    today: Settlement
    """The day that is under way, UTC."""
    days: int
    """How many of the thirty days before it are added up."""
    owed_uc: int
    """Owed for the deviations of those days, micro-currency; negative: due to the home."""
    provisional: int
    """Intervals of those days that a correction may still change."""
    reported: tuple[int, int] | None
    """Newest day that was reported, and its version."""
    waiting: int
    """Reports that the operator has not acknowledged."""
    is_reported: bool
    """Whether there is somebody to report to."""


class Reporting:
    """Keeps the books of one home, and lets the operator know."""

    def __init__(
        self,
        *,
        meter_id: str,
        interval_s: int,
        prices: ImbalancePrices,
        settings: ReportSettings,
        store: DeviceStore,
        sign: Callable[[bytes], bytes],
        chance: Callable[[int], bytes],
    ) -> None:
        """Open the books that the history holds.

        Args:
            meter_id: under which the grid operator knows the meter.
            sign: by the meter's identity.
            chance: makes so many random bytes.
        """
        self._interval_s = interval_s
        self._settings = settings
        self._store = store
        self._sign = sign
        self._chance = chance
        self._books = Reconciler(
            meter_id=meter_id, interval_s=interval_s, prices=prices, issued=_recall_issued(store)
        )

    def recall(self, grid_meter: str, now_ms: int) -> None:
        """Fill the books out of the history: the intervals and trades of the days that can still be corrected."""
        since_ms = now_ms - _BOOK_DAYS * _DAY_MS
        for row in self._store.since(IntervalRow, since_ms):
            if row.meter == grid_meter:
                self._books.add_metered(metered_of(row.energy()))
        for trade in _trades_since(self._store, since_ms):
            self._books.add_trade(trade)

    def counted(self, metered: MeteredInterval) -> None:
        """The grid meter's interval is over."""
        if self._books.add_metered(metered):
            self.look((metered.interval + 1) * self._interval_s * 1_000)

    def traded(self, trade: FinalTrade) -> bool:
        """A trade is final and verified; tells whether the books did not know it."""
        return self._books.add_trade(trade)

    def settle(self, first_interval: int, last_interval: int) -> Settlement:
        """Deviations of a stretch of time, both ends included."""
        return self._books.settle(first_interval, last_interval)

    def look(self, now_ms: int) -> None:
        """Add up what is over, and report it when its time has come."""
        self._add_up(now_ms)
        if self._settings.operator_key:
            for day in self._books.days_due(now_ms - self._settings.after_min * 60_000):
                self._hand_out(day, now_ms)
        self._books.forget_before((now_ms - _BOOK_DAYS * _DAY_MS) // (self._interval_s * 1_000))

    def _add_up(self, now_ms: int) -> None:
        """Write down what days came to, where that is not in the history already."""
        settled = self._books.days_settled(now_ms)
        if settled:
            known = {row.day: row for row in self._store.newest(SettlementRow, 2 * _BOOK_DAYS)}
            rows = (_row(day, what) for day, what in settled)
            self._store.hold(*(row for row in rows if known.get(row.day) != row))

    def _hand_out(self, day: int, now_ms: int) -> None:
        """Put a day's report into the outbox; what was issued is kept in the same batch."""
        report = self._books.report(day)
        if report is None:
            return
        message = Message(
            destination=OPERATOR,
            key=f"delivery/{day}/{report.version}",
            kind=DELIVERY_REPORT,
            body=self._sealed(report),
            at_ms=now_ms,
        )
        try:
            self._store.outbox.put(message)
        except OutboxFullError:
            return
        _, issued = self._books.issue(report)
        self._store.keep(_slot(day), _issued_bytes(day, issued))

    def _sealed(self, report: DeliveryReport) -> bytes:
        return seal(
            sign_report(report, self._sign),
            self._settings.seal_key,
            size=padded_bytes(self._interval_s),
            ephemeral=self._chance(KEY_BYTES),
        )

    def owing(self, now_ms: int) -> Owing:
        """What is owed, and what the operator knows of it.

        Raises:
            StoreError: the file cannot be read.
        """
        today = now_ms // _DAY_MS
        since_ms = (today - _SHOWN_DAYS + 1) * _DAY_MS
        newest = {row.day: row for row in self._store.since(SettlementRow, since_ms)}.values()
        issued = self._books.last_issued
        return Owing(
            today=self._books.settle_day(today),
            days=len(newest),
            owed_uc=sum(row.owed_uc for row in newest),
            provisional=sum(row.provisional for row in newest),
            reported=None if issued is None else (issued[0], issued[1].version),
            waiting=sum(message.kind == DELIVERY_REPORT for message in self._store.outbox.pending(OPERATOR)),
            is_reported=bool(self._settings.operator_key),
        )


def _row(day: int, settled: Settlement) -> SettlementRow:
    return SettlementRow(
        at_ms=(day + 1) * _DAY_MS,
        day=day,
        metered_j=settled.metered_j,
        traded_j=settled.traded_j,
        received_uc=settled.received_uc,
        owed_uc=settled.owed_uc,
        provisional=len(settled.provisional),
    )


def _recall_issued(store: DeviceStore) -> dict[int, Issued]:
    """Which versions of which days were handed out in earlier lives."""
    found = {}
    for slot in range(_ISSUED_SLOTS):
        value = store.kept(_slot(slot))
        if value is not None and len(value) == _ISSUED_BYTES:
            day = int.from_bytes(value[:8], "big")
            found[day] = Issued(version=int.from_bytes(value[8:12], "big"), digest=value[12:])
    return found


def _slot(day: int) -> str:
    """A day's place: there are so many, and each is used anew after as many days."""
    return f"issued:{day % _ISSUED_SLOTS}"


def _issued_bytes(day: int, issued: Issued) -> bytes:
    return day.to_bytes(8, "big") + issued.version.to_bytes(4, "big") + issued.digest


def _trades_since(store: DeviceStore, since_ms: int) -> Iterable[FinalTrade]:
    for row in store.since(TradeRow, since_ms):
        yield FinalTrade(
            offer_id=row.offer_id,
            side=Side(row.side),
            interval=row.interval,
            energy_j=row.energy_j,
            amount_uc=row.amount_uc,
        )
