"""What a broker of a fleet is told: where it listens, how many devices it serves, and the bounds that follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.broker.authority import Role
from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES
from light_client.rules.errors import LocalError

_HEAD_BYTES: Final = 2_048
"""Of a packet beside its payload: topic and properties."""
_PATH: Final = re.compile(r"/[A-Za-z0-9._/-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_MAX_DEVICES: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """One broker.

    Raises:
        LocalError: a value that cannot be.
    """

    folder: Path
    """Where the broker finds what is written for it, on the broker's machine."""
    data_folder: Path = Path("/var/lib/mosquitto")
    """Where it keeps retained messages and sessions."""
    bind: str = "0.0.0.0"  # noqa: S104 - devices come from everywhere; both listeners speak TLS and ask who it is
    port: int = 8883
    """For whoever has a certificate."""
    enrol_port: int = 8884
    """For devices with a token; 0 for none."""
    devices: int = 10_000
    """Bounds connections and queues."""
    operators: tuple[str, ...] = ("desk",)
    watchers: tuple[str, ...] = ()
    user: str = "mosquitto"
    """Whom the broker becomes where it is started by root: the folder's secret files must be this user's."""

    def __post_init__(self) -> None:
        for what, path in (("folder", self.folder), ("data folder", self.data_folder)):
            if not _PATH.fullmatch(str(path)):
                raise LocalError(
                    f"{what} of a broker", got=str(path), expected="an absolute path without spaces"
                )
        if not _HOST.fullmatch(self.bind):
            raise LocalError("address of a broker", got=self.bind, expected="a host name or an address")
        if not _USER.fullmatch(self.user):
            raise LocalError("user of a broker", got=self.user, expected="a name such as mosquitto")
        for what, port, low in (("port", self.port, 1), ("enrolment port", self.enrol_port, 0)):
            if not low <= port <= 65_535:
                raise LocalError(what, got=port, expected=f"{low} to 65535")
        if self.port == self.enrol_port:
            raise LocalError("enrolment port", got=self.enrol_port, expected="another than that of devices")
        if not 1 <= self.devices <= _MAX_DEVICES:
            raise LocalError("devices of a broker", got=self.devices, expected=f"1 to {_MAX_DEVICES}")

    @property
    def operator_names(self) -> tuple[str, ...]:
        """Common names of operators' certificates."""
        return tuple(Role.OPERATOR + name for name in self.operators)

    @property
    def watcher_names(self) -> tuple[str, ...]:
        """Common names of watchers' certificates."""
        return tuple(Role.WATCHER + name for name in self.watchers)


MAX_PACKET_BYTES: Final = MAX_ENVELOPE_BYTES + _HEAD_BYTES
MAX_INFLIGHT: Final = 20
QUEUED_EACH: Final = 8
"""Messages that wait for somebody who is away, for each device: an operator hears from all."""
MAX_KEEPALIVE_S: Final = 1_200
SESSION_DAYS: Final = 60
FILES_BESIDE: Final = 512
"""Descriptors beside those of connections."""


def configuration(settings: BrokerSettings) -> str:
    """The text of mosquitto.conf.

    Every listener has its own rights, so that a token never opens what a certificate does. Queues are bounded by
    bytes as well: 4 KiB for each message on average.
    """
    queued = max(1_000, QUEUED_EACH * settings.devices)
    lines = [
        "# Written by `gridlight-fleet broker`: change its arguments, not this file.",
        f"user {settings.user}",
        "per_listener_settings true",
        f"max_packet_size {MAX_PACKET_BYTES}",
        f"max_inflight_messages {MAX_INFLIGHT}",
        f"max_queued_messages {queued}",
        f"max_queued_bytes {queued * 4_096}",
        f"max_keepalive {MAX_KEEPALIVE_S}",
        f"persistent_client_expiration {SESSION_DAYS}d",
        "queue_qos0_messages false",
        "set_tcp_nodelay true",
        "sys_interval 10",
        "",
        "# Retained messages and sessions outlive a restart; what was said since the last saving is said again by",
        "# those who said it: letters until their receipt, bundles by the operator's tool, reports at each connection.",
        "persistence true",
        f"persistence_location {settings.data_folder}/",
        "autosave_interval 60",
        "",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        "connection_messages false",
        "",
        "# Devices, operators and watchers: who they are says their certificate.",
        *_listener(settings, settings.port, settings.devices + FILES_BESIDE),
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        f"crlfile {settings.folder}/revoked.crl",
        f"acl_file {settings.folder}/devices.acl",
    ]
    if settings.enrol_port:
        lines += [
            "",
            "# Devices that have a token and no certificate yet.",
            *_listener(settings, settings.enrol_port, max(64, settings.devices // 20)),
            "require_certificate false",
            "use_username_as_clientid true",
            f"password_file {settings.folder}/tokens",
            f"acl_file {settings.folder}/enrolment.acl",
        ]
    return "\n".join(lines) + "\n"


def _listener(settings: BrokerSettings, port: int, connections: int) -> list[str]:
    return [
        f"listener {port} {settings.bind}",
        "protocol mqtt",
        "allow_anonymous false",
        "allow_zero_length_clientid false",
        f"max_connections {connections}",
        "max_qos 1",
        "tls_version tlsv1.2",
        f"cafile {settings.folder}/authority.crt",
        f"certfile {settings.folder}/server.crt",
        f"keyfile {settings.folder}/server.key",
    ]


def service_drop_in(settings: BrokerSettings) -> str:
    """What Debian's unit lacks: the folder's configuration, enough descriptors, and confinement."""
    return "\n".join(
        [
            "# To /etc/systemd/system/mosquitto.service.d/gridlight.conf, then: systemctl daemon-reload",
            "[Service]",
            "ExecStartPre=",
            "ExecStart=",
            f"ExecStart=/usr/sbin/mosquitto -c {settings.folder}/mosquitto.conf",
            f"LimitNOFILE={2 * settings.devices + FILES_BESIDE}",
            "Restart=always",
            "RestartSec=2",
            f"User={settings.user}",
            "RuntimeDirectory=mosquitto",
            "StateDirectory=mosquitto",
            "UMask=0077",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "ProtectHome=yes",
            "PrivateTmp=yes",
            "PrivateDevices=yes",
            "ProtectKernelTunables=yes",
            "ProtectControlGroups=yes",
            "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
            "RestrictNamespaces=yes",
            "LockPersonality=yes",
            "MemoryDenyWriteExecute=yes",
            "",
        ]
    )
