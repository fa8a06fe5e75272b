"""The fleet's certificates: who gets one, for which name, and that secrets stay closed."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.broker.authority import Authority, Role
from light_client.rules.errors import LocalError

FLEET = bytes(range(32))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A fresh one."""
    return Authority.create(tmp_path, FLEET, NOW)


def request_of(*names: str, key: Key | None = None) -> x509.CertificateSigningRequest:
    """What a device would send."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def der(request: x509.CertificateSigningRequest) -> bytes:
    """As it travels."""
    return request.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("form", [serialization.Encoding.DER, serialization.Encoding.PEM])
def test_a_device_gets_a_certificate_for_its_own_key(
    authority: Authority, form: serialization.Encoding
) -> None:
    request = request_of("meter-0101")
    granted = x509.load_pem_x509_certificate(
        authority.grant(request.public_bytes(form), "meter-0101", NOW, days=30)
    )
    root = x509.load_pem_x509_certificate(authority.certificate)
    granted.verify_directly_issued_by(root)
    assert granted.public_key() == request.public_key()
    assert granted.subject.rfc4514_string() == "CN=meter-0101"
    usage = granted.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not granted.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_board_without_a_clock_finds_every_certificate_begun(authority: Authority) -> None:
    whole = [
        authority.certificate,
        authority.server(["broker.example"], NOW).certificate,
        authority.client("desk", Role.OPERATOR, NOW).certificate,
        authority.grant(der(request_of("meter-0101")), "meter-0101", NOW),
    ]
    for pem in whole:
        certificate = x509.load_pem_x509_certificate(pem)
        assert certificate.not_valid_before_utc < datetime(1970, 1, 2, tzinfo=UTC)
        assert certificate.not_valid_after_utc > NOW + timedelta(days=365)


REFUSED = {
    "another name": der(request_of("meter-0102")),
    "an operator's name": der(request_of("operator.desk")),
    "two names": der(request_of("meter-0101", "operator.desk")),
    "no name": der(request_of()),
    "another kind of key": der(request_of("meter-0101", key=ed25519.Ed25519PrivateKey.generate())),
    "another curve": der(request_of("meter-0101", key=ec.generate_private_key(ec.SECP256K1()))),
    "nothing": b"",
    "no request": b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "a signature of nobody": der(request_of("meter-0101"))[:-4] + b"beef",
    "too long": der(request_of("meter-0101")) + bytes(5_000),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_request_that_is_not_right_gets_no_certificate(authority: Authority, what: str) -> None:
    with pytest.raises(LocalError, match=r"certificate request|key of a"):
        authority.grant(REFUSED[what], "meter-0101", NOW)


@pytest.mark.parametrize("name", ["operator.desk", "-", "Meter", "meter/1", "meter+", "m" * 60])
def test_no_certificate_for_a_name_that_could_be_read_as_another_right(
    authority: Authority, name: str
) -> None:
    with pytest.raises(LocalError, match="name in a certificate"):
        authority.grant(der(request_of(name)), name, NOW)


def test_what_was_revoked_stays_revoked(authority: Authority, tmp_path: Path) -> None:
    first, second = (
        authority.client(name, Role.DEVICE, NOW).certificate for name in ("meter-0101", "meter-0102")
    )
    authority.revoke([first], NOW)
    Authority.load(tmp_path).revoke([second, first], NOW + timedelta(days=1))
    revoked = x509.load_pem_x509_crl(authority.revoked_list)
    root = x509.load_pem_x509_certificate(authority.certificate)
    assert revoked.is_signature_valid(root.public_key())  # type: ignore[arg-type]
    serials = {entry.serial_number: entry.revocation_date_utc for entry in revoked}
    assert serials == {
        x509.load_pem_x509_certificate(first).serial_number: NOW,
        x509.load_pem_x509_certificate(second).serial_number: NOW + timedelta(days=1),
    }


def test_an_authority_is_never_replaced_and_never_mixed(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    mine = Authority.create(here, FLEET, NOW)
    with pytest.raises(LocalError, match="none there yet"):
        Authority.create(here, FLEET, NOW)
    assert Authority.load(here).certificate == mine.certificate
    other = Authority.create(there, FLEET, NOW)
    (here / "authority.crt").write_bytes(other.certificate)
    with pytest.raises(LocalError, match="another certificate"):
        Authority.load(here)
    with pytest.raises(LocalError, match="expected one in"):
        Authority.load(tmp_path / "nowhere")


def test_secrets_are_closed_to_others_and_not_shown(authority: Authority, tmp_path: Path) -> None:
    assert (tmp_path / "authority.key").stat().st_mode & 0o777 == 0o600
    credential = authority.client("desk", Role.OPERATOR, NOW)
    assert "PRIVATE" not in repr(credential)


def test_a_broker_has_a_name(authority: Authority) -> None:
    with pytest.raises(LocalError, match="hosts of a broker"):
        authority.server([], NOW)
    server = x509.load_pem_x509_certificate(
        authority.server(["broker.example", "192.0.2.7"], NOW).certificate
    )
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]


def test_the_strictest_peer_accepts_both_sides(authority: Authority, tmp_path: Path) -> None:
    """As Python does by itself from 3.13 on, at the operator's desk: everything that RFC 5280 asks of certificates."""
    sides = []
    for purpose, credential in (
        (ssl.Purpose.CLIENT_AUTH, authority.server(("broker.example",), NOW)),
        (ssl.Purpose.SERVER_AUTH, authority.client("desk", Role.OPERATOR, NOW)),
    ):
        context = ssl.create_default_context(purpose, cadata=authority.certificate.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        pair = tmp_path / f"{purpose.name}.pem"
        pair.write_bytes(credential.key + credential.certificate)
        context.load_cert_chain(pair)
        sides.append(context)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = sides[0].wrap_bio(there, back, server_side=True)
    client = sides[1].wrap_bio(back, there, server_hostname="broker.example")
    for _ in range(4):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    peer = server.getpeercert()
    assert peer is not None
    assert peer["subject"] == ((("commonName", "operator.desk"),),)
