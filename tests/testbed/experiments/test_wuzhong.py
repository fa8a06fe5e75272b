"""The multi-energy market: its exact prices, and a proof that no forger gets past."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.verdict import Accepted, Rejected
from testbed.experiments.wuzhong.certificate import Answer, judge
from testbed.experiments.wuzhong.clearing import Responses
from testbed.experiments.wuzhong.model import Community, Device, Kind, Market, Plant, Settings, balance_of
from testbed.experiments.wuzhong.schemes import Lie, centralised
from testbed.experiments.wuzhong.workbook import defect_corrected, read_market
from testbed.scenarios.errors import ScenarioFileError
from tests.oracles import multi_energy


def a_community(number: int, *, size: float, electricity: float) -> Community:
    devices = (
        Device(Kind.CHP, (0.4, 0.45), (-1.2e-4 / size, -1.4e-4 / size), 0.0, 320.0 * size),
        Device(Kind.BOILER, (0.94,), (-1e-3 / size,), 0.0, 40.0 * size),
        Device(Kind.HEAT_PUMP, (3.0, 3.0), (-0.1 / size, -0.1 / size), 0.0, 1.4 * size),
        Device(Kind.CHILLER, (3.0,), (-4e-3 / size,), 0.0, 40.0 * size),
        Device(Kind.ABSORBER, (0.8,), (-3e-4 / size,), 0.0, 120.0 * size),
    )
    plant = Plant(quadratic=0.05, linear=240.0, fixed=0.0, low=20.0, high=300.0) if number == 1 else None
    return Community(
        number=number,
        zone=(number - 1) % 2,
        electricity=electricity,
        heat=60.0 * size,
        cooling=90.0 * size,
        devices=devices,
        plant=plant,
    )


MARKET = Market(
    communities=tuple(
        a_community(number, size=1 + number / 4, electricity=60.0 + 15 * number) for number in range(1, 5)
    ),
    heat_limits=(50.0, 0.0),
)
ENDED = centralised(MARKET)
CLEARED, ANSWER = ENDED.cleared, ENDED.answer()


def test_the_exact_answer_is_proven_optimal() -> None:
    judged = judge(MARKET, ANSWER)
    assert judged.verdict == Accepted()
    assert abs(judged.gap) < 1e-9


@given(st.lists(st.floats(0.0, 3.0), min_size=7, max_size=7))
@settings(max_examples=200)
def test_no_forged_prices_prove_a_bound_above_the_optimum(factors: list[float]) -> None:
    forged = Answer(
        settings=ANSWER.settings,
        electricity_price=ANSWER.electricity_price * factors[0],
        heat_prices=tuple(p * f for p, f in zip(ANSWER.heat_prices, factors[1:3], strict=True)),
        cooling_prices=tuple(p * f for p, f in zip(ANSWER.cooling_prices, factors[3:7], strict=True)),
    )
    assert judge(MARKET, forged).bound <= judge(MARKET, ANSWER).cost * (1 + 1e-12)


@given(st.integers(0, 3), st.floats(0.5, 1.5))
@settings(max_examples=100)
def test_no_worse_answer_passes_with_the_best_prices(who: int, factor: float) -> None:
    changed = list(ANSWER.settings)
    device = MARKET.communities[who].devices[0]
    first = min(max(changed[who].inputs[0] * factor, device.low), device.high)
    changed[who] = Settings((first, *changed[who].inputs[1:]), changed[who].power)
    judged = judge(MARKET, replace(ANSWER, settings=tuple(changed)))
    if isinstance(judged.verdict, Accepted):
        assert judged.cost <= judge(MARKET, ANSWER).cost * (1 + 1e-6)


def test_a_price_shown_to_one_is_refused() -> None:
    judged = judge(MARKET, centralised(MARKET, Lie(victim=1, shown=0.4)).answer())
    assert isinstance(judged.verdict, Rejected)
    assert judged.verdict.rule == "PSO-05"


@pytest.mark.parametrize("factor", [1.0, 0.4, 0.9, 1.2])
def test_the_bound_is_that_of_an_oracle_which_tries_every_input(factor: float) -> None:
    forged = replace(ANSWER, electricity_price=factor * ANSWER.electricity_price)
    judged = judge(MARKET, forged)
    tried = multi_energy.bound(MARKET, forged.electricity_price, forged.heat_prices, forged.cooling_prices)
    assert judged.bound == pytest.approx(tried, rel=1e-5)
    assert judged.bound <= tried + 1e-6
    assert judged.cost == pytest.approx(multi_energy.cost(MARKET, forged.settings), rel=1e-9)
    assert isinstance(judged.verdict, Accepted) == (factor == 1.0)


def test_the_oracle_refuses_the_published_lie_as_well(shared_data: Path) -> None:
    market = defect_corrected(read_market(shared_data / "wuzhong" / "12-parameters.xlsx"))
    honest, lied = centralised(market).answer(), centralised(market, Lie(victim=5, shown=0.4)).answer()
    for answer, gap in ((honest, (-1e-6, 1e-6)), (lied, (0.05, 0.15))):
        tried = multi_energy.bound(
            market, answer.electricity_price, answer.heat_prices, answer.cooling_prices
        )
        cost = multi_energy.cost(market, answer.settings)
        assert gap[0] <= (cost - tried) / cost <= gap[1]
        assert judge(market, answer).bound == pytest.approx(tried, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"heat_prices": (1.0,)}, "PSO-01"),
        ({"electricity_price": -1.0}, "PSO-02"),
        ({"electricity_price": float("nan")}, "PSO-02"),
        ({"settings": tuple(s._replace(power=1e6) for s in ANSWER.settings)}, "PSO-03"),
        ({"settings": tuple(s._replace(inputs=s.inputs[1:]) for s in ANSWER.settings)}, "PSO-03"),
        ({"settings": tuple(s._replace(inputs=(0.0, *s.inputs[1:])) for s in ANSWER.settings)}, "PSO-04"),
    ],
)
def test_bad_answers_are_refused_by_rule(change: dict[str, object], rule: str) -> None:
    verdict = judge(MARKET, replace(ANSWER, **change)).verdict  # type: ignore[arg-type]
    assert isinstance(verdict, Rejected)
    assert verdict.rule == rule


def test_columns_and_single_devices_balance_alike() -> None:
    responses = Responses(MARKET)
    prices = np.full(4, CLEARED.electricity_price)
    inputs = np.concatenate([settings.inputs for settings in CLEARED.settings])
    bought, heat, spare = responses.balances(inputs, prices)
    for at, (community, chosen) in enumerate(zip(MARKET.communities, CLEARED.settings, strict=True)):
        balance = balance_of(community, chosen)
        assert (balance.electricity, balance.heat, balance.cooling_spare) == pytest.approx(
            (bought[at], heat[at], spare[at])
        )


def test_the_published_market_is_met_exactly(shared_data: Path) -> None:
    market = defect_corrected(read_market(shared_data / "wuzhong" / "12-parameters.xlsx"))
    ended = centralised(market)
    assert ended.cleared.electricity_price == pytest.approx(639.88313, abs=1e-3)
    assert judge(market, ended.answer()).cost == pytest.approx(1_688_615.976, abs=0.01)


def test_a_workbook_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"no workbook")
    with pytest.raises(ScenarioFileError):
        read_market(path)
