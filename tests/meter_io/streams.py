"""What every framer must do with any stream, however it is cut up."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import strategies as st

from meter_io.framing import MAX_HELD_BYTES, Framer
from meter_io.telegram import Event, Rejected, Telegram


def told(events: Sequence[Event]) -> list[object]:
    """Events without what is no part of the promise."""
    return [
        (event.offset, event.raw, event.reason)
        if isinstance(event, Rejected)
        else (event.offset, event.raw, event.model, event.values, event.texts, event.times)
        for event in events
    ]


def at_once(framer: Framer, data: bytes) -> list[Event]:
    return [*framer.feed(data), *framer.end()]


def in_pieces(framer: Framer, data: bytes, cuts: Sequence[int]) -> list[Event]:
    """Feed the data cut at the given places, watching the memory."""
    events: list[Event] = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for first, last in pairwise(places):
        events += framer.feed(data[first:last])
        assert framer.held_bytes <= MAX_HELD_BYTES
    return events + framer.end()


def byte_by_byte(framer: Framer, data: bytes) -> list[Event]:
    events: list[Event] = []
    for position in range(len(data)):
        events += framer.feed(data[position : position + 1])
    return events + framer.end()


def assert_every_byte_is_accounted_for(events: Sequence[Event], data: bytes) -> None:
    """Events lie side by side and are the stream."""
    position = 0
    for event in events:
        assert event.offset == position
        assert event.raw == data[position : position + len(event.raw)]
        position += len(event.raw)
    assert position == len(data)


def accepted(events: Sequence[Event]) -> list[Telegram]:
    return [event for event in events if isinstance(event, Telegram)]


def refused(events: Sequence[Event]) -> list[Rejected]:
    return [event for event in events if isinstance(event, Rejected)]


@st.composite
def streams(draw: st.DrawFn, telegrams: st.SearchStrategy[bytes], marks: bytes) -> bytes:
    """Telegrams, whole, damaged and cut, between garbage that looks like telegrams."""
    garbage = st.binary(max_size=40) | st.lists(st.sampled_from([bytes([mark]) for mark in marks])).map(
        b"".join
    )
    parts: list[bytes] = []
    for _ in range(draw(st.integers(0, 4))):
        telegram = draw(telegrams)
        kind = draw(st.sampled_from(["whole", "whole", "damaged", "cut", "garbage"]))
        at = draw(st.integers(0, len(telegram) - 1))
        if kind == "damaged":
            telegram = telegram[:at] + bytes([telegram[at] ^ draw(st.integers(1, 255))]) + telegram[at + 1 :]
        elif kind == "cut":
            telegram = telegram[:at]
        elif kind == "garbage":
            telegram = draw(garbage)
        parts.append(telegram)
    return b"".join(parts)


def assert_cutting_changes_nothing(make: Callable[[], Framer], data: bytes, cuts: Sequence[int]) -> None:
    whole = told(at_once(make(), data))
    assert told(in_pieces(make(), data, cuts)) == whole
    assert told(byte_by_byte(make(), data)) == whole
