"""An intent that could not be posted is refused where it is made."""

import pytest

from firmware_app.trading.intent import Intent
from light_client.rules.errors import LocalError
from light_client.rules.units import LOT_J, Side


def an_intent(**changes: int) -> Intent:
    fields = {
        "energy_j": LOT_J,
        "first_interval": 5,
        "last_interval": 6,
        "price_uc_per_kwh": 0,
        "post_interval": 4,
    }
    return Intent(side=Side.SELL, **(fields | changes))


def test_takes_a_smallest_offer() -> None:
    assert an_intent().energy_j == LOT_J


@pytest.mark.parametrize(
    "change",
    [
        {"energy_j": 0},
        {"energy_j": LOT_J + 1},
        {"post_interval": 5},
        {"last_interval": 4},
        {"price_uc_per_kwh": -1},
    ],
)
def test_refuses_what_could_not_be_posted(change: dict[str, int]) -> None:
    with pytest.raises(LocalError):
        an_intent(**change)
