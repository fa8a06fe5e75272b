"""The topics of the management plane."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.fleet.topics import Heard, Said, Topics
from light_client.rules.errors import LocalError

TOPICS = Topics(bytes(range(32)))


@pytest.mark.parametrize("said", list(Said))
def test_what_is_written_is_read(said: Said) -> None:
    kind = "delivery" if said is Said.LETTER else ""
    topic = TOPICS.device("meter-0101", said, kind)
    assert topic.startswith("gridlight/1/0001020304050607/device/meter-0101/")
    assert TOPICS.heard(topic) == Heard("meter-0101", said, kind)


@pytest.mark.parametrize("name", ["", "a/b", "#", "a+", "a b", "ä", ".a", "a" * 61, "a\n", "$SYS"])
def test_a_name_that_could_mean_something_else_is_refused(name: str) -> None:
    with pytest.raises(LocalError, match="name in a topic"):
        TOPICS.device(name, Said.DESIRED)
    with pytest.raises(LocalError, match="name in a topic"):
        TOPICS.enrol(name, "request")


@pytest.mark.parametrize(
    "topic",
    [
        "gridlight/1/0001020304050607/keys/1",
        "gridlight/1/0001020304050607/device/a",
        "gridlight/1/0001020304050607/device/a/letter",
        "gridlight/1/0001020304050607/device/a/desired/x",
        "gridlight/1/0001020304050607/device/a/other",
        "gridlight/1/ffffffffffffffff/device/a/desired",
        "x/gridlight/1/0001020304050607/device/a/desired",
        "gridlight/1/0001020304050607/device//desired",
    ],
)
def test_other_topics_mean_nothing(topic: str) -> None:
    assert TOPICS.heard(topic) is None


@given(st.text(max_size=80))
def test_no_topic_is_too_strange_to_be_looked_at(rest: str) -> None:
    heard = TOPICS.heard(f"{TOPICS.root}/device/{rest}")
    assert heard is None or TOPICS.device(heard.device, heard.said, heard.kind).endswith(rest)
