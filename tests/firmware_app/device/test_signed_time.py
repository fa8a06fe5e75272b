"""A device whose clock nobody vouches for asks the tier, and begins to follow the chain only when the time is known."""

from random import Random

from firmware_app.clock.gate import ClockEvent, ClockGate, ClockState, Opened, Sync
from firmware_app.clock.params import ClockParams
from firmware_app.clock.rescue import Rescue
from firmware_app.device.device import Device
from firmware_app.device.lifecycle import State
from firmware_app.device.signed_time import TIMER, SignedTimeWatch
from firmware_app.identity.identity import SecretIdentity
from firmware_app.trading.meter import TradingMeter, always
from light_client.messages.chain import GetUpdate, Subscribe
from light_client.messages.codec import decode_message
from light_client.rules.light import trust_genesis
from light_client.session.actor import Effect, Event, Received, Send, SetTimer, Started, TimerFired
from light_client.store.memory import MemoryStorage
from light_client.wallet.wallet import Wallet
from testbed.fleet.planned_home import PlannedHome
from tests.light_kit import BlockServer, epochs

_GENESIS, _BLOCKS = epochs(2)
_NOW_MS = _BLOCKS[-1].header.time_ms
_SERVERS = ("server-0", "server-1")
_WRONG_MS = 1_000_000
_EARLIER = len(_BLOCKS) // 2
"""Blocks of the chain when a board starts: a server vouches only while its headers move on."""


class _Board:
    """A device that believes it is 1970, and the servers of the tier."""

    def __init__(self) -> None:
        self.monotonic_ms = 5_000
        self.gate = ClockGate(ClockParams(), max_drift_ms=10_000, monotonic_ms=self.monotonic_ms)
        self.events: list[ClockEvent] = []
        storage = MemoryStorage()
        trader = TradingMeter(
            "meter-0101",
            _GENESIS,
            identity=SecretIdentity(b"\x01" * 32),
            wallet=Wallet(b"s" * 32, _GENESIS.chain_id(), storage),
            feeder=1,
            servers=_SERVERS,
            operator="dso",
            storage=storage,
            chance=Random(1),
            client_chance=Random(2),
        )
        self.device = Device(
            trader,
            PlannedHome((), always),
            interval_s=900,
            chance=Random(3),
            clock_known=lambda: self.gate.is_open,
            signed_time=SignedTimeWatch(
                Rescue(_GENESIS, trust_genesis(_GENESIS), ClockParams()),
                self.gate,
                servers=_SERVERS,
                monotonic_ms=lambda: self.monotonic_ms,
                on_event=self.events.append,
            ),
        )
        self.chain_grows(_EARLIER)

    def chain_grows(self, count: int) -> None:
        """The servers have so many blocks now, and the time between them has passed on the board, too."""
        self.servers = {name: BlockServer(name, _GENESIS, _BLOCKS[:count]) for name in _SERVERS}
        self.monotonic_ms = 5_000 + _BLOCKS[count - 1].header.time_ms - _BLOCKS[_EARLIER - 1].header.time_ms

    def handle(self, event: Event) -> list[Effect]:
        now_ms = self.gate.utc_ms(self.monotonic_ms) or _WRONG_MS
        return self.device.handle(event, now_ms)

    def deliver(self, effects: list[Effect]) -> list[Effect]:
        """Let the servers answer, and the device hear it; return what it does then."""
        after: list[Effect] = []
        for send in [
            effect for effect in effects if isinstance(effect, Send) and effect.peer in self.servers
        ]:
            answers = self.servers[send.peer].handle(Received(peer="meter", message=send.message), _NOW_MS)
            for answer in [one for one in answers if isinstance(one, Send)]:
                after += self.handle(Received(peer=send.peer, message=answer.message))
        return after


def _asked(effects: list[Effect]) -> list[tuple[str, type]]:
    return [
        (effect.peer, type(decode_message(effect.message))) for effect in effects if isinstance(effect, Send)
    ]


def test_the_tier_is_asked_and_two_servers_that_agree_make_the_time_known() -> None:
    board = _Board()
    effects = board.handle(Started())
    assert _asked(effects) == [(name, GetUpdate) for name in _SERVERS], "and nothing else is said to anybody"
    assert board.device.lifecycle.state is State.WAITING_FOR_CLOCK
    assert _asked(board.deliver(effects)) == []
    assert board.events == [], "one header of each may be hours old"
    board.chain_grows(len(_BLOCKS))
    assert _asked(board.deliver(board.handle(TimerFired(name=TIMER)))) == []
    (opened,) = board.events
    assert isinstance(opened, Opened)
    assert opened.utc_ms == _NOW_MS
    assert board.gate.state is ClockState.RESCUED
    effects = board.handle(TimerFired(name="interval"))
    assert any(kind is Subscribe for _, kind in _asked(effects)), "now it follows the chain"
    assert board.device.lifecycle.state is not State.WAITING_FOR_CLOCK


def test_one_server_alone_does_not_make_the_time_known() -> None:
    board = _Board()
    for count, event in ((_EARLIER, Started()), (len(_BLOCKS), TimerFired(name=TIMER))):
        board.chain_grows(count)
        sends = [effect for effect in board.handle(event) if isinstance(effect, Send)]
        assert _asked(board.deliver([send for send in sends if send.peer == "server-0"])) == []
    assert board.events == []
    assert board.device.trader.client.height == 0


def test_it_asks_again_each_minute_and_no_more_once_a_time_service_speaks() -> None:
    board = _Board()
    timers = [
        effect for effect in board.handle(Started()) if isinstance(effect, SetTimer) and effect.name == TIMER
    ]
    assert [timer.at_ms for timer in timers] == [_WRONG_MS + 60_000]
    assert len(_asked(board.handle(TimerFired(name=TIMER)))) == 2
    sync = Sync(source="kernel", synchronised=True)
    board.gate.look(wall_ms=_NOW_MS, monotonic_ms=board.monotonic_ms + 20_000, sync=sync)
    assert board.gate.state is ClockState.TRUSTED
    board.monotonic_ms += 20_000
    effects = board.handle(TimerFired(name=TIMER))
    assert (_SERVERS[0], GetUpdate) not in _asked(effects) or any(k is Subscribe for _, k in _asked(effects))
    assert len([one for one in _asked(effects) if one == (_SERVERS[1], GetUpdate)]) == 0


def test_while_the_time_is_not_known_nothing_is_believed_of_the_chain() -> None:
    board = _Board()
    effects = board.handle(Started())
    late = board.servers["server-0"].handle(
        Received(peer="meter", message=next(e.message for e in effects if isinstance(e, Send))), _NOW_MS
    )
    board.deliver([])
    for answer in [one for one in late if isinstance(one, Send)]:
        board.handle(Received(peer="server-0", message=answer.message))
    assert board.device.trader.client.belief.trusted.height == 0
