"""A fleet of one on this machine: certificates, a real mosquitto on loopback with TLS, an operator, a device."""

from __future__ import annotations

import datetime as dt
import ipaddress
import queue
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware_app.fleet.document import read_toml
from firmware_app.fleet.memory import Configuration, Memory
from firmware_app.fleet.topics import QOS, Topics
from firmware_app.management.in_force import FOLDER, memory_file
from tests.firmware_app.config.kit import write_device
from tests.firmware_app.fleet.world import FLEET, KEY_SET

NAME: Final = "meter-0101"
TOPICS: Final = Topics(FLEET)
PATIENCE_S: Final = 60.0
_DAY: Final = dt.timedelta(days=1)


class Authority:
    """Signs certificates for a broker, devices and operators."""

    def __init__(self, name: str = "a fleet") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self._name, self._key.public_key(), is_authority=True)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def _signed(self, name: x509.Name, public: Any, *, is_authority: bool = False) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        local = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(local, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def grant(self, csr_der: bytes) -> bytes:
        """A certificate for a request."""
        request = x509.load_der_x509_csr(csr_der)
        return self._signed(request.subject, request.public_key()).public_bytes(Encoding.PEM)

    def issue(self, folder: Path, stem: str, name: str) -> tuple[Path, Path]:
        """Certificate and key of somebody, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate_file, key_file = folder / f"{stem}.pem", folder / f"{stem}.key"
        certificate_file.write_bytes(self._signed(subject, key.public_key()).public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key_file.chmod(0o600)
        return certificate_file, key_file


class Issuer(Protocol):
    """Whoever gives a device its first certificate."""

    @property
    def pem(self) -> bytes:
        """Of the authority."""

    def issue(self, folder: Path, stem: str, name: str) -> tuple[Path, Path]:
        """Certificate and key, as files."""


def free_port() -> int:
    with socket.socket() as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


@dataclass
class Broker:
    """A real mosquitto."""

    folder: Path
    authority: Authority
    port: int = field(default_factory=free_port)
    enrol_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def configure(self, password: str = "") -> None:
        """Write its configuration; with a password, devices without a certificate may come by it."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "ca.pem").write_bytes(self.authority.pem)
        self.authority.issue(self.folder, "server", "localhost")
        tls = f"cafile {self.folder}/ca.pem\ncertfile {self.folder}/server.pem\nkeyfile {self.folder}/server.key\n"
        text = (
            "user root\nper_listener_settings true\nlog_type none\n"
            f"listener {self.port} 127.0.0.1\n{tls}require_certificate true\nuse_identity_as_username true\n"
            "use_username_as_clientid true\nallow_anonymous false\n"
        )
        if password:
            file = self.folder / "passwords"
            command = ["mosquitto_passwd", "-b", "-c", str(file), NAME, password]
            subprocess.run(command, check=True, capture_output=True)
            text += (
                f"listener {self.enrol_port} 127.0.0.1\n{tls}password_file {file}\nallow_anonymous false\n"
            )
        (self.folder / "mosquitto.conf").write_text(text, encoding="ascii")

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["mosquitto", "-c", str(self.folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("mosquitto does not listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            self.process = None


@contextmanager
def broker(folder: Path, password: str = "") -> Iterator[Broker]:
    """A running broker; the test is skipped, with the reason, where there is no mosquitto."""
    if shutil.which("mosquitto") is None:
        pytest.skip("needs Debian's package mosquitto")
    made = Broker(folder=folder, authority=Authority())
    made.configure(password)
    made.start()
    try:
        yield made
    finally:
        made.stop()


class Operator:
    """Somebody with the operator's certificate, who hears everything."""

    def __init__(self, made: Broker, name: str = "desk") -> None:
        context = ssl.create_default_context(cafile=str(made.folder / "ca.pem"))
        context.load_cert_chain(*made.authority.issue(made.folder, name, name))
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
        self.client.tls_set_context(context)
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._waiting: dict[str, list[bytes]] = {}
        self.client.on_message = self._on_message
        self.client.on_connect = lambda *_: self.client.subscribe(f"{TOPICS.root}/#", qos=QOS) and None
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", made.port)
        self.client.loop_start()

    def _on_message(self, _: mqtt.Client, __: Any, message: mqtt.MQTTMessage) -> None:
        self.heard.put((message.topic, bytes(message.payload)))

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=QOS, retain=retain).wait_for_publish(PATIENCE_S)

    def until(self, topic: str, what: Callable[[bytes], bool] = lambda _: True) -> bytes:
        """The next message of a topic that is as wanted; those of other topics stay for later."""
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            while not self.heard.empty():
                said, payload = self.heard.get()
                self._waiting.setdefault(said, []).append(payload)
            waiting = self._waiting.get(topic, [])
            while waiting:
                payload = waiting.pop(0)
                if payload and what(payload):
                    return payload
            time.sleep(0.05)
        raise TimeoutError(f"nothing like that on {topic}")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def enrolled(
    folder: Path, authority: Issuer | None = None, *, port: int = 1, meter: str = "/dev/ttyUSB9"
) -> Path:
    """A device's folder, in the fleet already; returns its file."""
    path = write_device(folder, port=meter)
    with path.open("a", encoding="utf-8") as file:
        file.write(
            f"[status]\nsocket = '{folder / 'control.sock'}'\nport = 0\n"
            f"[fleet]\nbroker = '{'127.0.0.1' if authority else ''}'\nport = {port}\n"
            f"stick_folder = '{folder / 'stick'}'\n"
        )
    fleet = folder / "data" / FOLDER
    fleet.mkdir(mode=0o700, parents=True)
    if authority is not None:
        authority.issue(fleet, "device", NAME)
        (fleet / "ca.pem").write_bytes(authority.pem)
    document = read_toml(path.read_text(encoding="utf-8"), str(path))
    memory_file(folder / "data").save(Memory(key_set=KEY_SET, current=Configuration(document=document)))
    return path
