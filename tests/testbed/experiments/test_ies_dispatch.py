"""The integrated energy system: a bound that nobody can forge, and a model that nothing slips through."""

from dataclasses import fields, replace
from itertools import combinations
from math import exp, sqrt
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from light_client.rules.verdict import Accepted, Rejected
from testbed.experiments.manchester import bound as bound_module
from testbed.experiments.manchester.bound import BadPrices, Cone, Prices, lower_bound
from testbed.experiments.manchester.certificate import DELTA, Answer, judge, judge_bytes, problem_of
from testbed.experiments.manchester.feasibility import TOLERANCE, breaches
from testbed.experiments.manchester.heat_loss import least_loss, least_loss_of, lossless_heat
from testbed.experiments.manchester.heat_network import LEAST_WATER, Tree
from testbed.experiments.manchester.model import (
    Branch,
    Store,
    System,
    Table,
    Tank,
    levels,
    total_cost,
    upward,
)
from testbed.experiments.manchester.power_flow import power_flow
from testbed.experiments.manchester.published_rule import LIMIT, forged_prices, published_flag
from testbed.experiments.manchester.relaxation import Relaxation
from tests.testbed.experiments.small_system import small_system, solved


def moved(table: Table, by: float, hour: int = 1, place: int = 0) -> Table:
    """A table with one number changed."""
    rows = [list(row) for row in table]
    rows[hour][place] += by
    return tuple(map(tuple, rows))


# -- the bound ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tank", Tank)
def test_an_own_answer_is_accepted_close_to_its_bound(tank: Tank) -> None:
    judged = judge(*solved(tank))
    assert judged.verdict == Accepted()
    assert 0 <= judged.gap < DELTA / 2


def test_provable_losses_raise_the_bound() -> None:
    problem, answer = solved()
    bare = lossless_heat(problem.system)
    without = Relaxation(problem.system, problem.tank, bare).solve(12)
    raised = judge(problem, answer).bound - lower_bound(problem.system, problem.tank, bare, without.prices)
    lost = sum(least_loss(problem.system, factor) for factor in problem.system.factors)
    assert 0.005 < raised <= problem.system.boiler_cost * lost + 1e-6


def disturbed(prices: Prices, random: Random, size: float) -> Prices:
    """The same prices, each moved a little or a lot; still no price of an inequality below 0."""

    def noise(value: Any, *, signed: bool) -> Any:
        if isinstance(value, float):
            found = value + random.choice((0.0, 1.0)) * random.gauss(0, size)
            return found if signed else abs(found)
        return tuple(noise(item, signed=signed) for item in value)

    signed = {"active", "reactive", "drop", "battery", "tank"}
    values: dict[str, Any] = {
        field.name: noise(getattr(prices, field.name), signed=field.name in signed)
        for field in fields(Prices)
    }
    values["cone"] = tuple(tuple(Cone(*item) for item in row) for row in values["cone"])
    return Prices(**values)


@given(seed=st.integers(0, 1 << 32), size=st.sampled_from((1e-5, 1e-3, 1e-1, 10.0)))
@settings(max_examples=60, deadline=None)
def test_no_prices_prove_more_than_a_feasible_dispatch_costs(seed: int, size: float) -> None:
    problem, answer = solved()
    prices = disturbed(answer.prices, Random(seed), size)
    found = lower_bound(problem.system, problem.tank, problem.heat, prices)
    assert found <= total_cost(problem.system, answer.dispatch)


def with_bad_cone(prices: Prices) -> Prices:
    row = (Cone(-1.0, 100.0, 100.0), *prices.cone[0][1:])
    return replace(prices, cone=(row, *prices.cone[1:]))


@pytest.mark.parametrize(
    "spoil",
    [
        with_bad_cone,
        lambda prices: replace(prices, heat=(-1.0, *prices.heat[1:])),
        lambda prices: replace(prices, active_end=moved(prices.active_end, -1.0)),
        lambda prices: replace(prices, reactive=moved(prices.reactive, float("nan"))),
        lambda prices: replace(prices, tank=prices.tank[1:]),
        lambda prices: replace(prices, active=tuple(row[1:] for row in prices.active)),
        lambda prices: replace(prices, battery=prices.battery[:1]),
    ],
)
def test_what_is_no_certificate_is_refused(spoil: Any) -> None:
    problem, answer = solved()
    with pytest.raises(BadPrices):
        lower_bound(problem.system, problem.tank, problem.heat, spoil(answer.prices))
    judged = judge(problem, replace(answer, prices=spoil(answer.prices)))
    assert isinstance(judged.verdict, Rejected)
    assert judged.verdict.rule == "PSO-12"


def test_a_verifier_that_forgets_the_signs_is_fooled(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, answer = solved()
    monkeypatch.setattr(bound_module, "check_prices", lambda *_: None)
    fooled = lower_bound(problem.system, problem.tank, problem.heat, with_bad_cone(answer.prices))
    assert fooled > total_cost(problem.system, answer.dispatch)


def test_forged_prices_pass_the_published_check_and_not_ours() -> None:
    problem, answer = solved()
    assert published_flag(problem.system, answer.dispatch) < LIMIT
    forged = replace(answer, prices=forged_prices(problem.system, answer.dispatch))
    judged = judge(problem, forged)
    assert isinstance(judged.verdict, Rejected)
    assert judged.verdict.rule == "PSO-13"


# -- heat that is lost -------------------------------------------------------------------------------------------------


def mixed(system: System, shares: float) -> tuple[float, ...]:
    """Flows of the small system: how much of the water comes from the first hub."""
    need = 2 * system.draw
    first = LEAST_WATER + shares * (need - 2 * LEAST_WATER)
    return (first, need - first, need, system.draw)


@given(share=st.floats(0, 1), factor=st.floats(0.1, 1.5))
@settings(max_examples=100, deadline=None)
def test_no_flow_loses_less_than_is_proven(share: float, factor: float) -> None:
    system = small_system()
    found = Tree(system).warmth(factor, mixed(system, share))
    assert sum(found.losses) >= least_loss(system, factor)
    assert sum(found.heat) == pytest.approx(sum(system.heat_loads) * factor + sum(found.losses))


def random_tree(random: Random) -> System:
    """A heat network of random shape; every node without an inlet is a hub or takes no heat."""
    count = random.randint(3, 7)
    pipes = []
    for node in range(1, count):
        other = random.randrange(node)
        ends = (node, other) if random.random() < 0.5 else (other, node)
        pipes.append(Branch(*ends, random.uniform(5, 60)))
    fed = {pipe.end for pipe in pipes}
    sources = [node for node in range(count) if node not in fed]
    hub = small_system().hubs[0]
    return replace(
        small_system(),
        hubs=tuple(hub._replace(heat=node) for node in sources),
        pipes=tuple(pipes),
        heat_loads=tuple(random.choice((0.0, 150.0, 300.0)) for _ in range(count)),
    )


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=80, deadline=None)
def test_the_least_set_of_pipes_is_that_of_trying_all(seed: int) -> None:
    system = random_tree(Random(seed))
    loads = {node for node, load in enumerate(system.heat_loads) if load}
    numbers = [n for n, pipe in enumerate(system.pipes) if _leads_to(system, pipe.end, loads)]
    weights = {n: least_loss_of(system, n, 1.0) for n in numbers}
    best = min(
        sum(weights[n] for n in chosen)
        for size in range(len(numbers) + 1)
        for chosen in combinations(numbers, size)
        if loads <= _supplied(system, chosen)
    )
    assert least_loss(system, 1.0) == pytest.approx(best)


def _supplied(system: System, chosen: tuple[int, ...]) -> set[int]:
    found = {hub.heat for hub in system.hubs}
    for _ in system.pipes:
        found |= {system.pipes[n].end for n in chosen if system.pipes[n].start in found}
    return found


def _leads_to(system: System, node: int, loads: set[int]) -> bool:
    found = {node}
    for _ in system.pipes:
        found |= {pipe.end for pipe in system.pipes if pipe.start in found}
    return bool(found & loads)


def test_nothing_is_claimed_where_water_could_come_back_colder_than_the_ground() -> None:
    system = small_system()
    assert least_loss(system, 1.0) > 5
    assert least_loss(system, 20.0) == 0


def test_one_pipe_cools_as_the_law_says() -> None:
    system = replace(
        small_system(), pipes=(Branch(0, 1, 42.0),), heat_loads=(0.0, 84.0), hubs=small_system().hubs[:1]
    )
    found = Tree(system).warmth(1.0, (20.0,))
    kept = exp(-42.0 / 84_000)
    assert found.supply[1] == pytest.approx(70 * kept)
    assert found.back[0] == pytest.approx((70 * kept - 1) * kept)
    assert found.heat[0] == pytest.approx(84 * (70 - found.back[0]))


# -- the model ---------------------------------------------------------------------------------------------------------


def tampered(name: str, table: str, by: float) -> Answer:
    _, answer = solved()
    part = getattr(answer, name)
    value = getattr(part, table)
    flat = isinstance(value[0], float)
    changed = tuple(v + by for v in value) if flat else moved(value, by)
    return replace(answer, **{name: replace(part, **{table: changed})})


@pytest.mark.parametrize(
    ("part", "table", "by", "check"),
    [
        ("dispatch", "chp", -2_000.0, "plants within their ranges"),
        ("dispatch", "boiler", 1_000.0, "plants within their ranges"),
        ("dispatch", "boiler", 0.1, "heat of every hub"),
        ("dispatch", "released", 300.0, "stores within their ranges"),
        ("dispatch", "charged", 5.0, "stores end where they began"),
        ("dispatch", "grid", -0.1, "active power balances"),
        ("networks", "reactive", 0.1, "reactive power balances"),
        ("networks", "grid_reactive", 0.1, "reactive power balances"),
        ("networks", "volts", 0.01, "voltage drops along lines"),
        ("networks", "amps", -5.0, "V I = P² + Q²"),
        ("networks", "active_flow", -1_000.0, "flows forward and within limits"),
        ("networks", "water", 0.1, "water balances and flows forward"),
        ("networks", "water", -80.0, "heat of every hub"),
    ],
)
def test_every_equation_is_checked(part: str, table: str, by: float, check: str) -> None:
    problem, answer = solved()
    good = breaches(problem.system, problem.tank, answer.dispatch, answer.networks)
    assert max(breach.worst for breach in good) <= TOLERANCE
    bad = tampered(part, table, by)
    found = {
        b.name
        for b in breaches(problem.system, problem.tank, bad.dispatch, bad.networks)
        if b.worst > TOLERANCE
    }
    assert check in found
    judged = judge(problem, bad)
    assert isinstance(judged.verdict, Rejected)
    assert judged.verdict.rule == "PSO-11"


def test_gas_that_does_not_come_is_noticed() -> None:
    problem, answer = solved()
    thin = replace(problem.system, gas_pipes=(Branch(0, 1, 1.0), Branch(0, 2, 1.0)))
    found = breaches(thin, problem.tank, answer.dispatch, answer.networks)
    assert [b.name for b in found if b.worst > TOLERANCE] == ["pressure of gas"]


def test_numbers_that_are_missing_or_none_are_noticed() -> None:
    problem, answer = solved()
    short = replace(answer.dispatch, chp=answer.dispatch.chp[1:])
    assert isinstance(judge(problem, replace(answer, dispatch=short)).verdict, Rejected)
    for table in ("chp", "grid"):
        assert isinstance(judge(problem, tampered("dispatch", table, float("nan"))).verdict, Rejected)


def test_a_tank_as_published_gives_its_first_hour_away() -> None:
    store = Store(50.0, 50.0, 300.0, 0.9, 1.0)
    into, out = (0.0, 0.0, 0.0), (50.0, 0.0, 0.0)
    assert levels(store, into, out, Tank.VERBATIM) == [150.0, 150.0, 150.0, 150.0]
    assert levels(store, into, out, Tank.FIXED) == [150.0, 100.0, 100.0, 100.0]
    assert levels(store, (0, 0, 10.0), (0, 0, 0), Tank.VERBATIM) == [150.0, 150.0, 160.0, 170.0]


def test_the_two_tanks_are_two_problems() -> None:
    one, other = (problem_of(small_system(), tank) for tank in Tank)
    assert one.hash() != other.hash()
    assert one.hash() == problem_of(small_system(), Tank.VERBATIM).hash()


def test_one_line_carries_its_load_and_its_losses() -> None:
    system = replace(
        small_system(), lines=(Branch(0, 1, 0.5, 0.0),), loads=(0.0, 400.0), reactive_loads=(0.0, 0.0)
    )
    flow = power_flow(system, 1.0, [0.0, 0.0], [0.0, 0.0])
    volt = 6.6**2
    amps = (volt - 2 * 0.5 * 0.4 - sqrt((volt - 0.4) ** 2 - 4 * 0.25e-6 * 160_000)) / (2 * 0.25e-6)
    assert flow.amps[0] == pytest.approx(amps, rel=1e-6)
    assert flow.grid == pytest.approx(400 + 0.5 * flow.amps[0] / 1e3)


def test_a_circle_is_no_tree() -> None:
    with pytest.raises(ValueError, match="circle"):
        upward(2, (Branch(0, 1, 1.0), Branch(1, 0, 1.0)))


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_an_answer_is_the_same_after_its_journey() -> None:
    problem, answer = solved()
    here, there = judge(problem, answer), judge_bytes(problem, answer.to_bytes())
    assert there.verdict == here.verdict
    assert there.cost == pytest.approx(here.cost)
    assert there.bound == pytest.approx(here.bound, rel=1e-6)


@given(at=st.integers(0, 1 << 16), value=st.integers(0, 255))
@example(at=179, value=128)  # a row where a number is expected
@settings(max_examples=150, deadline=None)
def test_bytes_that_were_changed_never_gain(at: int, value: int) -> None:
    problem, answer = solved()
    raw = bytearray(answer.to_bytes())
    raw[at % len(raw)] = value
    judged = judge_bytes(problem, bytes(raw))
    if isinstance(judged.verdict, Accepted):
        assert judged.bound <= judge(problem, answer).cost
        assert judged.cost >= judge(problem, answer).bound
    else:
        assert isinstance(judged.verdict, Rejected)


@pytest.mark.parametrize("raw", [b"", b"\x80", b"\x83\x80\x80\x80", b"\x83\x01\x02\x03", b"\xff"])
def test_bytes_that_are_no_answer_are_refused(raw: bytes) -> None:
    problem, _ = solved()
    verdict = judge_bytes(problem, raw).verdict
    assert isinstance(verdict, Rejected)
    assert verdict.rule == "PSO-14"
