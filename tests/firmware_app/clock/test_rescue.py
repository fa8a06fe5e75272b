"""Signed time: what the tier's real servers answer proves a time; what liars answer proves nothing."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from firmware_app.clock.params import ClockParams
from firmware_app.clock.rescue import Rescue, SignedTime
from light_client.messages.chain import UpdateMessage
from light_client.messages.codec import decode_message, encode_message
from light_client.rules.light import LightParams, trust_genesis
from light_client.session.actor import Received, Send
from tests.light_kit import BlockServer, epochs

GENESIS, BLOCKS = epochs(3)
NEWEST = BLOCKS[-1].header


def rescue(**params: int) -> Rescue:
    return Rescue(GENESIS, trust_genesis(GENESIS), ClockParams(**params))


def answers(asking: Rescue, server: BlockServer, now_ms: int) -> list[bytes]:
    """What a server of the tier sends back."""
    effects = []
    for request in asking.ask((server.name,)):
        effects += server.handle(Received(peer="meter", message=request.message), now_ms)
    return [effect.message for effect in effects if isinstance(effect, Send) and effect.peer == "meter"]


def test_a_server_of_the_tier_proves_the_time_of_its_newest_header() -> None:
    asking, server = rescue(), BlockServer("server-0", GENESIS, BLOCKS)
    (answer,) = answers(asking, server, NEWEST.time_ms)
    assert asking.hear("server-0", answer) == SignedTime(server="server-0", time_ms=NEWEST.time_ms)
    (again,) = answers(asking, server, NEWEST.time_ms)  # it goes on where it was, and hears the same
    assert asking.hear("server-0", again) == SignedTime(server="server-0", time_ms=NEWEST.time_ms)


def test_a_header_beyond_the_horizon_proves_nothing() -> None:
    span_ms = NEWEST.time_ms - GENESIS.genesis_time_ms
    assert span_ms > 3_600_000
    asking = rescue(rescue_horizon_ms=3_600_000)
    (answer,) = answers(asking, BlockServer("server-0", GENESIS, BLOCKS), NEWEST.time_ms)
    assert asking.hear("server-0", answer) is None


def test_a_header_after_the_trusting_period_proves_nothing() -> None:
    asking = Rescue(GENESIS, trust_genesis(GENESIS), ClockParams(), LightParams(trusting_period_ms=1_000))
    (answer,) = answers(asking, BlockServer("server-0", GENESIS, BLOCKS), NEWEST.time_ms)
    assert asking.hear("server-0", answer) is None


def test_a_header_that_was_changed_after_it_was_signed_proves_nothing() -> None:
    asking = rescue()
    (answer,) = answers(asking, BlockServer("server-0", GENESIS, BLOCKS), NEWEST.time_ms)
    message = decode_message(answer)
    assert isinstance(message, UpdateMessage)
    last = message.updates[-1]
    later = replace(last, header=replace(last.header, time_ms=last.header.time_ms + 1_000))
    forged = encode_message(UpdateMessage(updates=(*message.updates[:-1], later)))
    assert asking.hear("server-0", forged) is None


@given(st.binary(max_size=200))
def test_rubbish_proves_nothing(message: bytes) -> None:
    assert rescue().hear("server-0", message) is None


def test_another_message_proves_nothing() -> None:
    asking = rescue()
    (request,) = asking.ask(("server-0",))
    assert asking.hear("server-0", request.message) is None
