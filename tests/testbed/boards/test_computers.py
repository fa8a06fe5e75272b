"""Boards as whole computers, as far as that goes without starting one; and fleets of boards in different things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_type_hints

import pytest

from deploy.image import layout
from firmware_app.config.enrolment import enrolment_of
from firmware_app.config.keys import DeviceKeys
from firmware_app.identity.identity import SecretIdentity
from light_client.rules.crypto import public_key_of
from testbed.boards.computers import Computers
from testbed.boards.faults import Kind
from testbed.boards.housing import Account, Board, Housing, HousingError, Inside, Memory
from testbed.boards.mixed import Mixed
from testbed.boards.neighbours import HOME, NAME, Stretch, enrolled_keys
from testbed.fleet.virtual_meters.ends import End, TcpEnd
from testbed.qemu import cards
from testbed.qemu.errors import BoardError
from testbed.qemu.machine import HOST, MACHINES, METER_PORT
from testbed.qemu.partitions import File, put, taken
from tests.testbed.qemu.card_kit import empty_card, need_tools

_IDENTITY, _SEED = bytes([7] * 32), bytes([9] * 32)


def _board(folder: Path) -> Board:
    (folder / "data").mkdir(parents=True)
    (folder / "gridlight.toml").write_text("[device]\n", encoding="utf-8")
    (folder / "genesis.cbor").write_bytes(b"\x80")
    (folder / "data" / "identity.key").write_text("secret\n", encoding="utf-8")
    return Board(name=NAME, home_id=HOME, folder=folder, door=folder)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    need_tools()
    return empty_card(tmp_path)


def test_a_computer_gets_a_card_of_its_own_with_everything_on_it(card: Path, tmp_path: Path) -> None:
    put(card, layout.DATA, [File(path="/state/market.sqlite", content=b"of an earlier life")])
    board = _board(tmp_path / "board")
    computers = Computers(MACHINES["virt"], lambda: card)
    computers.prepare(board)
    own = board.folder / "computer" / "card.img"
    assert own.stat().st_size == cards.SLOT_BYTES
    assert taken(own, layout.DATA, "/etc/gridlight.toml") == b"[device]\n"
    assert taken(own, layout.DATA, "/state/identity.key") == b"secret\n"
    assert taken(own, layout.DATA, "/state/market.sqlite") is None
    assert taken(own, layout.ROOT_A, "/etc/systemd/system/gridlight.service.d/run.conf")
    assert b"server 10.0.2.2 port" in (cards.taken_from(own, "time.sources") or b"")
    assert taken(card, layout.DATA, "/etc/gridlight.toml") is None, "the image stays as it was built"
    end = computers.plug(board)
    assert isinstance(end, TcpEnd)
    end.unplug()
    assert computers.memory(board) is None
    with pytest.raises(HousingError, match="says nothing"):
        computers.status(board)
    assert computers.end(board) is None, "it was never on"
    assert computers.account(board) == Account(written_bytes=0, cuts_while_writing=0)
    computers.close()
    assert not own.exists()


def test_a_computer_reaches_this_machine_by_another_address(card: Path, tmp_path: Path) -> None:
    board = _board(tmp_path / "board")
    computers = Computers(MACHINES["virt"], lambda: card)
    assert computers.endpoint(board, "tcp://127.0.0.1:7001") == f"tcp://{HOST}:7001"
    assert computers.endpoint(board, "tcp://172.18.0.1:7001") == "tcp://172.18.0.1:7001"
    assert computers.inside(board).meter == METER_PORT
    computers.close()


def test_without_qemu_a_computer_does_not_start(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = _board(tmp_path / "board")
    computers = Computers(MACHINES["virt"], lambda: card)
    computers.prepare(board)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HousingError, match="qemu-system-arm is not installed"):
        computers.switch_on(board)
    with pytest.raises(HousingError):
        computers.reset(board)
    computers.close()


def test_without_a_card_there_are_no_computers() -> None:
    def none() -> Path:
        raise BoardError("there is no card here")

    with pytest.raises(HousingError, match="there is no card here"):
        Computers(MACHINES["virt"], none)


def _enrolled(card: Path, *, signer: bytes = _IDENTITY) -> None:
    secrets = {
        "identity.key": ("gridlight identity 1", _IDENTITY),
        "wallet.seed": ("gridlight wallet seed 1", _SEED),
    }
    put(
        card,
        layout.DATA,
        [
            File(path=f"/state/{name}", content=f"{header}\n{secret.hex()}\n".encode("ascii"), mode=0o600)
            for name, (header, secret) in secrets.items()
        ],
    )
    request = enrolment_of(NAME, DeviceKeys(identity=SecretIdentity(signer), seed=_SEED)).document()
    cards.lay_on(card, {"enrolment.json": json.dumps(request).encode("ascii")})


def test_the_keys_of_a_card_are_those_that_its_request_is_signed_by(card: Path) -> None:
    with pytest.raises(BoardError, match="has made no"):
        enrolled_keys(card)
    _enrolled(card)
    found = enrolled_keys(card)
    assert (found.identity, found.seed) == (_IDENTITY, _SEED)


def test_a_request_of_somebody_else_is_refused(card: Path) -> None:
    _enrolled(card, signer=bytes([8] * 32))
    with pytest.raises(BoardError, match="not signed by its identity"):
        enrolled_keys(card)
    forged = json.loads(cards.taken_from(card, "enrolment.json") or b"")
    forged["identity_key"] = public_key_of(_IDENTITY).hex()
    cards.lay_on(card, {"enrolment.json": json.dumps(forged).encode("ascii")})
    with pytest.raises(BoardError, match="not signed by its identity"):
        enrolled_keys(card)


def test_a_stretch_has_a_reset_and_a_power_cut_within_it() -> None:
    stretch = Stretch(skip=40, intervals=12, speed=60)
    faults = stretch.script(900).boards
    assert [fault.kind for fault in faults] == [Kind.RESET, Kind.DOWN]
    assert all(40 * 900_000 < fault.start_ms < fault.end_ms < 51 * 900_000 for fault in faults)


class _Told:
    """Notes who was asked what."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.told: list[str] = []

    def _tell(self, what: str) -> None:
        self.told.append(what)

    def inside(self, board: Board) -> Inside:
        self._tell(f"inside {board.name}")
        return Inside(data_folder=self.host, meter="", status={})

    def plug(self, board: Board) -> End:
        self._tell(f"plug {board.name}")
        return TcpEnd()

    def endpoint(self, board: Board, server: str) -> str:
        self._tell(f"endpoint {board.name}")
        return f"{self.host} {server}"

    def prepare(self, board: Board) -> None:
        self._tell(f"prepare {board.name}")

    def switch_on(self, board: Board) -> None:
        self._tell(f"switch_on {board.name}")

    def switch_off(self, board: Board) -> None:
        self._tell(f"switch_off {board.name}")

    def reset(self, board: Board) -> None:
        self._tell(f"reset {board.name}")

    def cut(self, board: Board) -> None:
        self._tell(f"cut {board.name}")

    def mend(self, board: Board) -> None:
        self._tell(f"mend {board.name}")

    def status(self, board: Board) -> dict[str, str]:
        self._tell(f"status {board.name}")
        return {}

    def memory(self, board: Board) -> Memory | None:
        self._tell(f"memory {board.name}")
        return None

    def end(self, board: Board) -> int | None:
        self._tell(f"end {board.name}")
        return 0

    def account(self, board: Board) -> Account | None:
        self._tell(f"account {board.name}")
        return None

    def close(self) -> None:
        self._tell("close")


def test_each_call_goes_to_where_the_board_is(tmp_path: Path) -> None:
    first, others = _Told("first"), _Told("others")
    mixed: Housing = Mixed({"a": first, "b": first}, others)
    assert mixed.host == "others", "the tier listens where most can reach it"
    calls = sorted(name for name in vars(Housing) if not name.startswith("_") and name != "close")
    assert len(calls) >= 13
    for name in ("a", "c"):
        board = Board(name=name, home_id=1, folder=tmp_path, door=tmp_path)
        for call in calls:
            more = ("tcp://x:1",) if "server" in get_type_hints(getattr(Housing, call)) else ()
            made = getattr(mixed, call)(board, *more)
            if isinstance(made, TcpEnd):
                made.unplug()
    assert first.told == [f"{call} a" for call in calls]
    assert others.told == [f"{call} c" for call in calls]
    mixed.close()
    assert (first.told[-1], first.told.count("close"), others.told[-1]) == ("close", 1, "close")
