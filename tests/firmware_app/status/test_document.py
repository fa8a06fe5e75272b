"""Snapshots survive JSON; documents of others are refused with the place, or read as far as both know."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.status.document import DocumentError, from_document, to_document
from firmware_app.status.snapshot import SCHEMA, Absent, Snapshot
from tests.firmware_app.status.made_up import SNAPSHOTS
from tests.status_kit import BARE, FAILED, TRADING


@given(SNAPSHOTS)
def test_any_snapshot_survives_json(snapshot: Snapshot) -> None:
    assert from_document(json.loads(json.dumps(to_document(snapshot)))) == snapshot


@pytest.mark.parametrize("snapshot", [TRADING, FAILED, BARE])
def test_absent_is_null_with_a_reason_and_never_zero(snapshot: Snapshot) -> None:
    def look(document: Any) -> None:
        if isinstance(document, list):
            for item in document:
                look(item)
        if isinstance(document, dict):
            for key, value in document.items():
                assert not isinstance(value, float)
                assert (value is None) == (f"{key}_why" in document)
                look(value)

    look(to_document(snapshot))


def test_keys_of_a_later_release_are_passed_over_and_missing_ones_take_their_defaults() -> None:
    document = {"schema": SCHEMA, "age_ms": 5, "novelty": {"a": 1}, **to_document(BARE)}
    for name in ("slots", "slots_why", "parts", "parts_why"):
        del document[name]
    read = from_document(document)
    assert read.parts == Absent("not watched")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.update(schema="gridlight.status/2"), "expected schema"),
        (lambda d: d.pop("life"), "status lacks life"),
        (lambda d: d.update(life=[]), "status.life is an object"),
        (lambda d: d["device"].update(up_ms=True), "status.device.up_ms is int, got bool"),
        (lambda d: d["device"].update(name="x" * 2_001), "at most 2000"),
        (lambda d: d.update(made_monotonic_ms=1 << 70), "64 bits"),
        (lambda d: d.update(meters=[{}] * 200), "a list of at most"),
        (lambda d: d.update(clock=None, clock_why=7), "status.clock_why is str"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(change: Any, place: str) -> None:
    document = {"schema": SCHEMA, **to_document(TRADING)}
    change(document)
    with pytest.raises(DocumentError, match=place):
        from_document(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(to_document(BARE))), inner)
    ),
    max_leaves=10,
)


@given(JSON)
def test_rubbish_is_refused_with_an_own_error(document: Any) -> None:
    with pytest.raises(DocumentError):
        from_document(document)


@given(st.sampled_from(sorted(to_document(TRADING))), JSON)
def test_a_spoilt_document_is_read_or_refused(key: str, value: Any) -> None:
    document = to_document(TRADING) | {key: value}
    try:
        assert isinstance(from_document(document), Snapshot)
    except DocumentError as error:
        assert key in error.sentence
