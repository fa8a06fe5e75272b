"""Metered homes that report: the device's own books, signed and sealed, as they cross the management plane.

A device reports each day once, and what it corrects. Those who are elected within the day are judged within it: the
homes of miners report the day so far, again and again, as versions of one report, and the operator opens each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from firmware_app.reconcile.deviation import FinalTrade, ImbalancePrices
from firmware_app.reconcile.metered import metered_of
from firmware_app.reconcile.reconciler import Reconciler
from firmware_app.reconcile.report import padded_bytes, sign_report
from firmware_app.reconcile.sealing import public_seal_key, seal
from light_client.rules.crypto import public_key_of, sign
from testbed.dso.accuracy import MeteredDelivery
from testbed.dso.deliveries import DeliveryDesk
from testbed.fleet.metered_home import MeteredHome

if TYPE_CHECKING:
    from testbed.cast import Cast
    from testbed.fleet.metered_homes import MeteredHomes

_EPHEMERAL_BYTES: Final = 32
SETTLING: Final = 1
"""Intervals that pass until a stretch is judged: what its last one held is known with the first reading after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Who a home is to the grid operator.

    Attributes:
        name: of its meter.
        interval_s: of the market.
        identity: secret of its identity.
        operator_key: public sealing key of the operator.
        chance: of seals.
    """

    name: str
    interval_s: int
    identity: bytes
    operator_key: bytes
    chance: Random

    @classmethod
    def of(cls, cast: Cast, name: str) -> Reporter:
        """A meter of a cast."""
        home_id = cast.meter_names[name]
        return cls(
            name=name,
            interval_s=cast.scenario.interval_s,
            identity=cast.secret("meter", home_id),
            operator_key=public_seal_key(cast.secret("seal")),
            chance=cast.chance("seal", home_id),
        )


class ReportingHome:
    """One home with its meter and its books."""

    def __init__(self, meter: MeteredHome, who: Reporter, prices: ImbalancePrices) -> None:
        self._meter = meter
        self._who = who
        self.books = Reconciler(meter_id=who.name, interval_s=who.interval_s, prices=prices)

    def read_until(self, utc_ms: int) -> None:
        """Read the meter up to a moment, and enter into the books what is over."""
        self._meter.read_until(utc_ms)
        for counted in self._meter.intervals.values():
            self.books.add_metered(metered_of(counted))

    def report(self, day: int) -> bytes | None:
        """A day's sealed report; None where the operator has the newest."""
        report = self.books.report(day)
        if report is None:
            return None
        self.books.issue(report)
        who = self._who
        return seal(
            sign_report(report, lambda message: sign(who.identity, message)),
            who.operator_key,
            size=padded_bytes(who.interval_s),
            ephemeral=who.chance.randbytes(_EPHEMERAL_BYTES),
        )


class ReportedDelivery:
    """Answers the operator's question what a miner delivered, by what the meter at its home reports."""

    def __init__(
        self,
        homes: Mapping[bytes, ReportingHome],
        desk: DeliveryDesk,
        delivered: MeteredDelivery,
        interval_s: int,
    ) -> None:
        """Join them.

        Args:
            homes: public key of a registered miner -> its home.
            desk: that takes the reports in.
            delivered: that makes of them and of trades what was delivered.
        """
        self._homes = homes
        self._desk = desk
        self._delivered = delivered
        self._interval_s = interval_s

    def __call__(self, miner: bytes, first: int, last: int) -> tuple[int, int]:
        """Promised and delivered over a stretch that is over for `SETTLING` intervals, J."""
        home, per_day = self._homes.get(miner), 86_400 // self._interval_s
        if home is not None:
            home.read_until((last + 1 + SETTLING) * self._interval_s * 1_000)
            for day in range(first // per_day, last // per_day + 1):
                sealed = home.report(day)
                if sealed is not None:
                    self._desk.take(sealed)
        return self._delivered(miner, first, last)


def reported_by(
    cast: Cast, homes: MeteredHomes, trades_of: Callable[[int], Iterable[FinalTrade]]
) -> ReportedDelivery:
    """What the miners of a cast deliver: the first of them lives in the first home, the second in the second.

    Args:
        trades_of: home -> final trades of the addresses that the operator granted it.
    """
    prices = ImbalancePrices()
    living = dict(zip(cast.miner_keys, cast.meter_names, strict=False))
    identities = {
        name: public_key_of(cast.secret("meter", cast.meter_names[name])) for name in living.values()
    }
    desk = DeliveryDesk(identities.get, prices, cast.secret("seal"))
    delivered = MeteredDelivery(
        desk,
        living,
        lambda name: trades_of(cast.meter_names[name]),
        intervals_per_day=86_400 // cast.scenario.interval_s,
    )
    reporting = {
        key: ReportingHome(homes.of(cast.meter_names[name]), Reporter.of(cast, name), prices)
        for key, name in living.items()
    }
    return ReportedDelivery(reporting, desk, delivered, cast.scenario.interval_s)
