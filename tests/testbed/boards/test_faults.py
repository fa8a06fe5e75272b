"""The one script of what goes wrong: what it means for boards, for meters, and for the simulation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.boards.faults import BoardFault, FaultScriptError, FleetScript, Kind, midnight_ms
from testbed.cast import Cast
from testbed.fleet.virtual_meters.script import FaultKind
from testbed.scenarios import catalogue
from testbed.simulation.day import cast_of

HOMES = (101, 102, 201)
TEXT = """
# noon
101:down@43200+1800
  102:cut@46800+900   # while it trades
201:silence@50400+600
"""


def _cast() -> Cast:
    file = catalogue.find("village")
    return cast_of(file, catalogue.build(file), 1)


def test_boards_and_meters_are_told_apart_and_ordered() -> None:
    script = FleetScript.parse("102:cut@9+1\n101:down@5.5+1\n201:noise@7+2", HOMES)
    assert [fault.kind for fault in script.boards] == [Kind.DOWN, Kind.CUT]
    assert script.boards[0] == BoardFault(home_id=101, kind=Kind.DOWN, start_ms=5_500, end_ms=6_500)
    ((home, accident),) = script.meters
    assert (home, accident.kind) == (201, FaultKind.NOISE)


def test_a_reset_is_an_accident_of_a_board_and_a_crash_in_the_simulation() -> None:
    script = FleetScript.parse("101:reset@43200+60", HOMES)
    assert [fault.kind for fault in script.boards] == [Kind.RESET]
    cast = _cast()
    (crash,) = script.simulated(cast).crashes
    assert (crash.node, crash.down_ms) == ("meter-0101", 60_000)
    assert crash.at_ms == midnight_ms(cast) + 43_200_000


def test_a_script_reads_as_it_is_written() -> None:
    script = FleetScript.parse(TEXT, HOMES)
    assert list(script.lines()) == ["101:down@43200+1800", "102:cut@46800+900", "201:silence@50400+600"]
    assert FleetScript.parse("\n".join(script.lines()), HOMES) == script


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("103:down@1+1", "no home '103'"),
        ("down@1+1", "no home 'down@1+1'"),
        ("101:melt@1+1", "'melt@1+1' is not KIND@SECOND"),
        ("101:down@x", "'down@x' is not KIND@SECOND"),
        ("101:down", "'down' is not KIND@SECOND"),
        ("101:cut@1+0.0001", None),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str | None) -> None:
    if said is None:
        assert FleetScript.parse(line, HOMES).boards[0].end_ms == 1_001, "no accident is shorter than 1 ms"
        return
    with pytest.raises(FaultScriptError, match="line 2: ") as error:
        FleetScript.parse(f"# first\n{line}", HOMES)
    assert said in str(error.value)


@given(
    seed=st.integers(0, 1 << 32),
    homes=st.integers(2, 40),
    first=st.integers(0, 80),
    length=st.integers(4, 16),
)
def test_a_drawn_script_harms_every_home_once_and_in_time(
    seed: int, homes: int, first: int, length: int
) -> None:
    names = tuple(range(101, 101 + homes))
    from_ms, to_ms = first * 900_000, (first + length) * 900_000
    script = FleetScript.drawn(seed, names, from_ms=from_ms, to_ms=to_ms)
    harmed = [fault.home_id for fault in script.boards] + [home for home, _ in script.meters]
    assert sorted(harmed) == list(names)
    times = [(fault.start_ms, fault.end_ms) for fault in script.boards]
    times += [(fault.start_ms, fault.end_ms) for _, fault in script.meters]
    assert all(from_ms <= start < end <= to_ms for start, end in times)
    assert script == FleetScript.drawn(seed, names, from_ms=from_ms, to_ms=to_ms)
    assert FleetScript.parse("\n".join(script.lines()), names).boards != () or homes < 2


def test_a_meters_own_script_counts_from_its_own_beginning() -> None:
    script = FleetScript.parse("101:silence@100+50\n101:noise@10+20\n102:noise@100+1", HOMES)
    own = script.of_meter(101, shift_ms=20_000)
    assert [(fault.kind, fault.start_ms, fault.end_ms) for fault in own.faults] == [
        (FaultKind.NOISE, 0, 10_000),
        (FaultKind.SILENCE, 80_000, 130_000),
    ]
    assert script.of_meter(101, shift_ms=200_000).faults == (), "what is over happens to nobody"


def test_the_simulation_plays_the_same_script() -> None:
    cast = _cast()
    faults = FleetScript.parse(TEXT, HOMES).simulated(cast)
    (crash,), (cut,) = faults.crashes, faults.partitions
    noon_ms = midnight_ms(cast) + 43_200_000
    assert (crash.node, crash.at_ms, crash.down_ms) == ("meter-0101", noon_ms, 1_800_000)
    assert cut.from_ms == noon_ms + 3_600_000
    assert cut.to_ms - cut.from_ms == 900_000
    for server in (*cast.miner_names, "dso"):
        assert cut.parts("meter-0102", server)
        assert not cut.parts("meter-0101", server)
