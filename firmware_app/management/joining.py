"""A ticket becomes a certificate and the agent's memory: the device joins a fleet.

    1  the key is made, if there is none            4  the grant is checked, and kept
    2  the request is written, if there is none     5  the memory is written: from now on the device is in the fleet
    3  it is sent until a grant comes

Whatever is interrupted goes on where it was when the same command is given again: key and request stay, so that the
grant which is waiting at the broker still answers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from firmware_app.config.load import ConfigError, read
from firmware_app.config.schema import DeviceConfig
from firmware_app.fleet.document import read_toml
from firmware_app.fleet.enrolling import Grant, Ticket, broker_password, read_grant, request_bytes
from firmware_app.fleet.memory import Configuration, Memory
from firmware_app.fleet.topics import Topics
from firmware_app.management.certificate import check_certificate, ensure_key, ensure_request
from firmware_app.management.credentials import Credentials, authority_context, credentials_of, put
from firmware_app.management.in_force import FOLDER, SECTION, memory_file
from firmware_app.management.link import Dial, Link, LinkError, Said
from firmware_app.management.renewing import forget_next
from firmware_app.management.validity import ends_ms
from firmware_app.store.files import Files
from light_client.rules.errors import RuleViolation
from light_client.store.errors import StoreDamagedError

REQUEST: Final = "device.csr"
_KEEPALIVE_S: Final = 30


class JoiningError(Exception):
    """The device cannot join; the sentence says why, and holds no secret."""


class PendingError(JoiningError):
    """No grant yet: the same command goes on later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The device that joins."""

    path: Path
    """Its file."""
    config: DeviceConfig
    credentials: Credentials

    @property
    def folder(self) -> Path:
        """Its data folder."""
        return self.config.folder(self.path)


def place_of(path: Path) -> Place:
    """Read the device's file.

    Raises:
        ConfigError: it is none.
    """
    config = read(path, DeviceConfig)
    return Place(
        path=path,
        config=config,
        credentials=credentials_of(config.fleet, path, config.folder(path)),
    )


def prepare(place: Place) -> tuple[Path, bytes]:
    """Key and certificate request of the device, made if they are not there.

    Returns:
        The request's file, and the request (DER).

    Raises:
        CredentialsError: they cannot be made or read.
    """
    files = Files()
    path = place.folder / FOLDER / REQUEST
    ensure_key(place.credentials.key, files)
    return path, ensure_request(path, place.credentials.key, place.config.device.name, files)


def join(place: Place, ticket: Ticket, *, timeout_s: float) -> bool:
    """Join the fleet of a ticket; returns whether the device was in it before.

    Raises:
        JoiningError: the ticket is for another device or the device in another fleet, or the operator refuses.
        PendingError: no grant came in time.
        CredentialsError: a file cannot be written, or the grant is not for this device.
        ConfigError, StoreError: the device's file or memory cannot be used.
    """
    name = place.config.device.name
    if ticket.device != name:
        raise JoiningError(f"the ticket is for {ticket.device}, and this is {name}")
    known = _known(place)
    if known is not None and known.key_set.fleet_id != ticket.fleet:
        raise JoiningError(
            f"{name} is in the fleet {known.key_set.fleet_id.hex()[:16]} already, and the ticket is of "
            f"{ticket.fleet.hex()[:16]}: move {place.folder / FOLDER} away to leave it"
        )
    _, csr_der = prepare(place)
    put(place.credentials.ca, ticket.ca_pem.encode(), Files())
    pem = ticket.certificate_pem.encode()
    if ticket.token:
        grant = asyncio.run(_granted(place, ticket, csr_der, timeout_s))
        if grant.refusal:
            raise JoiningError(f"the operator refuses: {grant.refusal}")
        pem = grant.certificate_pem
    check_certificate(pem, place.credentials.key, ticket.ca_pem.encode(), name)
    forget_next(place.credentials)
    put(place.credentials.certificate, pem, Files())
    ends_ms(
        place.credentials.certificate, Files()
    )  # noted, so that `gridlight run` need not read certificates
    memory_file(place.folder).save(_memory(place, ticket, known))
    return known is not None


def _known(place: Place) -> Memory | None:
    with suppress(
        StoreDamagedError
    ):  # joining anew is the way out of a damaged memory; its floor is in the ticket
        return memory_file(place.folder).load()
    return None


def _memory(place: Place, ticket: Ticket, known: Memory | None) -> Memory:
    """The floor never falls, and key sets only go forwards, whatever a ticket says."""
    if known is not None:
        newest = max(known.key_set, ticket.key_set, key=lambda key_set: key_set.version)
        return replace(known, key_set=newest, floor=max(known.floor, ticket.floor))
    try:
        tree = read_toml(place.path.read_text(encoding="utf-8"), str(place.path))
    except OSError as error:
        raise ConfigError(f"{place.path}: cannot be read: {error.strerror}") from None
    given = tree.get(SECTION, {})
    broker = {} if given.get("broker") else {"broker": ticket.broker, "port": ticket.port}
    document = {**tree, SECTION: {**given, **broker}}
    return Memory(key_set=ticket.key_set, floor=ticket.floor, current=Configuration(document=document))


async def _granted(place: Place, ticket: Ticket, csr_der: bytes, timeout_s: float) -> Grant:
    """Ask until there is an answer that was made with the token."""
    topics, name, fleet = Topics(ticket.fleet), ticket.device, ticket.fleet
    answer: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
    request = Said(
        topic=topics.enrol(name, "request"), payload=request_bytes(ticket.token, fleet, name, csr_der)
    )

    def hear(_: str, payload: bytes) -> None:
        with suppress(
            RuleViolation
        ):  # forged, or the answer to an earlier request: the true one is waited for
            grant = read_grant(payload, ticket.token, fleet, name, csr_der)
            if not answer.done():
                answer.set_result(grant)

    dial = Dial(
        host=ticket.broker,
        port=ticket.enrol_port,
        name=name,
        keepalive_s=_KEEPALIVE_S,
        context=authority_context(place.credentials.ca),
        subscriptions=(topics.enrol(name, "grant"),),
        password=broker_password(ticket.token, fleet, name),
    )

    def ask() -> None:
        link.publish(request)

    link = Link(dial, deliver=hear, ready=ask)
    stop = asyncio.Event()
    living = asyncio.create_task(link.run(stop, lambda: None))
    answer.add_done_callback(lambda _: stop.set())
    try:
        await asyncio.wait({living}, timeout=timeout_s)
    finally:
        stop.set()
        outcome = (await asyncio.gather(living, return_exceptions=True))[0]
    if answer.done():
        return answer.result()
    if isinstance(outcome, LinkError):
        raise PendingError(f"{ticket.broker}:{ticket.enrol_port}: {outcome}")
    raise PendingError(f"no grant within {timeout_s:g} s: the operator may not have looked yet")
