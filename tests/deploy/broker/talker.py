"""A client at the broker, turned by hand: what it is answered and what it hears."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from deploy.broker.authority import Credential


class Talker:
    """One connection; a context manager."""

    def __init__(
        self, name: str, authority: Path, folder: Path, credential: Credential | None, *, token: str = ""
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.answer: str = ""
        self.acknowledged: dict[int, str] = {}
        self.ended = ""
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self._client.tls_set_context(_context(authority, folder, credential))
        if token:
            self._client.username_pw_set(name, token)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe

    def connect(self, port: int) -> Self:
        """Connect, and wait for the answer; a refused handshake raises what ssl raises."""
        self._client.connect("127.0.0.1", port, keepalive=60)
        self.turn(lambda: bool(self.answer or self.ended))
        return self

    def turn(self, done: Callable[[], bool], patience_s: float = 3.0) -> bool:
        """Read and write until something has happened; whether it has."""
        deadline = time.monotonic() + patience_s
        while not done() and time.monotonic() < deadline:
            if self._client.loop(timeout=0.05) != mqtt.MQTT_ERR_SUCCESS:
                break
        return done()

    def subscribe(self, topic: str) -> str:
        """Ask for a topic; returns what the broker said."""
        _, number = self._client.subscribe(topic, qos=1)
        assert number is not None, "not connected"
        self.turn(lambda: number in self.acknowledged)
        return self.acknowledged[number]

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> str:
        """Say something; returns what the broker said, which takes it whether somebody listens or not."""
        number = self._client.publish(topic, payload, qos=1, retain=retain).mid
        self.turn(lambda: number in self.acknowledged or bool(self.ended))
        said = self.acknowledged.get(number, self.ended)
        return "Success" if said == "No matching subscribers" else said

    def will(self, topic: str, payload: bytes) -> None:
        """What the broker is to say when the connection breaks; before it is made."""
        self._client.will_set(topic, payload, qos=1)

    def break_off(self) -> None:
        """Lose the connection without a word."""
        sock = self._client.socket()
        assert sock is not None
        sock.close()

    def hears(self, topic: str, patience_s: float = 3.0) -> bytes | None:
        """The next payload on a topic."""
        self.turn(lambda: any(name == topic for name, _ in self.heard), patience_s)
        return next((payload for name, payload in self.heard if name == topic), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop(timeout=0.05)
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _on_connect(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        self.answer = str(reason)

    def _on_disconnect(self, _c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        self.ended = str(reason)

    def _on_message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def _on_publish(self, _c: Any, _u: Any, number: int, reason: Any, _p: Any) -> None:
        self.acknowledged[number] = str(reason)

    def _on_subscribe(self, _c: Any, _u: Any, number: int, reasons: Any, _p: Any) -> None:
        self.acknowledged[number] = str(reasons[0])


def _context(authority: Path, folder: Path, credential: Credential | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    if credential is not None:
        path = folder / "client.pem"
        path.write_bytes(credential.key + credential.certificate)
        context.load_cert_chain(path)
        path.unlink()
    return context
