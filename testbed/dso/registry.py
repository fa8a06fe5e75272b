"""The registry: which meters exist, what their connection and their credit allow, what they have withdrawn.

Withdrawing moves an allowance from a prosumer's account with the DSO to fresh addresses on the ledger; depositing
moves what is left back. The registry is the only place where a meter and its addresses stand side by side.

Source: sections 6.1 and 6.4 of the transactive-energy paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from light_client.rules.ledger.records import Amounts
from light_client.rules.ledger.transactions import Asset
from light_client.rules.units import Address, Side, energy_of_power

MAX_SPAN = 4_096
"""Most intervals that one asset may name: the longest horizon of any market, and a bound on the registry's work."""


class WithdrawalRefusedError(Exception):
    """A withdrawal that the DSO does not make, with the reason for the prosumer; nothing has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A meter as the DSO knows it."""

    meter_id: int
    identity_key: bytes
    """Key that signs the meter's requests; 33 bytes."""
    feeder: int
    production_w: int
    """Most power that the connection may feed in, W."""
    consumption_w: int
    """Most power that the connection may draw, W."""
    credit_uc: int
    """Most money that may be out on the ledger for this prosumer, micro-currency."""


@dataclass(slots=True)
class ProsumerAccount:
    """What one prosumer has out on the ledger, and what came back."""

    out_uc: int = 0
    """Money granted and not yet deposited, micro-currency."""
    earned_uc: int = 0
    """Money deposited less money granted for closed addresses: negative for a net buyer."""
    sold_j: int = 0
    bought_j: int = 0
    allowed: dict[tuple[Side, int], int] = field(default_factory=dict)
    """(side, interval) -> energy already granted for it, J."""


class Registry:
    """Registered meters and their accounts."""

    def __init__(self, registrations: Iterable[Registration], interval_s: int) -> None:
        self._interval_s = interval_s
        self._by_key = {entry.identity_key: entry for entry in registrations}
        self.accounts = {entry.meter_id: ProsumerAccount() for entry in self._by_key.values()}
        self._owner: dict[Address, tuple[Registration, int]] = {}

    @property
    def feeders(self) -> frozenset[int]:
        """Feeders that meters are registered on."""
        return frozenset(entry.feeder for entry in self._by_key.values())

    def registration(self, identity_key: bytes) -> Registration:
        """The meter with this identity key.

        Raises:
            WithdrawalRefusedError: the key is not registered.
        """
        found = self._by_key.get(identity_key)
        if found is None:
            raise WithdrawalRefusedError("this meter is not registered")
        return found

    def withdraw(self, meter: Registration, assets: Iterable[Asset]) -> None:
        """Take the assets out of the prosumer's allowance, all or none.

        Raises:
            WithdrawalRefusedError: an address used before, a foreign feeder, more energy than the connection can
                carry in the named intervals, or more money than the credit.
        """
        account = self.accounts[meter.meter_id]
        wanted = tuple(assets)
        money_uc = sum(asset.money_uc for asset in wanted)
        if account.out_uc + money_uc > meter.credit_uc:
            left = meter.credit_uc - account.out_uc
            raise WithdrawalRefusedError(f"more money than the {left} uc of credit left")
        allowed = dict(account.allowed)
        seen: set[Address] = set()
        for asset in wanted:
            if asset.address in self._owner or asset.address in seen:
                raise WithdrawalRefusedError("an address was granted before: use each address once")
            if asset.feeder != meter.feeder:
                raise WithdrawalRefusedError(
                    f"feeder {asset.feeder} is not this meter's feeder {meter.feeder}"
                )
            if asset.last_interval - asset.first_interval >= MAX_SPAN:
                raise WithdrawalRefusedError(f"an asset names more than {MAX_SPAN} intervals")
            seen.add(asset.address)
            for side, energy_j, power_w in _sides(asset, meter):
                left = self._fit(allowed, side, asset, energy_j, power_w)
                if left:
                    what = "feed in" if side == Side.SELL else "draw"
                    raise WithdrawalRefusedError(f"the connection cannot {what} {left} J of it")
        account.allowed = allowed
        self._book(meter, wanted)

    def restore(self, identity_key: bytes, assets: Iterable[Asset]) -> None:
        """Book a withdrawal that was made before a restart, without judging it again.

        It was within the limits when it was made; deposits in between, which made room for it, are credited only as the
        ledger is followed once more. A meter that has left the register since then keeps its books.
        """
        meter = self._by_key.get(identity_key)
        if meter is None:
            return
        account = self.accounts[meter.meter_id]
        booked = tuple(assets)
        for asset in booked:
            for side, energy_j, power_w in _sides(asset, meter):
                self._fit(account.allowed, side, asset, energy_j, power_w)
        self._book(meter, booked)

    def _book(self, meter: Registration, assets: tuple[Asset, ...]) -> None:
        self.accounts[meter.meter_id].out_uc += sum(asset.money_uc for asset in assets)
        for asset in assets:
            self._owner[asset.address] = (meter, asset.money_uc)

    def _fit(
        self,
        allowed: dict[tuple[Side, int], int],
        side: Side,
        asset: Asset,
        energy_j: int,
        power_w: int,
    ) -> int:
        """Fit energy under the connection's power, latest intervals first; returns what does not fit, J."""
        limit = energy_of_power(power_w, self._interval_s)
        left = energy_j
        for interval in range(asset.last_interval, asset.first_interval - 1, -1):
            if not left:
                break
            part = min(left, limit - allowed.get((side, interval), 0))
            if part > 0:
                allowed[side, interval] = allowed.get((side, interval), 0) + part
                left -= part
        return left

    def owner(self, address: Address) -> int | None:
        """The meter to which an address was granted, by its id; None for an address of nobody."""
        owner = self._owner.get(address)
        return None if owner is None else owner[0].meter_id

    def deposit(self, address: Address, amounts: Amounts) -> int | None:
        """Credit what an address handed back; returns the meter's id, or None for an address of nobody."""
        owner = self._owner.get(address)
        if owner is None:
            return None
        meter, granted_uc = owner
        account = self.accounts[meter.meter_id]
        account.out_uc -= granted_uc
        account.earned_uc += amounts.money_uc - granted_uc
        account.sold_j += amounts.sold_j
        account.bought_j += amounts.bought_j
        return meter.meter_id


def _sides(asset: Asset, meter: Registration) -> tuple[tuple[Side, int, int], ...]:
    """(side, energy asked for in J, power of the connection in W)."""
    return (
        (Side.SELL, asset.production_j, meter.production_w),
        (Side.BUY, asset.consumption_j, meter.consumption_w),
    )
