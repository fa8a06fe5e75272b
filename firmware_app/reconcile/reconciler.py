"""One home's books: metered intervals against final trades, day by day, and which reports are due.

Everything here can be built again from what is stored (metered intervals, verified trades, versions issued), in any
order and with repetitions: the result is the same. That is what makes a restart harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from firmware_app.reconcile.deviation import Deviation, FinalTrade, ImbalancePrices, deviation_of
from firmware_app.reconcile.metered import MeteredInterval, Quality, nothing_known
from firmware_app.reconcile.report import DeliveryReport
from light_client.rules.errors import LocalError

_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The newest version of a day's report that was handed out; stored before it leaves."""

    version: int
    digest: bytes
    """SHA-256 of its contents without the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A stretch of time, added up."""

    deviations: tuple[Deviation, ...]
    """Of each interval in which anything was metered or traded, ascending."""

    @property
    def metered_j(self) -> int:
        """Export less import, J."""
        return sum(one.metered_j for one in self.deviations)

    @property
    def traded_j(self) -> int:
        """Sold less bought, J."""
        return sum(one.traded_j for one in self.deviations)

    @property
    def deviation_j(self) -> int:
        """Metered less traded, J."""
        return sum(one.deviation_j for one in self.deviations)

    @property
    def received_uc(self) -> int:
        """Money of trades, micro-currency."""
        return sum(one.received_uc for one in self.deviations)

    @property
    def owed_uc(self) -> int:
        """Owed for deviations as far as they are known, micro-currency; negative: due to the home."""
        return sum(one.owed_uc or 0 for one in self.deviations)

    @property
    def provisional(self) -> tuple[int, ...]:
        """Intervals that a correction may still change."""
        return tuple(one.interval for one in self.deviations if one.provisional)


class Reconciler:
    """The books of one home."""

    def __init__(
        self,
        *,
        meter_id: str,
        interval_s: int,
        prices: ImbalancePrices,
        issued: Mapping[int, Issued] | None = None,
    ) -> None:
        """Empty books.

        Args:
            meter_id: under which the grid operator knows the meter.
            interval_s: length of an interval; divides a day.
            issued: day -> what was reported of it before a restart.

        Raises:
            LocalError: a day is no whole number of intervals.
        """
        if interval_s < 1 or _DAY_S % interval_s:
            raise LocalError("length of an interval, s", got=interval_s, expected="a divisor of a day")
        self._meter_id = meter_id
        self._interval_s = interval_s
        self._per_day = _DAY_S // interval_s
        self._prices = prices
        self._metered: dict[int, MeteredInterval] = {}
        self._trades: dict[int, dict[int, FinalTrade]] = {}
        self._issued = dict(issued or {})
        self._unreported: set[int] = set()
        """Days with news since it was last seen whether the operator has them."""
        self._unsettled: set[int] = set()
        """Days with news since they were last added up."""

    def add_metered(self, metered: MeteredInterval) -> bool:
        """Take in an interval, or a better knowledge of it; tells whether anything changed.

        Unknown may become estimated, and either measured; what is measured stays. So old news that come again, or in
        another order, change nothing.
        """
        known = self._metered.get(metered.interval)
        if known is not None and metered.quality >= known.quality:
            return False
        self._metered[metered.interval] = metered
        day = metered.interval // self._per_day
        self._unreported.add(day)
        self._unsettled.add(day)
        return True

    def add_trade(self, trade: FinalTrade) -> bool:
        """Take in a final trade; tells whether it was new.

        Raises:
            LocalError: another trade of the same offer and interval is known, and final trades never change.
        """
        known = self._trades.get(trade.interval, {}).get(trade.offer_id)
        if known is None:
            self._trades.setdefault(trade.interval, {})[trade.offer_id] = trade
            self._unsettled.add(trade.interval // self._per_day)
        elif known != trade:
            raise LocalError("a final trade changed", got=trade, expected=known)
        return known is None

    def settle(self, first_interval: int, last_interval: int) -> Settlement:
        """Deviations of a stretch of time, both ends included."""
        deviations = []
        for interval in range(first_interval, last_interval + 1):
            if interval in self._metered or interval in self._trades:
                metered = self._metered.get(interval) or nothing_known(interval)
                trades = tuple(self._trades.get(interval, {}).values())
                deviations.append(deviation_of(metered, trades, self._prices))
        return Settlement(deviations=tuple(deviations))

    def days_settled(self, now_ms: int) -> tuple[tuple[int, Settlement], ...]:
        """Days that are over and have news since this was asked last, each added up; ascending.

        A day is UTC seconds // 86,400.
        """
        today = now_ms // (_DAY_S * 1_000)
        days = sorted(day for day in self._unsettled if day < today)
        self._unsettled.difference_update(days)
        return tuple((day, self.settle_day(day)) for day in days)

    def settle_day(self, day: int) -> Settlement:
        """Deviations of a day."""
        first = day * self._per_day
        return self.settle(first, first + self._per_day - 1)

    def days_due(self, now_ms: int) -> tuple[int, ...]:
        """Days that are over and of which the operator has no report, or one that was corrected since; ascending."""
        today = now_ms // (_DAY_S * 1_000)
        over = {day for day in self._unreported if day < today}
        due = {day for day in over if self.report(day) is not None}
        self._unreported -= over - due
        return tuple(sorted(due))

    @property
    def last_issued(self) -> tuple[int, Issued] | None:
        """The newest day that was reported, and its newest version; None if none was."""
        return max(self._issued.items()) if self._issued else None

    def report(self, day: int) -> DeliveryReport | None:
        """The report that the operator lacks of a day; None if it has the newest."""
        first = day * self._per_day
        issued = self._issued.get(day)
        report = DeliveryReport(
            meter_id=self._meter_id,
            interval_s=self._interval_s,
            version=1 if issued is None else issued.version + 1,
            rows=tuple(
                self._metered.get(interval) or nothing_known(interval)
                for interval in range(first, first + self._per_day)
            ),
        )
        if issued is not None and issued.digest == _digest(report):
            return None
        return report

    def issue(self, report: DeliveryReport) -> tuple[int, Issued]:
        """Note that a report goes out: (day, what to store before it leaves)."""
        day = report.first_interval // self._per_day
        self._issued[day] = issued = Issued(version=report.version, digest=_digest(report))
        return day, issued

    def forget_before(self, interval: int) -> None:
        """Drop what is older than the retention; its reports can no longer be corrected."""
        for book in (self._metered, self._trades):
            for old in [number for number in book if number < interval]:
                del book[old]
        for day in [day for day in self._issued if (day + 1) * self._per_day <= interval]:
            del self._issued[day]
        for days in (self._unreported, self._unsettled):
            days -= {day for day in days if (day + 1) * self._per_day <= interval}

    def unknown_in(self, day: int) -> tuple[int, ...]:
        """Intervals of a day of which nothing or not everything is known, for status and for the operator's desk."""
        first = day * self._per_day
        return tuple(
            interval
            for interval in range(first, first + self._per_day)
            if (self._metered.get(interval) or nothing_known(interval)).quality is Quality.UNKNOWN
        )


def _digest(report: DeliveryReport) -> bytes:
    return sha256(report.content()).digest()
