"""Meters with keys of their own: the operator registers these, and no others."""

from pathlib import Path

import pytest

from light_client.rules.crypto import public_key_of
from light_client.store.memory import MemoryStorage
from testbed.dso.registry import WithdrawalRefusedError
from testbed.live.enrolled import EnrolledError, enrol, enrolled
from testbed.scenarios import catalogue
from testbed.simulation.day import cast_of

_OWN = public_key_of(bytes([5] * 32))


def test_what_is_written_down_is_read(tmp_path: Path) -> None:
    assert enrolled(tmp_path) == {}
    enrol(tmp_path, {101: _OWN})
    assert enrolled(tmp_path) == {101: _OWN}


@pytest.mark.parametrize("text", ["{", "[]", '{"x": "00"}', '{"101": "zz"}', '{"101": 5}', '{"101": "00"}'])
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "enrolled.json").write_text(text, encoding="utf-8")
    with pytest.raises(EnrolledError):
        enrolled(tmp_path)


def test_the_operator_knows_the_own_key_and_no_longer_the_other() -> None:
    file = catalogue.find("village")
    cast = cast_of(file, catalogue.build(file), 1)
    registry = cast.operator(MemoryStorage(), own_keys={101: _OWN}).registry
    assert registry.registration(_OWN).meter_id == 101
    with pytest.raises(WithdrawalRefusedError):
        registry.registration(public_key_of(cast.secret("meter", 101)))
    assert registry.registration(public_key_of(cast.secret("meter", 102))).meter_id == 102
