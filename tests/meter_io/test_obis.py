"""OBIS codes: every spelling that meters use is one code, anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter_io.obis import IMPORT_TOTAL, Obis

GROUP = st.integers(0, 255)


@pytest.mark.parametrize("text", ["1-0:1.8.0", "1.8.0", "1-0:1.8.0*255", "1-0:1.8.0&255"])
def test_the_spellings_of_the_import_total_are_one_code(text: str) -> None:
    assert Obis.parse(text) == IMPORT_TOTAL


@given(GROUP, GROUP, GROUP, GROUP, GROUP, GROUP)
def test_text_and_bytes_give_the_code_back(a: int, b: int, c: int, d: int, e: int, f: int) -> None:
    code = Obis(a, b, c, d, e, f)
    assert Obis.parse(str(code)) == code == Obis.from_bytes(bytes([a, b, c, d, e, f]))


@pytest.mark.parametrize(
    "text", ["", "1", "1-0:1", "1-0:256.8.0", "1-0:1.8.0 ", "x1.8.0", "1-0:1.8.0*999", "\u0661.\u0668.\u0660"]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="OBIS"):
        Obis.parse(text)


@given(st.binary(max_size=12).filter(lambda code: len(code) != 6))
def test_a_code_has_six_bytes(code: bytes) -> None:
    with pytest.raises(ValueError, match="6 bytes"):
        Obis.from_bytes(code)
