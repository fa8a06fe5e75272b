"""The end of a metered day: every device reports what it metered, sealed, and the DSO comes to the same sum.

The device knows its own trades, the DSO those of the addresses that it granted; neither asks the other. The report says
what was metered and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_app.reconcile.deviation import Deviation, FinalTrade, ImbalancePrices
from firmware_app.reconcile.reconciler import Settlement
from firmware_app.trading.meter import TradingMeter
from light_client.rules.crypto import public_key_of
from light_client.rules.units import Side
from testbed.dso.deliveries import DeliveryDesk
from testbed.fleet.reporting_homes import Reporter, ReportingHome
from testbed.report.model import Expectation
from testbed.simulation.day import SimulatedDay

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeBooks:
    """One home's day as both sides see it."""

    home_id: int
    ours: Settlement
    """The device's."""
    theirs: Settlement
    """The DSO's, out of the report and the trades of its grants."""
    sealed_bytes: tuple[int, ...]
    """Length of each report as it crossed the management plane."""

    @property
    def agreed(self) -> bool:
        """Whether both come to the same sum, interval by interval where anything is known."""
        known = {one.interval: one for one in self.theirs.deviations}
        return all(known.get(one.interval) == one for one in self.ours.deviations)


def reconcile(day: SimulatedDay, prices: ImbalancePrices | None = None) -> tuple[HomeBooks, ...]:
    """Let every honest device of a metered day report, and the DSO settle it."""
    names = {home_id: name for name, home_id in day.cast.meter_names.items()}
    keys = {name: public_key_of(day.cast.secret("meter", home_id)) for home_id, name in names.items()}
    stated, secret = prices or ImbalancePrices(), day.cast.secret("seal")
    desk = DeliveryDesk(keys.get, stated, secret)
    meters = {day.cast.meter_names[meter.name]: meter for meter in day.meters}
    return tuple(
        _home(day, meters[home_id], home_id, stated, desk) for home_id in day.homes if home_id in meters
    )


def _home(
    day: SimulatedDay, meter: TradingMeter, home_id: int, prices: ImbalancePrices, desk: DeliveryDesk
) -> HomeBooks:
    home = ReportingHome(day.homes[home_id], Reporter.of(day.cast, meter.name), prices)
    home.read_until(day.cast.end_ms)
    for trade in (trade for order in meter.orders() for trade in order.trades):
        home.books.add_trade(
            FinalTrade(
                offer_id=trade.offer_id,
                side=Side(trade.side),
                interval=trade.interval,
                energy_j=trade.energy_j,
                amount_uc=trade.amount_uc,
            )
        )
    per_day = _DAY_S // day.cast.scenario.interval_s
    lengths: list[int] = []
    theirs: list[Deviation] = []
    days = home.books.days_due(day.cast.end_ms + 2 * _DAY_S * 1_000)
    for number in days:
        sealed = home.report(number)
        if sealed is not None:
            lengths.append(len(sealed))
            desk.take(sealed)
            theirs += desk.settle(meter.name, number * per_day, day.granted(home_id)).deviations
    first, last = (days[0], days[-1]) if days else (0, -1)
    return HomeBooks(
        home_id=home_id,
        ours=home.books.settle(first * per_day, (last + 1) * per_day - 1),
        theirs=Settlement(deviations=tuple(theirs)),
        sealed_bytes=tuple(lengths),
    )


def reconciling_expectations(day: SimulatedDay) -> tuple[Expectation, ...]:
    """What must hold at the end of every metered day."""
    if not day.homes:
        return ()
    books = reconcile(day)
    agreed = sum(one.agreed and bool(one.sealed_bytes) for one in books)
    sizes = {size for one in books for size in one.sealed_bytes}
    return (
        Expectation(
            name="devices that reported, and with which the DSO agrees on what is owed",
            passed=agreed == len(books),
            got=str(agreed),
            expected=str(len(books)),
        ),
        Expectation(
            name="lengths of sealed delivery reports",
            passed=len(sizes) == 1,
            got=str(len(sizes)),
            expected="1",
        ),
    )
