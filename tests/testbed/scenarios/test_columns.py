"""Offers as columns and back."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from light_client.rules.units import Side
from testbed.scenarios.columns import OfferColumns
from testbed.scenarios.errors import PlanError
from testbed.scenarios.synthetic import village


def test_columns_hold_what_the_objects_hold() -> None:
    scenario = village(seed=1, day=date(2026, 6, 14))
    columns = OfferColumns.of(scenario.offers)
    assert len(columns) == len(scenario.offers)
    assert tuple(columns.offers()) == scenario.offers
    assert columns.energy_of(Side.BUY) == scenario.energy_j(Side.BUY)


def test_a_window_shows_what_has_begun_and_not_ended() -> None:
    scenario = village(seed=1, day=date(2026, 6, 14))
    first = scenario.first_interval + 60
    seen = set(OfferColumns.of(scenario.offers).visible(first, first + 3).offers())
    expected = {o for o in scenario.offers if o.first_interval <= first + 3 and o.last_interval >= first}
    assert seen == expected
    assert any(offer.first_interval < first for offer in seen), "a battery's offer reaches into the window"


def test_columns_of_different_lengths_are_refused() -> None:
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    columns = dict.fromkeys(OfferColumns.__dataclass_fields__, one)
    with pytest.raises(PlanError, match="lengths"):
        OfferColumns(**{**columns, "feeder": two})
