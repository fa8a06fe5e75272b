"""Bytes and settings by chance: an answer comes to everything, and only what is right is taken."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_app.fleet.change import UNSET
from firmware_app.fleet.document import config_of
from firmware_app.fleet.envelope import Envelope, Kind
from firmware_app.fleet.verification import Approved, Clock, Judgement, judge
from light_client.rules.crypto import verify
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.verdict import Rejected, Undecided
from tests.firmware_app.fleet.world import (
    ANNA,
    BERT,
    CLEO,
    FLEET,
    NOW_MS,
    bundle,
    delta,
    example,
    signed,
    standing,
)

EVERYBODY = (ANNA, BERT, CLEO)
GOOD = signed(bundle(1))


def answer(raw: bytes) -> Judgement:
    """What the rules say."""
    return judge(raw, standing(), Clock(utc_ms=NOW_MS), verify, lambda _: "")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_bundle_with_other_bytes_is_never_taken(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(GOOD) - 1))
    length = data.draw(st.integers(0, 3))
    put = data.draw(st.binary(max_size=3))
    raw = GOOD[:place] + put + GOOD[place + length :]
    verdict = answer(raw)
    assert raw == GOOD or isinstance(verdict, Rejected | Undecided)
    assert raw != GOOD or isinstance(verdict, Approved)


WIRE: Any = st.recursive(
    st.one_of(
        st.integers(-(1 << 64), (1 << 64) - 1), st.binary(max_size=40), st.text(max_size=8), st.integers(0, 9)
    ),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)


@given(st.integers(0, 8), WIRE)
@settings(max_examples=150, deadline=None)
def test_a_body_of_any_form_gets_an_answer_though_truly_signed(place: int, odd: Any) -> None:
    fine = bundle(1)
    fields: list[Any] = [
        FLEET, 1, 1, fine.issued_ms, fine.expires_ms, 1, (0,), fine.plan.to_wire(), fine.content.to_wire(),
    ]  # fmt: skip
    fields[place] = odd
    envelope = Envelope(kind=Kind.BUNDLE, body=encode(tuple(fields)), signatures=())
    verdict = answer(envelope.signed(FLEET, EVERYBODY).encode())
    assert isinstance(verdict, Approved | Rejected | Undecided)
    if isinstance(verdict, Approved):
        config_of(verdict.document)


def paths_of(tree: dict[str, Any], path: tuple[str, ...] = ()) -> list[str]:
    """Dotted paths of everything in the example, sections and entries too."""
    found = []
    for key, value in tree.items():
        found.append(".".join((*path, key)))
        if isinstance(value, dict):
            found += paths_of(value, (*path, key))
        elif value and isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
            for entry in value:
                found.append(".".join((*path, key, entry["name"])))
                found += paths_of(entry, (*path, key, entry["name"]))
    return found


PATHS = sorted({"nothing", "privacy.nothing", "meter.*.poll_ms", *paths_of(example())})
VALUE: Any = st.recursive(
    st.one_of(
        st.integers(-(1 << 63), (1 << 63) - 1),
        st.sampled_from(
            [0, 1, -1, 1_000, "", "x", "all", True, False, "tcp://192.0.2.1:7000", "12:00-13:00"]
        ),
        st.text(max_size=12),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("abcn", max_size=4), inner, max_size=3),
    ),
    max_leaves=5,
)


@given(st.sampled_from(PATHS), st.one_of(VALUE, st.just(UNSET)))
@settings(max_examples=250, deadline=None)
def test_any_setting_is_taken_with_its_schema_or_refused_by_a_rule(path: str, value: Any) -> None:
    try:
        raw = signed(bundle(1, delta((path, value))), EVERYBODY)
    except RuleViolation as error:
        assert "deep" in str(error)
        return
    verdict = answer(raw)
    assert not isinstance(verdict, Undecided)
    if isinstance(verdict, Approved):
        config = config_of(verdict.document)
        assert config.device.name == "meter-0101"
        assert verdict.document["status"]["password_file"] == example()["status"]["password_file"]
    else:
        assert verdict.rule in ("FLT-02", "FLT-13", "FLT-14", "FLT-15"), verdict
