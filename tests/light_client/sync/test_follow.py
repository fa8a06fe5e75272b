"""Following a chain: requests one at a time, another server when one fails, and no endless talk with a liar."""

from __future__ import annotations

import pytest

from light_client.messages.chain import Announce, GetBlocks, Subscribe
from light_client.messages.codec import decode_message
from light_client.rules.errors import LocalError
from light_client.session.actor import Effect, Send, SetTimer
from light_client.sync.follow import TIMER, BlockFollower
from light_client.sync.servers import Servers


def sent(effects: list[Effect]) -> list[tuple[str, object]]:
    """Return whom something was sent, and what."""
    return [(effect.peer, decode_message(effect.message)) for effect in effects if isinstance(effect, Send)]


def timer(effects: list[Effect]) -> int | None:
    """Return when the follower wants to be woken."""
    times = [effect.at_ms for effect in effects if isinstance(effect, SetTimer)]
    assert all(effect.name == TIMER for effect in effects if isinstance(effect, SetTimer))
    return times[-1] if times else None


def asks(peer: str, height: int, limit: int = 64) -> tuple[str, GetBlocks]:
    """Return a request for blocks."""
    return peer, GetBlocks(from_height=height, limit=limit)


def subscribes(peer: str, height: int) -> tuple[str, Subscribe]:
    """Return a subscription to whole blocks."""
    return peer, Subscribe(from_height=height, announce=Announce.BLOCKS)


def test_it_subscribes_and_catches_up_at_the_start() -> None:
    follower = BlockFollower(Servers(("a", "b")), poll_ms=60_000)
    effects = follower.start(7, 1_000)
    assert sent(effects) == [subscribes("a", 7), asks("a", 8)]
    assert timer(effects) == 4_000


def test_one_request_at_a_time() -> None:
    follower = BlockFollower(Servers(("a",)), poll_ms=60_000)
    follower.start(0, 0)
    assert follower.announced(5, 0, 10) == []
    assert sent(follower.came(3, 3, 3, 20)) == [asks("a", 4)], "more was announced than came"
    assert timer(follower.came(2, 5, 5, 30)) == 60_000
    assert follower.announced(5, 5, 40) == []
    assert sent(follower.announced(6, 5, 50)) == [asks("a", 6)]


def test_a_pushed_block_needs_no_question_but_a_gap_does() -> None:
    follower = BlockFollower(Servers(("a",)), poll_ms=60_000)
    follower.start(0, 0)
    follower.came(0, 0, 0, 1)
    assert sent(follower.came(1, 1, 1, 10)) == [], "the very next block, unasked"
    assert sent(follower.came(0, 4, 1, 20)) == [asks("a", 2)], "blocks 2 and 3 went missing"


def test_a_full_answer_asks_for_more() -> None:
    follower = BlockFollower(Servers(("a",)), limit=4)
    follower.start(0, 0)
    assert sent(follower.came(4, 4, 4, 1)) == [asks("a", 5, 4)]
    assert sent(follower.came(1, 5, 5, 2)) == []


def test_a_silent_server_is_left() -> None:
    follower = BlockFollower(Servers(("a", "b")), retry_ms=500)
    follower.start(0, 0)
    effects = follower.woken(0, 500)
    assert sent(effects) == [subscribes("b", 0), asks("b", 1)]
    assert (follower.server, follower.servers.switches) == ("b", 1)
    follower.woken(0, 1_000)
    assert follower.server == "a", "round and round"


def test_a_quiet_chain_is_no_reason_to_leave() -> None:
    follower = BlockFollower(Servers(("a", "b")), poll_ms=60_000)
    follower.start(0, 0)
    follower.came(0, 0, 0, 1)
    effects = follower.woken(0, 60_001)
    assert sent(effects) == [subscribes("a", 0), asks("a", 1)]
    assert follower.servers.switches == 0
    follower.woken(0, 63_001)
    assert follower.server == "b", "asked after the quiet, it did not answer"


@pytest.mark.parametrize("every_ms", [7_000, 40_000, 59_999])
def test_blocks_at_any_pace_do_not_let_the_subscription_lapse(every_ms: int) -> None:
    """The timer stands where the subscription has to be renewed, however often blocks come."""
    follower = BlockFollower(Servers(("a",)), poll_ms=60_000)
    follower.start(0, 0)
    for number, now_ms in enumerate(range(every_ms, 60_000, every_ms), start=1):
        assert timer(follower.came(1, number, number, now_ms)) == 60_000
    assert subscribes("a", 9) in sent(follower.woken(9, 60_000))


def test_a_server_whose_blocks_are_refused_is_left() -> None:
    follower = BlockFollower(Servers(("a", "b")), poll_ms=60_000)
    follower.start(3, 0)
    assert sent(follower.refused(3, 10)) == [subscribes("b", 3), asks("b", 4)]


def test_a_server_that_announces_what_it_does_not_have_is_left() -> None:
    """Announced height a billion, nothing to show for it: asking again at once would never end."""
    follower = BlockFollower(Servers(("a", "b")), poll_ms=60_000)
    follower.start(0, 0)
    follower.announced(10**9, 0, 1)
    assert sent(follower.came(0, 0, 0, 2)) == [asks("a", 1)], "it may have come up after the question"
    effects = follower.came(0, 0, 0, 3)
    assert sent(effects) == [subscribes("b", 0), asks("b", 1)]
    assert timer(follower.came(0, 0, 0, 4)) == 60_003, "the second server shows that there is nothing more"


def test_a_follower_needs_somebody_to_follow() -> None:
    with pytest.raises(LocalError):
        Servers(())
