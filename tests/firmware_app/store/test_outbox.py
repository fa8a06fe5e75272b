"""Messages stay until their receiver has them: over restarts, reconnections, full disks and other configurations."""

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware_app.store.device_store import DeviceStore
from firmware_app.store.outbox import MAX_BODY_BYTES, Message, Outbox, OutboxFullError
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import EventRow
from light_client.rules.errors import LocalError
from tests.firmware_app.store.store_kit import FULL, START_MS, Clock, failing_disk, opened


def _message(number: int, destination: str = "tier", size: int = 10) -> Message:
    return Message(
        destination=destination,
        key=f"m{number}",
        kind="report",
        body=bytes([number % 256]) * size,
        at_ms=START_MS,
    )


def _keys(store: DeviceStore, destination: str = "tier") -> list[str]:
    return [message.key for message in store.outbox.pending(destination, 10_000)]


def test_messages_wait_in_order_until_they_are_delivered(tmp_path: Path) -> None:
    store = opened(tmp_path, Clock())
    for number in range(6):
        assert store.outbox.put(_message(number, ("tier", "operator")[number % 2]))
    assert _keys(store) == ["m0", "m2", "m4"]
    assert store.outbox.waiting() == {"tier": 3, "operator": 3}
    store.outbox.delivered("tier", ["m0", "m4", "never there"])
    assert _keys(store) == ["m2"]
    assert _keys(store, "operator") == ["m1", "m3", "m5"]
    store.close()
    again = opened(tmp_path, Clock(), StoreParams(quota_mb=16, outbox_mb=1))
    assert _keys(again) == ["m2"], "a restart with another configuration destroys nothing"
    assert again.outbox.pending("tier")[0].body == bytes([2]) * 10
    again.close()


def test_the_same_message_twice_is_one(tmp_path: Path) -> None:
    store = opened(tmp_path, Clock())
    store.outbox.put(_message(1))
    store.outbox.put(_message(1, size=20))
    assert [len(message.body) for message in store.outbox.pending("tier")] == [10]
    store.outbox.delivered("tier", ["m1"])
    store.outbox.put(_message(1, size=30))
    assert [len(message.body) for message in store.outbox.pending("tier")] == [30], "a later one is a new one"
    store.close()


def test_beyond_its_bound_the_oldest_leave_loudly(tmp_path: Path) -> None:
    store = opened(tmp_path, Clock(), StoreParams(quota_mb=8, outbox_mb=1))
    for number in range(20):
        store.outbox.put(_message(number, size=60_000))
    kept = _keys(store)
    assert kept == [f"m{number}" for number in range(20)][-len(kept) :]
    assert len(kept) == 1_000_000 // 60_000
    dropped = [row for row in store.newest(EventRow, 99) if row.name == "outbox.dropped"]
    assert len(dropped) == 20 - len(kept)
    store.close()


def test_on_a_failing_disk_messages_wait_in_memory_and_can_be_sent(tmp_path: Path) -> None:
    clock = Clock()
    with failing_disk(tmp_path) as disk:
        store = opened(tmp_path, clock)
        store.outbox.put(_message(0))
        disk.code = FULL
        assert not store.outbox.put(_message(1)), "it claims to be durable"
        assert [(m.key, m.durable) for m in store.outbox.pending("tier")] == [("m0", True), ("m1", False)]
        assert store.outbox.waiting() == {"tier": 2}
        store.outbox.delivered("tier", ["m0"])
        assert _keys(store) == ["m1"]
        for number in range(2, 17):
            store.outbox.put(_message(number, size=MAX_BODY_BYTES))
        with pytest.raises(OutboxFullError):
            store.outbox.put(_message(17, size=MAX_BODY_BYTES))
        disk.code = 0
        clock.now_ms += 1_000_000
        assert store.commit()
        assert _keys(store)[0] == "m1"
        assert all(message.durable for message in store.outbox.pending("tier"))
        store.close()


@pytest.mark.parametrize(
    "changes", [{"destination": ""}, {"key": "k" * 201}, {"body": bytes(MAX_BODY_BYTES + 1)}]
)
def test_a_message_that_is_none_is_refused(changes: dict[str, object]) -> None:
    fields: dict[str, object] = {"destination": "tier", "key": "k", "kind": "x", "body": b"", "at_ms": None}
    with pytest.raises(LocalError):
        Message(**{**fields, **changes})  # type: ignore[arg-type]


class OutboxMachine(RuleBasedStateMachine):
    """Random puts, deliveries, restarts and spells of a full disk, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        from tempfile import TemporaryDirectory

        self.folder = TemporaryDirectory()
        self.disk_context = failing_disk(Path(self.folder.name))
        self.disk = self.disk_context.__enter__()
        self.clock = Clock()
        self.store = opened(Path(self.folder.name), self.clock)
        self.model: list[Message] = []
        self.count = 0

    @rule(destination=st.sampled_from(("tier", "operator")))
    def put(self, destination: str) -> None:
        message = _message(self.count, destination)
        self.count += 1
        self.store.outbox.put(message)
        self.model.append(message)

    @rule(destination=st.sampled_from(("tier", "operator")), count=st.integers(1, 3))
    def deliver(self, destination: str, count: int) -> None:
        first = [message for message in self.model if message.destination == destination][:count]
        self.store.outbox.delivered(destination, [message.key for message in first])
        self.model = [message for message in self.model if message not in first]

    @rule(full=st.booleans())
    def fill_or_empty_the_disk(self, full: bool) -> None:
        self.disk.code = FULL if full else 0
        self.clock.now_ms += 400_000
        self.store.commit()

    @rule()
    def restart(self) -> None:
        self.disk.code = 0
        self.store.close()
        self.store = opened(Path(self.folder.name), self.clock)

    @invariant()
    def holds_what_was_not_delivered(self) -> None:
        for destination in ("tier", "operator"):
            wanted = [message.key for message in self.model if message.destination == destination]
            assert _keys(self.store, destination) == wanted

    def teardown(self) -> None:
        self.store.close()
        self.disk_context.__exit__(None, None, None)
        self.folder.cleanup()


OutboxMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
test_the_outbox_is_a_list_that_survives = OutboxMachine.TestCase


class _AmnesiacOutbox(Outbox):
    """A broken twin: takes a delivered message for any number of delivered ones, as a queue cleared on reconnection."""

    def delivered(self, destination: str, keys: object) -> None:
        super().delivered(destination, [message.key for message in self.pending(destination)])


def test_an_outbox_that_forgets_more_than_was_delivered_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_app.store.device_store.Outbox", _AmnesiacOutbox)
    machine = OutboxMachine()
    for _ in range(4):
        machine.put("tier")
    machine.deliver("tier", 1)
    with pytest.raises(AssertionError):
        machine.holds_what_was_not_delivered()
    machine.teardown()
