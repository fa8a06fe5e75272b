"""Settings survive whatever becomes of their file: the version before answers, and says so."""

import json
from pathlib import Path
from random import Random

import pytest
from tinydb import TinyDB

from firmware_app.store.settings import MAX_BYTES, Settings
from light_client.store.errors import StoreError
from tests.firmware_app.store.store_kit import FULL, FailingDisk, FailingFiles


def _settings(folder: Path, told: list[str]) -> Settings:
    return Settings(folder / "settings.json", lambda name, sentence: told.append(f"{name}: {sentence}"))


def _two_versions(folder: Path) -> bytes:
    settings = _settings(folder, [])
    settings.put("config", {"version": 1})
    settings.put("config", {"version": 2})
    settings.close()
    return (folder / "settings.json").read_bytes()


def test_documents_come_back_by_name(tmp_path: Path) -> None:
    told: list[str] = []
    settings = _settings(tmp_path, told)
    settings.put("b", {"n": 1, "text": "Zähler", "list": [1, {"x": None}]})
    settings.put("a", {})
    settings.put("b", {"n": 2})
    settings.close()
    again = _settings(tmp_path, told)
    assert again.names() == ["a", "b"]
    assert again.get("b") == {"n": 2}
    assert again.get("c") is None
    again.delete("a")
    again.delete("never there")
    assert again.names() == ["b"]
    assert told == []
    again.close()


def test_the_file_is_one_that_people_can_read_and_tinydb_wrote(tmp_path: Path) -> None:
    document = json.loads(_two_versions(tmp_path))
    assert list(document) == ["schema", "sha256", "tables"]
    assert document["tables"]["documents"]["1"] == {"name": "config", "document": {"version": 2}}


def test_a_file_torn_anywhere_lets_the_version_before_answer(tmp_path: Path) -> None:
    whole = _two_versions(tmp_path)
    path = tmp_path / "settings.json"
    previous = (tmp_path / "settings.json.previous").read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        told: list[str] = []
        settings = _settings(tmp_path, told)
        assert settings.get("config") == {"version": 1}, length
        assert [line.split(":")[0] for line in told] == ["settings.fell-back"]
        settings.put("config", {"version": 3})
        settings.close()
        assert (tmp_path / "settings.json.previous").read_bytes() == previous, (
            "garbage took the good one's place"
        )
        assert _settings(tmp_path, told).get("config") == {"version": 3}


def test_a_single_flipped_bit_is_noticed(tmp_path: Path) -> None:
    whole = _two_versions(tmp_path)
    chance = Random(3)
    for _ in range(60):
        place = chance.randrange(len(whole))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        (tmp_path / "settings.json").write_bytes(flipped)
        told: list[str] = []
        version = _settings(tmp_path, told).get("config")
        unharmed = json.loads(whole) == _loaded(bytes(flipped))
        assert version == ({"version": 2} if unharmed else {"version": 1})
        assert bool(told) is not unharmed


def _loaded(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def test_where_both_versions_are_damaged_settings_begin_anew_and_say_so(tmp_path: Path) -> None:
    _two_versions(tmp_path)
    for name in ("settings.json", "settings.json.previous"):
        (tmp_path / name).write_bytes(b"\0" * 100)
    told: list[str] = []
    settings = _settings(tmp_path, told)
    assert settings.names() == []
    assert [line.split(":")[0] for line in told] == ["settings.lost"]
    settings.put("config", {"version": 9})
    settings.close()
    assert _settings(tmp_path, told).get("config") == {"version": 9}
    assert len(list(tmp_path.iterdir())) <= 3, "damaged files pile up"


def test_a_full_disk_leaves_the_present_version_and_the_next_attempt_works(tmp_path: Path) -> None:
    disk = FailingDisk()
    settings = Settings(
        tmp_path / "settings.json", lambda name, sentence: pytest.fail(sentence), files=FailingFiles(disk)
    )
    settings.put("config", {"version": 1})
    disk.code = FULL
    with pytest.raises(StoreError, match="cannot be written"):
        settings.put("config", {"version": 2})
    assert settings.get("config") == {"version": 1}
    disk.code = 0
    settings.put("config", {"version": 2})
    assert settings.get("config") == {"version": 2}
    settings.close()


def test_what_json_cannot_hold_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    settings = _settings(tmp_path, [])
    settings.put("config", {"version": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        settings.put("config", {"version": float("nan")})
    with pytest.raises(TypeError):
        settings.put("config", {"version": b"bytes"})
    with pytest.raises(StoreError, match="too large"):
        settings.put("config", {"text": "x" * MAX_BYTES})
    assert settings.get("config") == {"version": 1}
    settings.put("keys", {"numbers": {10: "ten", 9: "nine"}})
    settings.close()
    assert _settings(tmp_path, []).get("keys") == {"numbers": {"10": "ten", "9": "nine"}}


def test_tinydbs_own_storage_does_lose_everything_to_a_torn_file(tmp_path: Path) -> None:
    """Why `AtomicStorage` exists."""
    path = tmp_path / "plain.json"
    database = TinyDB(path)
    database.insert({"version": 1})
    database.close()
    path.write_bytes(path.read_bytes()[:-5])
    torn = TinyDB(path)
    with pytest.raises(ValueError, match="Expecting"):
        torn.all()
    torn.close()
