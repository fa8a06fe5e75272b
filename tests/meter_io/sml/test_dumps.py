"""Dumps of real meters: every telegram accounted for, and all values as an independent parser finds them.

The dumps are volkszaehler's test files, which cannot be redistributed: `FILES` beside them tells where each is from.
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from smllib.reader import SmlStreamReader
from smllib.sml.response_get_list import SmlGetListResponse

from meter_io.obis import EXPORT_TOTAL, IMPORT_TOTAL, POWER_NET, Obis
from meter_io.sml import SmlParser
from meter_io.telegram import Reason, Rejected, Telegram
from tests.meter_io.streams import accepted, assert_every_byte_is_accounted_for, at_once, told

WITH_ERROR = "EMH_eHZ-IW8E2A5L0EK2P_with_error.bin"
WRONG_SIGN = "DZG_DVS-7412.2_jmberg.bin"


@pytest.fixture(scope="module")
def dumps(shared_vectors: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((shared_vectors / "sml").glob("*.bin"))}


def judged_by_smllib(data: bytes) -> list[tuple[bytes, dict[Obis, tuple[Decimal, int | None]] | None]]:
    """Frames as smllib cuts them, each with its numbers, or None where smllib refuses it."""
    reader = SmlStreamReader()
    reader.add(data)
    found: list[tuple[bytes, dict[Obis, tuple[Decimal, int | None]] | None]] = []
    while (frame := reader.get_frame()) is not None:
        numbers: dict[Obis, tuple[Decimal, int | None]] | None = {}
        try:
            bodies = [message.message_body for message in frame.parse_frame()]
        except ValueError:
            numbers, bodies = None, []
        for body in bodies:
            for entry in body.val_list if isinstance(body, SmlGetListResponse) else ():
                if isinstance(entry.value, int) and numbers is not None:
                    number = Decimal(entry.value).scaleb(entry.scaler or 0)
                    numbers[Obis.from_bytes(bytes.fromhex(str(entry.obis)))] = number, entry.unit
        found.append((frame.msg_ctx or b"", numbers))
    return found


def test_every_telegram_is_accounted_for(dumps: dict[str, bytes]) -> None:
    """177 frames: 166 are telegrams, the 11 of one file break the grammar, and 15 captures end within a frame."""
    counted: Counter[str] = Counter()
    for name, data in dumps.items():
        events = at_once(SmlParser(), data)
        assert_every_byte_is_accounted_for(events, data)
        reasons = Counter("ok" if isinstance(event, Telegram) else event.reason.value for event in events)
        assert (reasons["structure"] > 0) == (name == WITH_ERROR)
        counted += reasons
    assert len(dumps) == 25
    assert counted == {"ok": 166, "structure": 11, "incomplete": 15, "noise": 5}


def test_an_independent_parser_finds_the_same_frames_and_numbers(dumps: dict[str, bytes]) -> None:
    compared = refusals = 0
    for name, data in dumps.items():
        events = at_once(SmlParser(), data)
        whole = [e for e in events if isinstance(e, Telegram) or e.reason is Reason.STRUCTURE]
        theirs = judged_by_smllib(data)
        assert [event.raw for event in whole] == [raw for raw, _ in theirs]
        for ours, (_, numbers) in zip(whole, theirs, strict=True):
            assert (numbers is None) == isinstance(ours, Rejected)
            if isinstance(ours, Rejected) or numbers is None:
                refusals += 1
                continue
            mine = {code: value.number for code, value in ours.values.items()}
            if name == WRONG_SIGN:
                mine[POWER_NET] -= 65_536 * Decimal("0.01")
            assert mine == {code: number for code, (number, _) in numbers.items()}
            compared += len(mine)
    assert (refusals, compared) == (11, 618)


def test_the_meters_known_for_a_wrong_sign_are_right(dumps: dict[str, bytes]) -> None:
    """Two of the three are right as they are: the vendor alone tells nothing."""
    powers = {
        name: accepted(at_once(SmlParser(), dumps[name]))[0].values[POWER_NET].number
        for name in (WRONG_SIGN, "DZG_DVS-7420.2V.G2_mtr2_neg.bin", "dzg_dwsb20_2th_2byte.bin")
    }
    assert list(powers.values()) == [Decimal("356.24"), Decimal("-105.50"), Decimal("-310.64")]
    assert accepted(at_once(SmlParser(), dumps[WRONG_SIGN]))[0].model == "DZG DVS74"
    untold = accepted(at_once(SmlParser(models=()), dumps[WRONG_SIGN]))[0]
    assert untold.values[POWER_NET].number == Decimal("-299.12"), "without the table it is wrong"


def test_readings_of_one_meter_grow(dumps: dict[str, bytes]) -> None:
    """No total ever falls within a dump: what a decoding error in one telegram would look like."""
    seen = 0
    for data in dumps.values():
        telegrams = accepted(at_once(SmlParser(), data))
        for total in (IMPORT_TOTAL, EXPORT_TOTAL):
            numbers = [telegram.values[total].number for telegram in telegrams if total in telegram.values]
            assert numbers == sorted(numbers)
            seen += len(numbers)
    assert seen > 150


def test_bytes_one_by_one_give_the_same(dumps: dict[str, bytes]) -> None:
    for data in dumps.values():
        parser = SmlParser()
        events = [event for byte in data for event in parser.feed(bytes([byte]))] + parser.end()
        assert told(events) == told(at_once(SmlParser(), data))


def test_the_reason_names_what_is_wrong(dumps: dict[str, bytes]) -> None:
    sentences = {event.sentence for event in at_once(SmlParser(), dumps[WITH_ERROR])[:-1]}  # type: ignore[union-attr]
    assert sentences == {"at byte 313 of the message: 1-0:96.50.2*6 has no value"}
