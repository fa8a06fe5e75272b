"""From what was heard to what is written: presence, reports, health, alarms and letters of known devices."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from deploy.operator.desk.devices import State
from deploy.operator.desk.folder import Desk
from deploy.operator.rollout.outcomes import Sight, sight_of
from deploy.operator.serving.hearing import reported_from_bytes
from deploy.operator.serving.wire import Sending
from firmware_app.fleet.letters import ALARM, letter_from_bytes, receipts_for
from firmware_app.fleet.selector import release_of
from firmware_app.fleet.telemetry import alarm_from_bytes, health_from_bytes, presence_from_bytes
from firmware_app.fleet.topics import Heard, Said, Topics
from light_client.rules.errors import LightClientError


class Collector:
    """Hears devices; every call is inside the service's transaction."""

    def __init__(self, desk: Desk, topics: Topics) -> None:
        self._desk: Final = desk
        self._topics: Final = topics
        self._reported: dict[str, Mapping[str, Any]] = {}
        self._online: dict[str, bool] = {}
        self._receipts: dict[str, list[str]] = defaultdict(list)
        self._counts: dict[str, int] = defaultdict(int)
        self.refresh()

    def refresh(self) -> None:
        """Learn which devices there are; those that were revoked are not heard any more."""
        members = [device for device in self._desk.devices.all() if device.state is not State.REVOKED]
        self._reported = {device.name: self._reported.get(device.name, device.reported) for device in members}
        self._online = {device.name: self._online.get(device.name, device.online) for device in members}

    def sight(self, device: str) -> Sight:
        """What was heard last of a device."""
        return sight_of(self._reported.get(device, {}), connected=self._online.get(device, False))

    def count(self, name: str) -> None:
        """Count something that Prometheus shows."""
        self._counts[name] += 1

    def take(self, heard: Heard, payload: bytes, now_ms: int) -> bool:
        """Write what a device said; returns whether rollouts have to look at it."""
        if not self.knows(heard.device):
            return False
        self.count("messages")
        try:
            return self._READERS[heard.said](self, heard, payload, now_ms)
        except LightClientError as error:
            self.refuse(heard, error, now_ms)
            return False

    def knows(self, device: str) -> bool:
        """Whether a device belongs to the fleet: what others say is counted, and nothing else."""
        if device in self._reported:
            return True
        self.count("messages_unknown")
        return False

    def refuse(self, heard: Heard, error: LightClientError, now_ms: int) -> None:
        """Note a message that breaks a rule."""
        self.count("messages_refused")
        self._desk.inbox.note(heard.device, now_ms, "message refused", f"{heard.said}: {error}"[:500])

    def receipts(self) -> list[Sending]:
        """Receipts for the letters taken since the last call: to be sent when they are on the disk."""
        sendings = [
            Sending(self._topics.device(device, Said.RECEIPT), receipt.encode(), retain=False)
            for device, keys in self._receipts.items()
            for receipt in receipts_for(keys)
        ]
        self._receipts.clear()
        return sendings

    def write_counts(self) -> None:
        """Write what was counted since the last call."""
        for name, count in self._counts.items():
            self._desk.inbox.count(name, count)
        self._counts.clear()

    # -- one reader for each thing that a device says --------------------------------------------------------------

    def _presence(self, heard: Heard, payload: bytes, now_ms: int) -> bool:
        presence = presence_from_bytes(payload)
        release_of(presence.firmware)
        before, name = self._online[heard.device], heard.device
        self._online[name] = presence.online
        columns: dict[str, Any] = {"online": int(presence.online), "heard_ms": now_ms}
        if presence.online:
            columns |= {"firmware": presence.firmware, "board": presence.board}
        if presence.online is not before:
            columns["online_since_ms"] = now_ms
            word = "connected" if presence.online else "connection lost"
            self._desk.inbox.note(name, now_ms, word, f"firmware {presence.firmware} on {presence.board}")
        self._desk.devices.change(name, now_ms, **columns)
        return True

    def _reported_document(self, heard: Heard, payload: bytes, now_ms: int) -> bool:
        reported = reported_from_bytes(payload, heard.device)
        if reported == self._reported[heard.device]:
            return False
        self._reported[heard.device] = reported
        version, following, failed = reported["version"], reported["next"] or {}, reported["failed"] or {}
        self._desk.devices.change(
            heard.device,
            now_ms,
            reported=json.dumps(reported, ensure_ascii=False),
            hash=version["hash"] or "",
            next_hash=following.get("hash") or "",
            failed_hash=failed.get("hash") or "",
            key_set=reported["key_set"],
            version=version["version"],
            phase=reported["state"],
            heard_ms=now_ms,
        )
        return True

    def _health(self, heard: Heard, payload: bytes, now_ms: int) -> bool:
        health = health_from_bytes(payload)
        name, inbox = heard.device, self._desk.inbox
        document = json.dumps(
            {"problem": health.problem, "parts": dict(health.parts), "figures": dict(health.figures)},
            ensure_ascii=False,
        )
        self._desk.devices.change(
            name,
            now_ms,
            problem=health.problem,
            health=document,
            health_ms=health.at_ms or now_ms,
            heard_ms=now_ms,
        )
        for alarm, began in inbox.set_alarms(name, health.alarms, health.at_ms or now_ms):
            inbox.note(name, now_ms, "alarm" if began else "alarm over", alarm.value)
        return False

    def _letter(self, heard: Heard, payload: bytes, now_ms: int) -> bool:
        letter, inbox = letter_from_bytes(payload), self._desk.inbox
        self._receipts[heard.device].append(letter.key)
        if inbox.keep_letter(heard.device, heard.kind, letter, now_ms):
            self.count("letters")
            if heard.kind == ALARM:
                note, at_ms = alarm_from_bytes(letter.body), letter.at_ms or now_ms
                change = inbox.raise_alarm if note.raised else inbox.end_alarm
                if change(heard.device, note.alarm, at_ms):
                    inbox.note(
                        heard.device, at_ms, "alarm" if note.raised else "alarm over", note.alarm.value
                    )
        return False

    def _nothing(self, *_: object) -> bool:
        """Our own words, which devices cannot say, and what others answer."""
        return False

    _READERS: Final[Mapping[Said, Callable[[Collector, Heard, bytes, int], bool]]] = {
        Said.PRESENCE: _presence,
        Said.REPORTED: _reported_document,
        Said.HEALTH: _health,
        Said.LETTER: _letter,
        Said.DESIRED: _nothing,
        Said.RECEIPT: _nothing,
        Said.CHUNK: _nothing,
        Said.RENEWED: _nothing,
        Said.WANT: _nothing,
        Said.RENEW: _nothing,
    }
