"""The error tree: messages say the rule, what was got and what was expected, and stay short."""

import copy
import pickle

import pytest

from light_client.rules.errors import (
    LightClientError,
    LocalError,
    MalformedError,
    RuleViolation,
    TransportError,
    shown,
)


def test_message_is_derived_from_its_parts() -> None:
    error = RuleViolation("MKT-03", "prices do not cross", got=12, expected=9)
    assert str(error) == "MKT-03: prices do not cross (got 12, expected 9)"
    assert (error.rule, error.reason, error.got, error.expected) == ("MKT-03", "prices do not cross", 12, 9)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuleViolation("LED-01", "wrong chain"), "LED-01: wrong chain"),
        (RuleViolation("LED-01", "wrong chain", got=None), "LED-01: wrong chain (got None)"),
        (LocalError("no such leaf", expected="0 to 3"), "no such leaf (expected 0 to 3)"),
        (TransportError("the server is silent"), "the server is silent"),
    ],
)
def test_what_was_not_said_is_left_out(error: LightClientError, message: str) -> None:
    assert str(error) == message


@pytest.mark.parametrize(
    ("value", "picture"),
    [
        (b"", "no bytes"),
        (b"\x01\x02", "0x0102"),
        (bytes(range(64)), "0x00010203… (64 bytes)"),
        (bytearray(range(9)), "0x00010203… (9 bytes)"),
        ("two\nlines", "two lines"),
        ("x" * 500, "x" * 80 + "…"),
        (-7, "-7"),
        pytest.param(10**5000, "an integer of 16610 bits", id="huge"),
        ((1, b"ab"), "(1, b'ab')"),
    ],
)
def test_values_are_shown_short_on_one_line(value: object, picture: str) -> None:
    assert shown(value) == picture


def test_types_say_who_is_to_blame() -> None:
    assert issubclass(MalformedError, RuleViolation)
    for kind in (RuleViolation, LocalError, TransportError):
        assert issubclass(kind, LightClientError)
    assert not issubclass(LocalError, RuleViolation)
    assert not issubclass(TransportError, RuleViolation)


@pytest.mark.parametrize(
    "error", [MalformedError("ENC-01", "too long", got=9), LocalError("a bug", expected=1)]
)
def test_errors_survive_copying_and_other_processes(error: LightClientError) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert str(twin) == str(error)


def test_a_long_integer_inside_a_structure_is_pictured_by_its_length() -> None:
    text = str(RuleViolation("MKT-10", "numbers of a plan", got=(0, (1 << 20_000,))))
    assert "an integer of 20001 bits" in text
