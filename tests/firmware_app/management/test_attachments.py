"""Fetching what bundles bring: from the desk's own chunks, over a line that loses, from sticks, through power cuts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from deploy.operator.desk.attachments import Attachments
from firmware_app.fleet.attachment import (
    CHUNK_BYTES,
    MAX_ASKED,
    Attachment,
    Chunk,
    Use,
    Want,
    attachment_of,
    chunk_from_bytes,
    want_from_bytes,
)
from firmware_app.management.attachments import (
    FIRST_MS,
    ROOM_BYTES,
    SYNC_CHUNKS,
    AttachmentFolder,
    Fetcher,
)
from light_client.rules.errors import RuleViolation
from tests.firmware_app.management.world import Cut, CutFiles

CHUNKS = 75
DATA = Random(5).randbytes(CHUNKS * CHUNK_BYTES - 1_000)


class Line:
    """A desk with one file, and a device that fetches it; time is the test's."""

    def __init__(self, folder: Path, data: bytes = DATA) -> None:
        source = folder / "source"
        source.write_bytes(data)
        self.attachment = attachment_of(source, Use.FIRMWARE)
        self.desk = Attachments(folder / "desk")
        self.desk.keep(self.attachment, source)
        self.here = AttachmentFolder(folder / "data")
        self.notes: list[tuple[str, str]] = []
        self.files = CutFiles()
        self.now_ms = 0
        self.asked: list[Want] = []
        self.begin()

    def begin(self) -> None:
        """The program starts."""
        self.files.left = None
        self.fetcher = Fetcher(self.here, lambda *note: self.notes.append(note), self.files)
        self.fetcher.want((self.attachment,))

    def chunks(self) -> Iterator[Chunk]:
        """What the desk answers to what the device asks for now; nothing where it does not ask."""
        want = self.fetcher.ask(self.now_ms)
        if want is not None:
            self.asked.append(want_from_bytes(want.encode()))
            yield from self.desk.chunks(want)

    def fetch(self) -> None:
        """Until everything is here."""
        while not self.fetcher.is_complete:
            self.now_ms += FIRST_MS + 1
            for chunk in self.chunks():
                self.fetcher.hear(chunk.encode())

    @property
    def got(self) -> bytes | None:
        """The file, once it has its name."""
        path = self.here.file(self.attachment)
        return path.read_bytes() if path.exists() else None

    @property
    def refusals(self) -> list[str]:
        """What was refused."""
        return [sentence for name, sentence in self.notes if name == "fleet.refused"]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.fetcher.close()


def test_a_file_comes_in_bounded_steps_and_gets_its_name_when_it_is_whole(line: Line) -> None:
    assert line.here.missing(line.attachment) == f"the firmware {line.attachment.root.hex()[:16]}"
    line.fetch()
    assert line.got is None, "not before it was read again"
    assert line.fetcher.finish()
    assert line.got == DATA
    assert line.here.missing(line.attachment) == ""
    assert {want.count for want in line.asked} == {MAX_ASKED, CHUNKS % MAX_ASKED}
    assert len(line.asked) == -(-CHUNKS // MAX_ASKED)


def test_it_goes_on_where_it_was(line: Line) -> None:
    while line.fetcher.have < 50:
        for chunk in line.chunks():
            line.fetcher.hear(chunk.encode())
    line.fetcher.close()
    line.asked.clear()
    line.begin()
    assert line.fetcher.have == 50 - SYNC_CHUNKS - 1 or line.fetcher.have >= 50 - SYNC_CHUNKS - MAX_ASKED
    line.fetch()
    assert line.fetcher.finish()
    assert line.got == DATA
    assert line.asked[0].first > 0


def hostile(chunk: Chunk, other: Chunk, chance: Random) -> Iterator[bytes]:
    """What somebody on the way makes of a chunk."""
    raw, place = chunk.encode(), chance.randrange(len(chunk.data))
    flipped = chunk.data[:place] + bytes([chunk.data[place] ^ 1]) + chunk.data[place + 1 :]
    yield replace(chunk, data=flipped).encode()
    yield replace(chunk, data=chunk.data[:-1]).encode()
    yield replace(chunk, data=chunk.data + b"x").encode() if len(chunk.data) < CHUNK_BYTES else raw[:-1]
    yield replace(chunk, data=other.data).encode()
    yield replace(chunk, proof=other.proof).encode()
    yield replace(chunk, proof=chunk.proof[:-1]).encode()
    yield replace(chunk, data=other.data, proof=other.proof).encode()
    yield raw[: chance.randrange(len(raw))]
    yield raw + b"\0"
    yield chance.randbytes(200)


def test_nothing_but_the_true_chunk_is_written(line: Line) -> None:
    chance, cases = Random(3), 0
    while not line.fetcher.is_complete:
        line.now_ms += FIRST_MS + 1
        for chunk in line.chunks():
            before = line.fetcher.have
            (other,) = line.desk.chunks(Want(root=chunk.root, first=(chunk.number + 7) % CHUNKS, count=1))
            for raw in hostile(chunk, other, chance):
                line.fetcher.hear(raw)
                cases += 1
            assert line.fetcher.have == before
            line.fetcher.hear(replace(chunk, root=bytes(32)).encode())
            line.fetcher.hear(replace(chunk, number=chunk.number + 1).encode())
            assert line.fetcher.have == before
            line.fetcher.hear(chunk.encode())
            line.fetcher.hear(chunk.encode())
            assert line.fetcher.have == before + 1
    assert cases >= 500
    assert len(line.refusals) == cases, "each with its reason"
    assert {sentence[:6] for sentence in line.refusals} == {"FLT-02", "FLT-25"}
    assert line.fetcher.finish()
    assert line.got == DATA


def test_who_gets_no_answer_asks_again_later_each_time(line: Line) -> None:
    moments = [second for second in range(3_000) if line.fetcher.ask(second * 1_000) is not None]
    pauses = [after - before for before, after in pairwise(moments)]
    assert pauses[:3] == [30, 60, 120]
    assert max(pauses) == 600
    line.fetcher.connected()
    assert line.fetcher.ask(3_000_001) is not None, "a new connection is asked at once"


def test_a_file_that_lies_on_the_disk_damaged_is_fetched_anew(line: Line) -> None:
    line.fetch()
    part = next(line.here.path.glob("*.part"))
    with part.open("r+b") as file:
        file.seek(40_000)
        file.write(b"bad sector")
    assert not line.fetcher.finish()
    assert line.got is None
    assert "FLT-25" in line.refusals[-1]
    line.fetcher.want((line.attachment,))
    line.fetch()
    assert line.fetcher.finish()
    assert line.got == DATA


def test_whenever_the_power_goes_what_has_its_name_is_whole(tmp_path: Path) -> None:
    data = Random(6).randbytes(3 * CHUNK_BYTES)
    for cut in range(40):
        folder = tmp_path / str(cut)
        folder.mkdir()
        line = Line(folder, data)
        line.files.left = cut
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("firmware_app.management.attachments.SYNC_CHUNKS", 1)
            was_cut = False
            try:
                line.fetch()
                line.fetcher.finish()
            except Cut:
                was_cut = True
            assert line.got in (None, data)
            line.files.left = None
            line.fetcher.close()
            line.begin()
            if line.got is None:
                line.fetch()
                assert line.fetcher.finish()
            assert line.got == data
            line.fetcher.close()
        if not was_cut:
            break
    else:
        pytest.fail("the cuts never came to an end")
    assert cut >= 6


def test_a_stick_brings_it_too(line: Line, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    folder = stick / "gridlight" / "attachments"
    folder.mkdir(parents=True)
    assert not line.fetcher.look_at(stick)
    lying = folder / line.attachment.root.hex()
    lying.write_bytes(DATA[:-1] + b"?")
    assert not line.fetcher.look_at(stick), "something else under its name"
    line.fetcher.want((line.attachment,))
    lying.write_bytes(DATA)
    assert line.fetcher.look_at(stick)
    assert line.got == DATA


def test_a_link_on_a_stick_leads_nowhere(line: Line, tmp_path: Path) -> None:
    folder = tmp_path / "stick" / "gridlight" / "attachments"
    folder.mkdir(parents=True)
    (folder / line.attachment.root.hex()).symlink_to(tmp_path / "source")
    assert not line.fetcher.look_at(tmp_path / "stick")


def test_what_does_not_fit_is_not_begun(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        f_bavail = (ROOM_BYTES + len(DATA)) // 4_096 - 10
        f_frsize = 4_096

    line.fetcher.close()
    monkeypatch.setattr("firmware_app.management.attachments.os.statvfs", lambda _: Full())
    line.begin()
    assert line.fetcher.ask(0) is None
    line.fetcher.want(())
    line.fetcher.want((line.attachment,))
    assert [name for name, _ in line.notes] == ["fleet.no-room"], "it is said once"


def test_what_nothing_names_is_swept_away(line: Line) -> None:
    line.fetch()
    line.fetcher.finish()
    (line.here.path / "ab.part").write_bytes(b"left over")
    line.here.sweep({line.attachment.root.hex()})
    assert [path.name for path in line.here.path.iterdir()] == [line.attachment.root.hex()]
    line.here.sweep(())
    assert list(line.here.path.iterdir()) == []


def test_a_desk_hands_out_what_it_has_and_nothing_else(line: Line) -> None:
    assert line.desk.chunks(Want(root=bytes(32), first=0, count=1)) == []
    assert line.desk.chunks(Want(root=line.attachment.root, first=CHUNKS, count=8)) == []
    last = line.desk.chunks(Want(root=line.attachment.root, first=CHUNKS - 1, count=8))
    assert [len(chunk.data) for chunk in last] == [CHUNK_BYTES - 1_000]
    assert chunk_from_bytes(last[0].encode()) == last[0]


@pytest.mark.parametrize("count", [0, MAX_ASKED + 1])
def test_nobody_asks_for_more_than_a_few(count: int) -> None:
    with pytest.raises(RuleViolation, match="FLT-02"):
        Want(root=bytes(32), first=0, count=count)


def test_an_attachment_of_one_chunk(tmp_path: Path) -> None:
    line = Line(tmp_path, b"genesis")
    line.fetch()
    assert line.fetcher.finish()
    assert line.got == b"genesis"
    assert Attachment(use=Use.FILE, root=line.attachment.root, size=7).chunks == 1
