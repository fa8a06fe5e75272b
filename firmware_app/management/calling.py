"""Keeps the device connected to its operator's broker: with which certificate, how often to try, and why it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING

from firmware_app.config.check import Checked
from firmware_app.fleet.telemetry import Presence
from firmware_app.fleet.topics import TO_DEVICE, Topics
from firmware_app.fleet.topics import Said as Kind
from firmware_app.management.backoff import Backoff
from firmware_app.management.credentials import CredentialsError, credentials_of
from firmware_app.management.proxies import no_proxies
from firmware_app.management.renewing import Renewing
from firmware_app.management.steward import Steward, board_name
from firmware_app.runtime.memory import give_back
from firmware_app.version import VERSION

if TYPE_CHECKING:
    from firmware_app.management.link import Link, Said

NO_BROKER = "no broker is named: [fleet] broker"


class _LostError(Exception):
    """A connection ended."""

    def __init__(self, why: str, *, was_up: bool) -> None:
        super().__init__(why)
        self.was_up = was_up


class Caller:
    """Of one life of the part."""

    def __init__(
        self,
        steward: Steward,
        topics: Topics,
        *,
        utc_ms: Callable[[], int | None],
        monotonic_ms: Callable[[], int],
        hear: Callable[[str, bytes], None],
        greet: Callable[[], None],
    ) -> None:
        """Not connected.

        Args:
            hear: gets topic and payload of each message.
            greet: is told that messages come and go.
        """
        self._steward = steward
        self._topics = topics
        self._utc_ms = utc_ms
        self._monotonic_ms = monotonic_ms
        self._hear = hear
        self._greet = greet
        self.link: Link | None = None
        self.renewing: Renewing | None = None
        """Of the certificate; None where there is no broker."""
        self.problem = "not tried yet"
        """Why the broker is not reached; empty while it is."""
        self.since_ms = monotonic_ms()
        """Since when it is reached, or is not, monotonic ms."""

    @property
    def is_ready(self) -> bool:
        """Whether messages come and go."""
        return self.link is not None and self.link.is_ready

    def publish(self, what: Kind, payload: bytes, *, kind: str = "", retain: bool = False) -> bool:
        """Say something; returns whether it was taken on."""
        link = self.link
        if link is None or not link.is_ready:
            return False
        return link.publish(self._said(what, payload, kind=kind, retain=retain))

    async def keep(self, found: Checked, stop: asyncio.Event) -> None:
        """Be connected again and again, until the event is set."""
        if not found.config.fleet.broker:
            self.problem = NO_BROKER
            return
        backoff = Backoff(SystemRandom().random)
        while not stop.is_set():
            began_s = time.monotonic()
            held_s = 0.0
            self.problem = self.problem or "connecting"
            try:
                await self._connected(found, stop)
                self.problem = "the connection is made anew"
            except (CredentialsError, ImportError) as error:
                self.problem = str(error)
            except _LostError as lost:
                self.since_ms = self._monotonic_ms() if lost.was_up else self.since_ms
                self.problem = self._why(str(lost), was_up=lost.was_up)
                held_s = time.monotonic() - began_s if lost.was_up else 0.0
            finally:
                self.link = None
            if not stop.is_set():
                pause_s = backoff.after(held_s)
                self._steward.note("fleet.offline", f"{self.problem}; tries again in {pause_s:.0f} s")
                await pause(stop, pause_s)

    def _why(self, why: str, *, was_up: bool) -> str:
        if self.renewing is None or was_up:
            return why
        self.renewing.failed()
        return self.renewing.problem(self._utc_ms()) or why

    async def _connected(self, found: Checked, stop: asyncio.Event) -> None:
        with no_proxies():
            from firmware_app.management.link import Dial, Link, LinkError  # noqa: PLC0415 - paho may be missing
        give_back()

        params = found.config.fleet
        name = self._steward.name
        credentials = credentials_of(params, found.path, found.folder)
        renewing = self.renewing = self.renewing or Renewing(
            credentials,
            name,
            self._topics.fleet,
            before_days=params.renew_days,
            note=self._steward.note,
        )
        dial = Dial(
            host=params.broker,
            port=params.port,
            name=name,
            keepalive_s=params.keepalive_s,
            context=renewing.context(),
            subscriptions=(
                self._topics.keys("+"),
                *(self._topics.device(name, said) for said in TO_DEVICE),
            ),
            will=self._presence(online=False),
        )
        link = self.link = Link(dial, deliver=self._hear, ready=self._held)
        try:
            await link.run(stop, lambda: self._presence(online=False))
        except LinkError as error:
            raise _LostError(str(error), was_up=not self.problem) from None

    def _held(self) -> None:
        link = self.link
        if link is None:
            return
        self.problem, self.since_ms = "", self._monotonic_ms()
        self._steward.note("fleet.online", "the operator's broker is reached")
        if self.renewing is not None:
            try:
                self.renewing.held()
            except CredentialsError as error:
                self._steward.note("fleet.unwritten", str(error))
        link.publish(self._presence(online=True))
        self._greet()

    def hear_renewed(self, raw: bytes) -> None:
        """The operator's answer to a request; with a new certificate the connection is made anew."""
        if self.renewing is not None and self.renewing.hear(raw) and self.link is not None:
            self.link.hang_up()

    def _presence(self, *, online: bool) -> Said:
        presence = Presence(online=online, since_ms=self._utc_ms(), firmware=VERSION, board=board_name())
        return self._said(Kind.PRESENCE, presence.encode(), retain=True)

    def _said(self, what: Kind, payload: bytes, *, kind: str = "", retain: bool = False) -> Said:
        from firmware_app.management.link import Said  # noqa: PLC0415 - only where there is a broker

        return Said(topic=self._topics.device(self._steward.name, what, kind), payload=payload, retain=retain)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the event."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
