"""`gridlight doctor --port`: one wire, closely. Each check says what it found, and each failure what to do next."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from firmware_app.meters.target import address_of, line_of, wiring_of
from firmware_app.status.checks import Check
from meter_io.bus.dialogue import Said
from meter_io.bus.driver import drive, monotonic_ms
from meter_io.bus.events import Broken, Failed, Round
from meter_io.errors import GarbledReply, LineRefused, MeterError, NoReply, PortError, Refused, WrongSpeed
from meter_io.identify import Slave
from meter_io.modbus.exchange import speaker
from meter_io.modbus.poll import Exchanges
from meter_io.ports.address import Line, PortAddress
from meter_io.ports.names import stable_name
from meter_io.ports.port import Port, port_at
from meter_io.profiles.model import TelegramForm
from meter_io.reading import MeterId
from meter_io.survey import BAUDS, PARITIES
from meter_io.wiring import Wiring

_QUESTIONS: Final = 20
_ALLOWED_PERCENT: Final = 1
_OVERHEAR_S: Final = 0.4
_PROBE_MS: Final = 250
_LISTEN_MS: Final = 11_000
"""DSMR 2 to 4 send every ten seconds."""
_SEE_REASONS: Final = "docs/how-to/read-telegram-meters.md says what each reason means"


def wiring_checks(args: argparse.Namespace) -> Iterator[Check]:
    """Look at one port and what hangs on it; each check is yielded when it is done."""
    address = address_of(args.port)
    wiring = wiring_of(args) if args.profile else None
    if address.kind == "serial":
        yield _name(address)
    line = wiring.line if wiring else line_of(args, Line())
    port = wiring.port() if wiring else port_at(address, line)
    try:
        port.open()
    except PortError as error:
        yield Check(name="port", state="FAIL", found=error.sentence, next=error.hint)
        return
    try:
        yield Check(name="port", state="ok", found=f"{address.text} can be opened, and nobody else holds it")
        if address.kind == "serial":
            yield _telegrams(port, wiring) if wiring is not None and _pushes(wiring) else _overheard(port)
        if wiring is None:
            yield Check(
                name="meter",
                state="-",
                found="not run: give --profile",
                next=f"gridlight scan --port {address.text}",
            )
        elif not isinstance(wiring.profile.form, TelegramForm):
            yield from _meter(wiring, port)
        elif wiring.profile.form.asking is not None:
            yield _readout(wiring, port, tries=len(wiring.profile.form.asking.answers))
    except MeterError as error:
        yield Check(name="port", state="FAIL", found=error.sentence, next=error.hint)
    finally:
        port.close()


def _name(address: PortAddress) -> Check:
    given = Path(address.device)
    stable = stable_name(given) if given.exists() and not given.is_symlink() else None
    if stable is not None and stable != given:
        return Check(
            name="name",
            state="warn",
            found=f"{given} may mean another adapter after a restart",
            next=f"use --port {stable}",
        )
    return Check(name="name", state="ok", found=f"{given} stays the same after a restart")


def _pushes(wiring: Wiring) -> bool:
    form = wiring.profile.form
    return isinstance(form, TelegramForm) and form.asking is None


def _overheard(port: Port) -> Check:
    """Listen before asking: on a bus with one master nobody speaks."""
    noise = bytearray()
    while len(noise) < 512:
        data = port.receive(_OVERHEAR_S)
        if not data:
            break
        noise += data
    if not noise:
        return Check(name="silence", state="ok", found="nobody speaks without being asked")
    other = speaker(bytes(noise))
    if other is not None:
        return Check(
            name="silence",
            state="FAIL",
            found=f"slave {other} answers somebody else: there is a second master on this bus",
            next="take the other master off the bus: RS-485 has one",
        )
    if len(set(noise)) == 1:
        return Check(
            name="silence",
            state="FAIL",
            found=f"the line repeats {noise[0]:02x}: it is not at rest",
            next="swap A and B, and check the bias resistors and the terminators",
        )
    return Check(
        name="silence",
        state="warn",
        found=f"{len(noise)} bytes came without a question: {bytes(noise[:8]).hex(' ')}",
        next="a meter that pushes telegrams? gridlight scan listens for them",
    )


def _telegrams(port: Port, wiring: Wiring) -> Check:
    """Listen for a whole telegram: bytes alone prove nothing. The first one may have begun before we listened."""
    listener = wiring.listener()
    came, complaint = 0, None
    end_ms = monotonic_ms() + _LISTEN_MS
    while (left_ms := end_ms - monotonic_ms()) > 0:
        data = port.receive(left_ms / 1_000)
        came += len(data)
        for heard in listener.feed(data):
            if isinstance(heard, Said):
                found = f"{heard.model} sent {len(heard.values)} values"
                return Check(name="telegrams", state="ok", found=found)
            if isinstance(heard, Refused):
                found = f"a telegram came and cannot be used: {heard.sentence}"
                return Check(name="telegrams", state="warn", found=found, next=heard.hint or _SEE_REASONS)
            complaint = heard
    within = f"in {_LISTEN_MS // 1_000} s at {wiring.line}"
    if complaint is not None:
        found = f"only damaged telegrams came {within}: {complaint.sentence}"
        return Check(name="telegrams", state="FAIL", found=found, next=complaint.hint or _SEE_REASONS)
    if came:
        return Check(
            name="telegrams",
            state="FAIL",
            found=f"{came} bytes came {within}, and no {wiring.profile.protocol} telegram among them",
            next="another speed, parity or protocol? P1 data not inverted? head turned? gridlight scan listens, too",
        )
    return Check(
        name="telegrams",
        state="FAIL",
        found=f"nothing came {within}",
        next="P1 wants pin 2 (data request) at 5 V; an optical head wants to sit straight",
    )


def _readout(wiring: Wiring, port: Port, *, tries: int) -> Check:
    """Ask a meter that is asked for its telegram, in each way it may want to be answered."""
    heard: list[Round | Failed | Broken] = []

    def is_over() -> bool:
        last = heard[-1] if heard else None
        again = isinstance(last, Failed) and isinstance(last.error, WrongSpeed) and len(heard) < tries
        return last is not None and not again

    bus = wiring.bus(MeterId("meter"), interval_ms=1_000, now_ms=monotonic_ms())
    drive(bus, port, report=heard.append, stopped=is_over)
    end = heard[-1]
    if isinstance(end, Round):
        return Check(name="meter", state="ok", found=f"{end.said.model} sent {len(end.said.values)} values")
    return Check(name="meter", state="FAIL", found=end.error.sentence, next=end.error.hint)


def _meter(wiring: Wiring, port: Port) -> Iterator[Check]:
    slave = _slave(wiring, port, wiring.profile.timing.reply_ms)
    errors: list[MeterError] = []
    asked = 0
    for asked in range(1, _QUESTIONS + 1):
        try:
            slave.call()
        except PortError:
            raise
        except MeterError as error:
            errors.append(error)
            if asked == 3 and len(errors) == 3:
                break  # it is not a matter of quality
    damaged = sum(isinstance(error, GarbledReply) for error in errors)
    silent = sum(isinstance(error, NoReply) for error in errors)
    if len(errors) < asked:
        yield _quality(asked, damaged, silent)
        yield _model(slave, wiring)
        return
    yield _unreachable(wiring, errors[-1], port, damaged)


def _slave(wiring: Wiring, port: Port, reply_ms: int) -> Slave:
    exchanges = Exchanges(tcp=wiring.address.frames_tcp)
    return Slave(once=wiring.once(port), exchanges=exchanges, unit=wiring.unit, reply_ms=reply_ms)


def _quality(asked: int, damaged: int, silent: int) -> Check:
    words = f"{asked} questions: {damaged} answers damaged, {silent} missing (limit {_ALLOWED_PERCENT} %)"
    if (damaged + silent) * 100 <= asked * _ALLOWED_PERCENT:
        return Check(name="meter", state="ok", found=words)
    advice = (
        "check the 120-ohm terminators at both ends, the shield, and the distance to power cables"
        if damaged >= silent
        else "check the plugs; give the meter more time with reply_ms in a profile of your own"
    )
    return Check(name="meter", state="FAIL", found=words, next=advice)


def _model(slave: Slave, wiring: Wiring) -> Check:
    fit = slave.fit(wiring.profile)
    if not fit.why_not:
        how = "by its code" if fit.by_code else "its values are plausible"
        return Check(name="model", state="ok", found=f"{wiring.profile.title}: {how}")
    return Check(
        name="model",
        state="FAIL",
        found=f"it is no {wiring.profile.title}: {fit.why_not}",
        next=f"gridlight scan --port {wiring.address.text}",
    )


def _unreachable(wiring: Wiring, error: MeterError, port: Port, damaged: int) -> Check:
    """Nothing was understood: find out whether another setting is, before the wires are blamed."""
    if wiring.address.kind != "serial":
        return Check(name="meter", state="FAIL", found=error.sentence, next=error.hint)
    port.close()
    setting = _other_setting(wiring)
    if setting is not None:
        return Check(
            name="meter",
            state="FAIL",
            found=f"slave {wiring.unit} does not answer at {wiring.line}, but at {setting}",
            next=f"--baud {setting.baud} --parity {setting.parity}",
        )
    if damaged:
        return Check(
            name="meter",
            state="FAIL",
            found=f"{error.sentence}; no other speed or parity is understood",
            next="swap A and B; check the common ground and the terminators",
        )
    return Check(
        name="meter",
        state="FAIL",
        found=f"{error.sentence}, at any usual speed and parity",
        next=f"check power and A/B; another address? gridlight scan --port {wiring.address.text} --addresses 1-247",
    )


def _other_setting(wiring: Wiring) -> Line | None:
    for baud in BAUDS:
        for parity in PARITIES:
            line = Line(baud=baud, parity=parity)
            if line == wiring.line:
                continue
            port = port_at(wiring.address, line)
            try:
                port.open()
                tried = Wiring(profile=wiring.profile, address=wiring.address, line=line, unit=wiring.unit)
                _slave(tried, port, _PROBE_MS).call()
            except LineRefused:
                continue
            except PortError:
                raise  # the port is gone, so no setting is the right one
            except MeterError:
                continue
            finally:
                port.close()
            return line
    return None
