"""The books of a device at work: what is owed is written down, each day is reported once, sealed, over restarts too."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from firmware_app.device.reporting import OPERATOR, Reporting
from firmware_app.fleet.letters import DELIVERY_REPORT
from firmware_app.reconcile.deviation import FinalTrade, ImbalancePrices
from firmware_app.reconcile.metered import Quality, metered_of
from firmware_app.reconcile.report import DeliveryReport, read_signed_report
from firmware_app.reconcile.sealing import public_seal_key, unseal
from firmware_app.reconcile.settings import ReportSettings
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.outbox import Message, OutboxFullError
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import IntervalRow, SettlementRow, TradeRow
from light_client.rules.crypto import public_key_of, sign, verify
from light_client.rules.units import Side
from meter_io.intervals import IntervalEnergy
from meter_io.reading import MeterId
from meter_io.span import Basis

IDENTITY = bytes(31) + b"\x05"
SEAL = bytes(range(32))
DAY = 20_000
FIRST = DAY * 24
HOUR_MS = 3_600_000
KWH = 3_600_000


@dataclass
class Board:
    """A store, and the books that are built upon it."""

    folder: Path
    to: str = public_seal_key(SEAL).hex()
    now_ms: int = FIRST * HOUR_MS
    store: DeviceStore = field(init=False)
    books: Reporting = field(init=False)

    def __post_init__(self) -> None:
        self.store = DeviceStore(self.folder, StoreParams(), clock=self, boot_id="boot")
        self.books = Reporting(
            meter_id="home-7",
            interval_s=3_600,
            prices=ImbalancePrices(),
            settings=ReportSettings(operator_key=self.to, after_min=60),
            store=self.store,
            sign=lambda message: sign(IDENTITY, message),
            chance=secrets.token_bytes,
        )
        self.books.recall("house", self.now_ms)

    def utc_ms(self) -> int | None:
        return self.now_ms

    def monotonic_ms(self) -> int:
        return self.now_ms

    def count(self, interval: int, drawn: int, basis: Basis = Basis.MEASURED) -> None:
        """An interval of the grid meter is over, as the desk tells."""
        self.now_ms = max(self.now_ms, (interval + 1) * HOUR_MS)
        energy = IntervalEnergy(
            meter=MeterId("house"), interval=interval, energy_j=(drawn, 0), basis=basis, covered_ms=HOUR_MS
        )
        self.store.record(IntervalRow.of(energy, interval_s=3_600))
        self.books.counted(metered_of(energy))

    def live(self, first: int, count: int) -> None:
        for interval in range(first, first + count):
            self.count(interval, KWH)

    def trade(self, interval: int, energy_j: int) -> None:
        """A purchase is final."""
        final = FinalTrade(
            offer_id=interval, side=Side.BUY, interval=interval, energy_j=energy_j, amount_uc=9
        )
        assert self.books.traded(final)
        self.store.record(
            TradeRow(
                at_ms=self.now_ms,
                address=b"a" * 20,
                offer_id=interval,
                side=Side.BUY,
                interval=interval,
                energy_j=energy_j,
                amount_uc=9,
                height=1,
            )
        )

    def sent(self) -> list[DeliveryReport]:
        """What the operator reads in the outbox."""
        return [
            read_signed_report(unseal(message.body, SEAL), {"home-7": public_key_of(IDENTITY)}.get, verify)
            for message in self.store.outbox.pending(OPERATOR)
        ]

    def again(self) -> Board:
        """The same board after it was switched off and on."""
        self.store.close()
        return Board(self.folder, self.to, self.now_ms)


def test_a_day_is_reported_an_hour_after_it_is_over_and_once(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.live(FIRST, 24)
    assert board.sent() == [], "what is estimated may still be measured"
    board.live(FIRST + 24, 1)
    (report,) = board.sent()
    assert (report.first_interval, report.version) == (FIRST, 1)
    assert {row.import_j for row in report.rows} == {KWH}
    board.live(FIRST + 25, 4)
    board = board.again()
    board.live(FIRST + 29, 4)
    board.books.look(board.now_ms)
    assert len(board.sent()) == 1


def test_what_leaves_tells_a_reader_of_the_management_plane_nothing(tmp_path: Path) -> None:
    """One size, no name, no address, no energy: whether the home drew nothing or much, traded or not."""
    bodies = []
    for name, energy_j in (("quiet", 0), ("busy", KWH)):
        (tmp_path / name).mkdir()
        board = Board(tmp_path / name)
        for interval in range(FIRST, FIRST + 25):
            if energy_j:
                board.trade(interval, energy_j)
            board.count(interval, energy_j)
        (message,) = board.store.outbox.pending(OPERATOR)
        assert message.kind == DELIVERY_REPORT
        bodies.append(message.body)
    assert len(bodies[0]) == len(bodies[1])
    for body in bodies:
        assert b"home-7" not in body
        assert KWH.to_bytes(4, "big") not in body
        assert len(set(body)) > 200, "no run of zeros: padding is encrypted too"


def test_a_correction_goes_out_as_the_next_version(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.live(FIRST, 23)
    board.count(FIRST + 23, 5, Basis.ESTIMATED)
    board.live(FIRST + 24, 1)
    board.store.outbox.delivered(OPERATOR, [message.key for message in board.store.outbox.pending(OPERATOR)])
    board = board.again()
    board.count(FIRST + 23, 7)
    board.books.look(board.now_ms)
    (report,) = board.sent()
    assert (report.version, report.rows[23].import_j, report.rows[23].quality) == (2, 7, Quality.MEASURED)
    owing = board.books.owing(board.now_ms)
    assert owing.reported == (DAY, 2)
    assert owing.waiting == 1


def test_what_a_day_came_to_is_kept_and_corrected(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.trade(FIRST + 3, KWH)
    board.live(FIRST, 23)
    board.count(FIRST + 23, KWH, Basis.ESTIMATED)
    board.live(FIRST + 24, 2)
    (row,) = board.store.newest(SettlementRow, 9)
    price = ImbalancePrices().shortage_uc_per_kwh
    assert row == SettlementRow(
        at_ms=(DAY + 1) * 24 * HOUR_MS,
        day=DAY,
        metered_j=-24 * KWH,
        traded_j=-KWH,
        received_uc=-9,
        owed_uc=23 * price,
        provisional=1,
    )
    board = board.again()
    board.count(FIRST + 23, 2 * KWH)
    board.books.look(board.now_ms)
    assert board.store.commit()
    (row,) = board.store.newest(SettlementRow, 9)
    assert (row.owed_uc, row.provisional) == (24 * price, 0)
    owing = board.books.owing(board.now_ms)
    assert (owing.days, owing.owed_uc, owing.provisional) == (1, 24 * price, 0)
    assert owing.today.owed_uc == 2 * price


def test_a_restart_writes_nothing_that_is_written_already(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.live(FIRST, 26)
    board = board.again()
    board.books.look(board.now_ms)
    assert not board.store.status().waiting_rows


def test_without_a_key_books_are_kept_and_nothing_is_reported(tmp_path: Path) -> None:
    board = Board(tmp_path, to="")
    board.live(FIRST, 30)
    assert board.store.outbox.pending(OPERATOR) == []
    owing = board.books.owing(board.now_ms)
    assert (owing.days, owing.reported, owing.is_reported) == (1, None, False)


def test_a_full_outbox_only_puts_the_report_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(tmp_path)
    board.live(FIRST, 24)

    def full(message: Message) -> bool:
        raise OutboxFullError("messages wait in memory", got=len(message.body))

    with monkeypatch.context() as patch:
        patch.setattr(board.store.outbox, "put", full)
        board.live(FIRST + 24, 1)
    assert board.books.owing(board.now_ms).reported is None
    board.live(FIRST + 25, 1)
    assert len(board.sent()) == 1


def test_old_slots_are_used_anew_and_read_back(tmp_path: Path) -> None:
    board = Board(tmp_path)
    for day in range(40):
        board.count(FIRST + 24 * day + 5, KWH)
    issued = [
        message.key for message in board.store.outbox.pending(OPERATOR, 99) if message.kind == DELIVERY_REPORT
    ]
    assert issued == [f"delivery/{DAY + number}/1" for number in range(39)]
    assert board.again().books.owing(board.now_ms).reported == (DAY + 38, 1)
