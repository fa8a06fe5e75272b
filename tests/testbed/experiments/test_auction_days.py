"""A day in the two-stage auction: the identity of gains, and what leftovers can do."""

from collections.abc import Sequence

import pytest

from testbed.experiments.auction_days import FEED_IN_UC, RETAIL_UC, Bids, DayGain, Days, Reaction
from testbed.scenarios.citylearn import SourceHome

HOURS = range(24)


def homes(sun_kwh: float = 1.0) -> Sequence[SourceHome]:
    """Ten homes whose load and sun differ by home and hour; made up."""
    return [
        SourceHome(
            name=f"home {number}",
            nameplate_w=4_000,
            load_j=(tuple((300 + 40 * number + 25 * hour) * 3_600 for hour in HOURS),),
            sun_j_per_kw=(tuple(int(sun_kwh * max(0, 6 - abs(12 - hour)) * 500_000) for hour in HOURS),),
            weekend=(False,),
        )
        for number in range(10)
    ]


def gain(bids: Bids, reaction: Reaction, seed: int = 1, sun_kwh: float = 1.0) -> DayGain:
    return Days(homes(sun_kwh), seed=seed).day(0, bids, reaction)


@pytest.mark.parametrize("bids", Bids)
@pytest.mark.parametrize("reaction", Reaction)
def test_joint_gain_is_the_tariff_difference_of_what_is_traded(bids: Bids, reaction: Reaction) -> None:
    day = gain(bids, reaction)
    assert day.first_stage_j > 0
    assert abs(day.identity_error_uc) < 1
    most_seller = 100 * (RETAIL_UC - FEED_IN_UC) / FEED_IN_UC
    assert 0 <= day.seller_percent <= most_seller


def test_truthful_bids_meet_half_way_and_leave_nothing_to_a_second_stage() -> None:
    day = gain(Bids.TRUTHFUL, Reaction.ACCEPT)
    assert day.second_stage_j == 0
    assert day.seller_percent / day.buyer_percent == pytest.approx(
        RETAIL_UC / FEED_IN_UC / day.generation_per_load, rel=1e-4
    )


def test_the_second_stage_grows_with_how_far_leftovers_go() -> None:
    seconds = [
        sum(gain(Bids.UNIFORM, reaction, seed).second_stage_j for seed in range(20))
        for reaction in (Reaction.NONE, Reaction.HALF_WAY, Reaction.ACCEPT)
    ]
    assert seconds[0] == 0 < seconds[1] < seconds[2]


def test_the_first_stage_does_not_depend_on_the_reaction() -> None:
    assert len({gain(Bids.UNIFORM, reaction).first_stage_j for reaction in Reaction}) == 1


def test_without_sun_nobody_gains() -> None:
    day = gain(Bids.UNIFORM, Reaction.ACCEPT, sun_kwh=0.0)
    assert (day.seller_percent, day.buyer_percent, day.first_stage_j) == (0, 0, 0)
