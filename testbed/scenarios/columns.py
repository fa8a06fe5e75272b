"""Offers as columns: the facts of ``PlannedOffer``, a numpy array each, for several hundred thousand offers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from light_client.rules.units import Side
from testbed.scenarios.errors import PlanError
from testbed.scenarios.model import PlannedOffer

Column = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OfferColumns:
    """Parallel columns of int64, one element per offer; row order is offer order."""

    side: Column
    """``Side`` as a number."""
    feeder: Column
    price_uc_per_kwh: Column
    energy_j: Column
    first_interval: Column
    last_interval: Column
    home_id: Column
    post_interval: Column

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise PlanError("lengths of offer columns", got=lengths, expected="all equal")

    def __len__(self) -> int:
        return len(self.side)

    @classmethod
    def of(cls, offers: Sequence[PlannedOffer]) -> OfferColumns:
        """Columns of ``offers``, in their order."""
        return cls(
            **{
                field.name: np.fromiter(
                    (getattr(offer, field.name) for offer in offers),
                    np.int64,
                    len(offers),
                )
                for field in fields(cls)
            }
        )

    def offers(self) -> Iterator[PlannedOffer]:
        """The rows as objects."""
        names = [field.name for field in fields(self)]
        for row in zip(*(getattr(self, name).tolist() for name in names), strict=True):
            values = dict(zip(names, row, strict=True))
            yield PlannedOffer(**{**values, "side": Side(values["side"])})

    def where(self, keep: npt.NDArray[np.bool_]) -> OfferColumns:
        """The rows for which ``keep`` is true."""
        return OfferColumns(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})

    def visible(self, first: int, last_start: int) -> OfferColumns:
        """The offers that begin no later than ``last_start`` and have not ended before ``first``: a market window."""
        return self.where((self.first_interval <= last_start) & (self.last_interval >= first))

    def energy_of(self, side: Side) -> int:
        """Energy of one side, J."""
        return int(self.energy_j[self.side == side].sum())
