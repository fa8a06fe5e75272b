"""Counting rounds by the minute is counting them one by one, as far as an hour goes."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_app.meters.tally import Tally
from meter_io.errors import GarbledReply, NoReply, PortError

MINUTE_MS = 60_000
steps = st.lists(
    st.tuples(st.integers(0, 20 * MINUTE_MS), st.sampled_from(["took", "damaged", "silent", "gone"])),
    max_size=60,
)


@given(steps, st.integers(0, 90 * MINUTE_MS))
def test_an_hour_is_counted_as_by_hand(steps: list[tuple[int, str]], later_ms: int) -> None:
    tally, now_ms, seen = Tally(), 0, []
    for after_ms, what in steps:
        now_ms += after_ms
        seen.append((now_ms, what))
        if what == "took":
            tally.took(now_ms, 7)
        else:
            tally.failed(
                now_ms, {"damaged": GarbledReply("x"), "silent": NoReply("x"), "gone": PortError("x")}[what]
            )
    now_ms += later_ms
    lately = [what for at_ms, what in seen if at_ms // MINUTE_MS > now_ms // MINUTE_MS - 60]
    counts = tally.counts(now_ms)
    assert counts["rounds"] == len(lately)
    assert counts["damaged"] == lately.count("damaged")
    assert counts["unanswered"] == lately.count("silent") + lately.count("gone")
    assert counts.get("read_ms") == (7 if any(what == "took" for _, what in seen) else None)
    assert len(tally._minutes) <= 60
