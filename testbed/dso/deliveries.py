"""Delivery reports as the grid operator takes them in: opened, in versions, held against trades of its grants.

The operator is the only one who can join the two planes: it granted the addresses. What it joins stays in its books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

from firmware_app.reconcile.deviation import FinalTrade, ImbalancePrices
from firmware_app.reconcile.reconciler import Reconciler, Settlement
from firmware_app.reconcile.report import DeliveryReport, read_signed_report
from firmware_app.reconcile.sealing import unseal
from light_client.rules.crypto import verify


class Taken(Enum):
    """What became of a report."""

    NEW = "new"
    CORRECTED = "corrected"
    """It replaces an earlier version."""
    KNOWN = "known"
    """The newest version is already here, this one or a later one."""


class DeliveryDesk:
    """The newest report of every meter and day."""

    def __init__(
        self, key_of: Callable[[str], bytes | None], prices: ImbalancePrices, seal_secret: bytes
    ) -> None:
        """Empty books.

        Args:
            key_of: name of a meter -> its registered identity key.
            prices: what deviations cost.
            seal_secret: opens what was sealed to this operator.
        """
        self._key_of = key_of
        self._seal_secret = seal_secret
        self._prices = prices
        self._reports: dict[tuple[str, int], DeliveryReport] = {}

    def take(self, sealed: bytes) -> Taken:
        """Take in what came over the management plane; the same again, or an older version, changes nothing.

        Raises:
            MalformedError: not canonical bytes.
            RuleViolation: RPT-01, RPT-02, RPT-03.
        """
        report = read_signed_report(unseal(sealed, self._seal_secret), self._key_of, verify)
        place = (report.meter_id, report.first_interval)
        known = self._reports.get(place)
        if known is not None and known.version >= report.version:
            return Taken.KNOWN
        self._reports[place] = report
        return Taken.NEW if known is None else Taken.CORRECTED

    def newest(self, meter_id: str, first_interval: int) -> DeliveryReport | None:
        """The newest report of a meter's day."""
        return self._reports.get((meter_id, first_interval))

    def settle(self, meter_id: str, first_interval: int, trades: Iterable[FinalTrade]) -> Settlement:
        """What a meter's day owes; nothing metered where no report has come.

        Args:
            trades: final ones of all addresses granted to this meter, of any interval.
        """
        report = self.newest(meter_id, first_interval)
        if report is None:
            return Settlement(deviations=())
        books = Reconciler(meter_id=meter_id, interval_s=report.interval_s, prices=self._prices)
        for row in report.rows:
            books.add_metered(row)
        last = report.rows[-1].interval
        for trade in trades:
            if first_interval <= trade.interval <= last:
                books.add_trade(trade)
        return books.settle(first_interval, last)
