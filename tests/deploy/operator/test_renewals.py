"""A device's certificate is renewed before it ends: asked for, signed after a look, used; and then the old one dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from deploy.broker.authority import Authority, Role, ends_ms
from deploy.broker.folder import renew_server, write_broker
from deploy.broker.settings import BrokerSettings
from deploy.operator.cli import main
from deploy.operator.desk.devices import Device, State
from deploy.operator.desk.folder import Desk, open_desk
from deploy.operator.overview import overview
from deploy.operator.serving.renewals import renew_own
from deploy.operator.serving.service import Service
from deploy.operator.serving.wire import Message
from firmware_app.fleet.renewal import Renewal, Step, renewal_from_bytes, renewed_from_bytes, signed_part
from firmware_app.fleet.topics import Said
from firmware_app.management import certificate
from firmware_app.management.certificate import ensure_key, ensure_request
from firmware_app.management.credentials import Credentials
from firmware_app.management.renewing import ASK_EACH_MS, MAX_FAILURES, Renewing, forget_next, next_of
from light_client.rules.errors import RuleViolation
from tests.firmware_app.management.world import Cut, CutFiles

NAME: Final = "meter-0101"
DAY_MS: Final = 86_400_000
NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
NOW_MS: Final = int(NOW.timestamp()) * 1_000


class Both:
    """A desk with its service, and a device that is enrolled there; what they say is handed over by the test."""

    def __init__(self, folder: Path, left_days: int = 40) -> None:
        assert main(["init", "--local", "--desk", str(folder / "desk"), "--quiet"]) == 0
        self.desk: Desk = open_desk(folder / "desk")
        self.authority = Authority.load(self.desk.authority_folder)
        self.reloads = 0
        self.notes: list[tuple[str, str]] = []
        self.now_ms, self.monotonic_ms = NOW_MS, 0
        device = folder / "device"
        self.credentials = Credentials(
            ca=device / "ca.pem", certificate=device / "device.pem", key=device / "device.key"
        )
        self.files = CutFiles()
        ensure_key(self.credentials.key, self.files)
        request = ensure_request(device / "device.csr", self.credentials.key, NAME, self.files)
        granted = self.authority.grant(request, NAME, NOW, left_days)
        self.credentials.certificate.write_bytes(granted)
        self.credentials.ca.write_bytes(self.authority.certificate)
        with self.desk.database.transaction():
            self.desk.devices.add(Device(name=NAME), NOW_MS)
            self.desk.devices.enrol(NAME, granted, b"", NOW_MS)
        self.service = Service(self.desk, self._reload)
        self.fleet = self.service.topics.fleet
        self.begin()

    def _reload(self) -> bool:
        self.reloads += 1
        return True

    def begin(self) -> None:
        """The device starts."""
        self.files.left = None
        self.renewing = Renewing(
            self.credentials,
            NAME,
            self.fleet,
            before_days=60,
            note=lambda *note: self.notes.append(note),
            files=self.files,
        )

    def say(self, raw: bytes | None = None) -> list[bytes]:
        """The device speaks, or somebody in its topic; what the desk answers."""
        said = self.renewing.say(self.monotonic_ms, self.now_ms) if raw is None else raw
        if said is None:
            return []
        topic = self.service.topics.device(NAME, Said.RENEW)
        sent = self.service.turn([Message(topic, said)], self.now_ms)
        answer = self.service.topics.device(NAME, Said.RENEWED)
        return [sending.payload for sending in sent if sending.topic == answer]

    def connect(self) -> None:
        """A connection that holds."""
        self.renewing.context()
        self.renewing.held()

    @property
    def device(self) -> Device:
        """As the desk knows it."""
        return self.desk.devices.named(NAME)

    @property
    def in_use(self) -> bytes:
        """The device's certificate."""
        return self.credentials.certificate.read_bytes()

    @property
    def revoked(self) -> set[int]:
        """Serial numbers that open nothing any more, by the list that the broker has."""
        raw = (self.desk.broker_folder / "revoked.crl").read_bytes()
        return {entry.serial_number for entry in x509.load_pem_x509_crl(raw)}

    @property
    def audit(self) -> list[str]:
        """What was noted of it."""
        return [entry.what for entry in self.desk.audit.entries() if entry.who == NAME]


def serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    made = Both(tmp_path)
    yield made
    made.desk.close()


def test_the_old_certificate_works_until_the_new_one_is_used(both: Both) -> None:
    old = both.in_use
    (answer,) = both.say()
    assert both.renewing.hear(answer)
    assert both.in_use == old
    assert serial(old) not in both.revoked
    assert both.device.certificate == old
    both.connect()
    fresh = both.in_use
    assert fresh != old
    assert ends_ms(fresh) > NOW_MS + 3_000 * DAY_MS
    assert serial(old) not in both.revoked, "the operator has not heard of it yet"
    assert both.say() == []
    assert (both.device.certificate, both.device.next_certificate) == (fresh, None)
    assert serial(old) in both.revoked
    assert serial(fresh) not in both.revoked
    assert both.reloads >= 1
    assert both.audit == ["certificate renewed", "certificate in use"]
    assert both.say() == [], "and that is that, for years"
    assert not next_of(both.credentials.key).exists()


def test_it_is_asked_for_in_time_and_not_too_often(both: Both) -> None:
    both.now_ms = NOW_MS - 30 * DAY_MS
    assert both.renewing.say(0, both.now_ms) is None, "there are 70 days left"
    assert both.renewing.say(0, None) is None, "nobody knows the time"
    assert both.renewing.say(0, NOW_MS) is not None
    assert both.renewing.say(ASK_EACH_MS - 1, NOW_MS) is None
    assert both.renewing.say(ASK_EACH_MS, NOW_MS) is not None


def test_devices_do_not_all_come_on_one_day(both: Both) -> None:
    def first_day(name: str) -> int:
        renewing = Renewing(both.credentials, name, both.fleet, before_days=60, note=lambda *_: None)
        end = ends_ms(both.in_use)
        return min(day for day in range(100) if end - day * DAY_MS < end - renewing._before_ms + DAY_MS)

    days = {first_day(f"meter-{number:04}") for number in range(60)}
    assert len(days) >= 15
    assert min(days) >= 29
    assert max(days) <= 60


def test_the_same_request_gets_the_same_certificate_and_another_key_another(both: Both) -> None:
    (first,) = both.say()
    both.monotonic_ms += ASK_EACH_MS
    (second,) = both.say()
    assert first == second
    unused = both.device.next_certificate
    next_of(both.credentials.key).unlink()
    both.monotonic_ms += ASK_EACH_MS
    (third,) = both.say()
    assert third != second
    assert unused is not None
    assert serial(unused) in both.revoked, "nobody will ever use it"
    assert both.renewing.hear(third)


def test_a_revoked_device_is_refused_and_one_that_is_too_early(both: Both) -> None:
    said = both.renewing.say(0, NOW_MS)
    both.now_ms = NOW_MS - 100 * DAY_MS
    (early,) = both.say(said)
    assert "renewed 90 days before" in renewed_from_bytes(early).refusal
    both.now_ms = NOW_MS
    with both.desk.database.transaction():
        both.desk.devices.change(NAME, NOW_MS, state=State.REVOKED)
    (refused,) = both.say(said)
    assert renewed_from_bytes(refused).refusal == f"{NAME} is revoked"
    assert both.audit == ["renewal refused"] * 2
    assert not both.renewing.hear(refused)
    assert both.device.next_certificate is None


def test_whoever_holds_the_broker_gets_no_certificate_and_revokes_none(both: Both, tmp_path: Path) -> None:
    thief = tmp_path / "thief.key"
    ensure_key(thief, CutFiles())
    request = ensure_request(tmp_path / "thief.csr", thief, NAME, CutFiles())

    def forged(step: Step, content: bytes, name: str = NAME, fleet: bytes = both.fleet) -> bytes:
        signature = certificate.sign(thief, signed_part(step, fleet, name, content))
        return Renewal(step=step, content=content, signature=signature).encode()

    (answer,) = both.say()
    fresh = both.device.next_certificate
    assert fresh is not None
    old = both.in_use
    from_another_fleet = Renewal(
        step=Step.REQUEST,
        content=request,
        signature=certificate.sign(both.credentials.key, signed_part(Step.REQUEST, bytes(32), NAME, request)),
    )
    fingerprint = x509.load_pem_x509_certificate(fresh).fingerprint(hashes.SHA256())
    for raw in (
        forged(Step.REQUEST, request),
        forged(Step.USED, fingerprint),
        from_another_fleet.encode(),
        b"",
        b"\x84",
        answer,
    ):
        assert both.say(raw) == []
    assert both.device.certificate == old
    assert both.device.next_certificate == fresh
    assert both.revoked == set()
    for raw in (answer[:-1], answer.replace(b"BEGIN", b"BEGIM"), b"", forged(Step.REQUEST, request)):
        assert not both.renewing.hear(raw)
    other = renewed_from_bytes(answer)
    stranger = Authority.create(tmp_path / "elsewhere", both.fleet, NOW)
    csr = next_of(both.credentials.certificate.with_suffix(".csr")).read_bytes()
    for pem in (stranger.grant(csr, NAME, NOW), both.authority.grant(request, NAME, NOW), old):
        assert not both.renewing.hear(replace(other, certificate_pem=pem).encode())
    assert both.renewing.hear(answer), "the true one is still taken"


def test_a_new_certificate_that_the_broker_does_not_take_is_given_up(both: Both) -> None:
    (answer,) = both.say()
    both.renewing.hear(answer)
    old = both.in_use
    for _ in range(MAX_FAILURES):
        both.renewing.context()
        both.renewing.failed()
    both.connect()
    assert both.in_use == old
    assert both.say() != [], "it asks anew"


def test_whenever_the_power_goes_key_and_certificate_belong_together(tmp_path: Path) -> None:
    for cut in range(60):
        folder = tmp_path / str(cut)
        folder.mkdir()
        both = Both(folder)
        both.files.left = cut
        try:
            (answer,) = both.say()
            both.renewing.hear(answer)
            both.connect()
            was_cut = False
        except Cut:
            was_cut = True
        both.files.left = None
        both.begin()
        both.credentials.context()
        for _ in range(2):
            both.connect()
            both.monotonic_ms += ASK_EACH_MS
            for answer in both.say():
                both.renewing.hear(answer)
        both.connect()
        both.credentials.context()
        assert ends_ms(both.in_use) > NOW_MS + 3_000 * DAY_MS, cut
        both.desk.close()
        if not was_cut:
            assert cut > 15
            return
    pytest.fail("the cuts never came to an end")


def test_joining_anew_leaves_nothing_of_a_renewal_behind(both: Both) -> None:
    (answer,) = both.say()
    both.renewing.hear(answer)
    forget_next(both.credentials)
    old = both.in_use
    both.begin()
    both.connect()
    assert both.in_use == old


def test_a_certificate_that_has_ended_says_what_to_do(both: Both) -> None:
    assert both.renewing.problem(NOW_MS) == ""
    assert both.renewing.problem(None) == ""
    late_ms = NOW_MS + 41 * DAY_MS
    assert "gridlight enroll --ticket" in both.renewing.problem(late_ms)
    (row,) = (row for row in overview(both.desk, late_ms)["attention"] if row["cause"] == "certificate")
    assert (row["severity"], row["such_as"]) == ("failure", [NAME])
    (row,) = (
        row for row in overview(both.desk, late_ms - 5 * DAY_MS)["attention"] if row["cause"] == "certificate"
    )
    assert row["severity"] == "warning"


def test_the_brokers_certificate_and_the_desks_own_are_renewed_too(both: Both) -> None:
    names = ("server.crt", "server.key")
    before = [(both.desk.broker_folder / name).read_bytes() for name in names]
    own = both.desk.authority_folder / "operator.desk.crt"
    desk_before = own.read_bytes()
    assert not renew_own(both.desk, NOW)
    late = datetime.fromtimestamp(time.time(), UTC) + timedelta(days=3_600)
    assert renew_own(both.desk, late)
    after = [(both.desk.broker_folder / name).read_bytes() for name in names]
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert own.read_bytes() != desk_before
    assert not renew_own(both.desk, late)


def test_a_renewed_broker_has_the_names_that_it_had(tmp_path: Path, both: Both) -> None:
    hosts = ("broker.example.net", "192.0.2.7")
    settings = BrokerSettings(folder=tmp_path / "b", data_folder=tmp_path / "d")
    write_broker(tmp_path / "b", settings, both.service.topics, both.authority, hosts, NOW)
    assert renew_server(tmp_path / "b", both.authority, NOW + timedelta(days=3_600), timedelta(days=90))
    fresh = x509.load_pem_x509_certificate((tmp_path / "b" / "server.crt").read_bytes())
    names = fresh.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == list(hosts)


def test_a_word_of_a_device_comes_back_as_it_went(both: Both) -> None:
    said = both.renewing.say(0, NOW_MS)
    assert said is not None
    assert renewal_from_bytes(said).encode() == said
    for raw in (said[:-1], said + b"\0", b"\x84\x02" + said[2:]):
        with pytest.raises(RuleViolation, match="FLT-02"):
            renewal_from_bytes(raw)
    assert both.authority.client("x", Role.WATCHER, NOW).certificate
