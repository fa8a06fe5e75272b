"""The trading meter's orders, put to the proof: what was decided is there, and is decided once, whatever is cut."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from firmware_app.identity.identity import SecretIdentity
from firmware_app.store.state import open_state
from firmware_app.trading.intent import Intent
from firmware_app.trading.meter import TradingMeter
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.units import Side
from light_client.session.actor import Effect, Storage, TimerFired, Write
from light_client.store.holding import Held
from light_client.wallet.wallet import Wallet
from testbed.powercut.campaign import History, Stage, integrity
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of

_FILE: Final = "market.sqlite"
_DECISIONS: Final = 8
_OFFERS: Final = 3
"""In each decision."""
_AHEAD: Final = 4
_ENERGY_J: Final = 360_000


@cache
def _genesis() -> Genesis:
    file = catalogue.find("village")
    return cast_of(file, part_of(catalogue.build(file), skip=48, intervals=4), 1).genesis


class OrdersSubject:
    """Decisions, one in each interval: orders, the wallet's index and the decided interval, and steps that may wait."""

    name = "orders"

    def prepare(self, folder: Path) -> None:
        """Nothing is there."""

    def play(self, stage: Stage) -> None:
        """Decide, and let every second offer be too late, as a driver with its store does it."""
        storage = open_state(stage.folder / _FILE, wallets=("wallet",), files=stage.files).storage
        meter, held = trader(storage), self.held()
        for number in range(_DECISIONS):
            stage.trying(number)
            storage.commit(held.due(_writes(_decided(meter, number)), number))
            stage.promised(number)
            late_ms = _genesis().gate_ms(_first(number)) if number % 2 else 0
            storage.commit(held.due(_writes(meter.handle(TimerFired(name="post"), late_ms)), number))
        storage.commit(held.rest())
        storage.close()

    def held(self) -> Held:
        """What holds back the writes that may wait."""
        return Held()

    def problems(self, stage: Stage, history: History) -> list[str]:
        """All orders of all promised decisions, none twice, each with a key of its own; and the next can be decided."""
        path = stage.folder / _FILE
        with open_state(path, wallets=("wallet",), files=stage.files).storage as storage:
            meter = trader(storage)
            numbers = [order.intent.first_interval - _first(0) for order in meter.orders()]
            decided = -1 if meter.decided is None else meter.decided - _interval(0)
            found = []
            if not history.last_promised <= decided <= history.last_tried:
                found.append(
                    f"decided {decided}, promised {history.last_promised}, tried {history.last_tried}"
                )
            if sorted(numbers) != sorted([*range(decided + 1)] * _OFFERS):
                found.append(f"orders of the decisions {sorted(numbers)} with {decided} decided")
            if decided >= 0 and _decided(meter, decided):
                found.append("a decision was taken twice")
            used = {order.key.index for order in meter.orders()}
            following = Wallet(bytes(31) + b"\x01", _genesis().chain_id(), storage).next_index
            if used and following <= max(used):
                found.append(f"index {following} is handed out again, {max(used)} is used")
            stage.trying(decided + 1)
            storage.commit(_writes(_decided(meter, decided + 1)))
            stage.promised(decided + 1)
            if trader(storage).decided != _interval(decided + 1):
                found.append("the next decision cannot be kept")
        return found + integrity(path)


def trader(storage: Storage) -> TradingMeter:
    """A trading meter on what is durable."""
    chance = Random(1)  # noqa: S311 - it has to repeat
    return TradingMeter(
        "meter-1",
        _genesis(),
        identity=SecretIdentity(bytes(31) + b"\x02"),
        wallet=Wallet(bytes(31) + b"\x01", _genesis().chain_id(), storage),
        feeder=1,
        servers=("miner-0",),
        operator="dso",
        storage=storage,
        chance=chance,
        client_chance=chance,
    )


def _interval(number: int) -> int:
    return _genesis().first_interval + number


def _first(number: int) -> int:
    return _interval(number) + _AHEAD


def _decided(meter: TradingMeter, number: int) -> list[Effect]:
    first = _first(number)
    intent = Intent(
        side=Side.SELL,
        energy_j=_ENERGY_J,
        first_interval=first,
        last_interval=first,
        price_uc_per_kwh=100_000,
        post_interval=first - 2,
    )
    return meter.offer(_interval(number), [intent] * _OFFERS, 0)


def _writes(effects: Iterable[Effect]) -> list[Write]:
    return [effect for effect in effects if isinstance(effect, Write)]
