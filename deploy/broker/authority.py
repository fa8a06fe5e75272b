"""The fleet's own certificate authority: it says who may speak to the broker, and nothing about what devices believe.

A common name is a role: `meter-0101` is a device, `operator.anna` may write to all of them, `watcher.grafana` may only
listen. No device can be called like the other two, since names of devices hold no dot.

Certificates are valid from 1970 on: a board without a clock must be able to reach its operator, and a certificate that
is "not valid yet" has locked out whole fleets. What ends one is its expiry and, sooner, the revocation list.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from light_client.rules.errors import LocalError
from light_client.secret_file import write_secret_file

_BEGIN: Final = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
_AUTHORITY_DAYS: Final = 40 * 365
_LIST_DAYS: Final = 20 * 365
"""A list that ran out would shut everybody out, and an old list is no danger: it lies beside the broker."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,58}")
_KEY_FILE, _CERTIFICATE_FILE, _REVOKED_FILE = "authority.key", "authority.crt", "revoked.crl"
_MAX_REQUEST_BYTES: Final = 4_096


class Role(StrEnum):
    """What a certificate lets its holder do at the broker; the beginning of its common name, but for devices."""

    DEVICE = ""
    OPERATOR = "operator."
    WATCHER = "watcher."


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A secret key with its certificate, both PEM."""

    key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "Credential(...)"


class Authority:
    """The authority of one fleet, kept in a folder that its owner alone can read."""

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._folder = folder
        self._key = key
        self._certificate = certificate

    @classmethod
    def create(cls, folder: Path, fleet: bytes, now: datetime) -> Authority:
        """Draw a key and write it; an authority that is there already is never replaced.

        Args:
            fleet: the fleet's name, 32 bytes: it stands in the authority's own name.

        Raises:
            LocalError: there is one already.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"gridlight fleet {fleet.hex()[:16]}")])
        builder = _builder(name, name, key.public_key(), now, _AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        certificate = builder.sign(key, hashes.SHA256())
        _write_secret(folder / _KEY_FILE, _pem_of(key))
        (folder / _CERTIFICATE_FILE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        authority = cls(folder, key, certificate)
        authority.revoke((), now)
        return authority

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """The authority of a folder.

        Raises:
            LocalError: there is none, or its files do not belong together.
        """
        try:
            key = serialization.load_pem_private_key((folder / _KEY_FILE).read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate((folder / _CERTIFICATE_FILE).read_bytes())
        except (OSError, ValueError) as error:
            raise LocalError("authority", got=type(error).__name__, expected=f"one in {folder}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise LocalError("authority", got="a key of another certificate", expected=f"its own in {folder}")
        return cls(folder, key, certificate)

    @property
    def certificate(self) -> bytes:
        """What devices and brokers are given to know the others by, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def revoked_list(self) -> bytes:
        """The revocation list, PEM."""
        return (self._folder / _REVOKED_FILE).read_bytes()

    def server(self, hosts: Sequence[str], now: datetime, days: int = 10 * 365) -> Credential:
        """A broker's own key and certificate.

        Args:
            hosts: names and addresses that devices reach it by.

        Raises:
            LocalError: no host.
        """
        if not hosts:
            raise LocalError("hosts of a broker", got="none", expected="one or more")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_common(hosts[0]), self._certificate.subject, key.public_key(), now, days)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False
        )
        certificate = self._signed(builder, key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH)
        return Credential(key=_pem_of(key), certificate=certificate)

    def client(self, name: str, role: Role, now: datetime, days: int = 10 * 365) -> Credential:
        """A key and a certificate for somebody whose key may be drawn here: operators, watchers, emulated devices.

        Raises:
            LocalError: the name is none.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        return Credential(key=_pem_of(key), certificate=self._client(key.public_key(), name, role, now, days))

    def grant(self, request: bytes, name: str, now: datetime, days: int = 10 * 365) -> bytes:
        """The certificate for a device that drew its key itself and asks for it, PEM.

        Args:
            request: a PKCS #10 request, DER or PEM.
            name: of the device that the token was made for.

        Raises:
            LocalError: the request is none, is for another name, or its holder does not have the key.
        """
        try:
            load = x509.load_pem_x509_csr if request.startswith(b"-----") else x509.load_der_x509_csr
            asked = load(request[: _MAX_REQUEST_BYTES + 1])
            public, names = asked.public_key(), asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            is_signed = asked.is_signature_valid
        except (ValueError, UnsupportedAlgorithm) as error:
            raise LocalError(
                "certificate request", got=type(error).__name__, expected="PKCS #10, DER or PEM"
            ) from None
        if len(request) > _MAX_REQUEST_BYTES or not is_signed:
            raise LocalError(
                "certificate request", got=f"{len(request)} bytes", expected="short, signed by its key"
            )
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            raise LocalError("key of a certificate request", got=type(public).__name__, expected="P-256")
        if [entry.value for entry in names] != [name]:
            raise LocalError(
                "name in a certificate request", got=[entry.value for entry in names], expected=name
            )
        return self._client(public, name, Role.DEVICE, now, days)

    def revoke(self, certificates: Iterable[bytes], now: datetime) -> None:
        """Put certificates (PEM) on the revocation list; those on it stay there."""
        path = self._folder / _REVOKED_FILE
        before = x509.load_pem_x509_crl(path.read_bytes()) if path.exists() else ()
        serials = {entry.serial_number: entry.revocation_date_utc for entry in before}
        for certificate in certificates:
            serials.setdefault(x509.load_pem_x509_certificate(certificate).serial_number, now)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._certificate.subject)
        builder = builder.last_update(_BEGIN).next_update(now + timedelta(days=_LIST_DAYS))
        for serial, when in sorted(serials.items()):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
            builder = builder.add_revoked_certificate(entry.build())
        signed = builder.sign(self._key, hashes.SHA256())
        fresh = path.with_suffix(".new")
        fresh.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        fresh.replace(path)

    def _client(
        self, public: ec.EllipticCurvePublicKey, name: str, role: Role, now: datetime, days: int
    ) -> bytes:
        if not _NAME.fullmatch(name):
            raise LocalError(
                "name in a certificate", got=name, expected="small letters, digits and dashes, up to 59"
            )
        builder = _builder(_common(role + name), self._certificate.subject, public, now, days)
        return self._signed(builder, public, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _signed(
        self,
        builder: x509.CertificateBuilder,
        public: ec.EllipticCurvePublicKey,
        purpose: x509.ObjectIdentifier,
    ) -> bytes:
        """Sign, PEM. Without the two key identifiers (RFC 5280, 4.2.1.1 and 4.2.1.2) Python 3.13 refuses a peer."""
        identifiers = (
            x509.SubjectKeyIdentifier.from_public_key(public),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
        )
        for identifier in identifiers:
            builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def is_signed_by(certificate: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the key of a certificate (PEM) signed a message: ECDSA over SHA-256, as DER."""
    public = x509.load_pem_x509_certificate(certificate).public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return False
    try:
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def ends_ms(certificate: bytes) -> int:
    """When a certificate (PEM) ends, UTC ms."""
    return int(x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()) * 1_000


def fingerprint(certificate: bytes) -> bytes:
    """SHA-256 of a certificate (PEM)."""
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())


def hosts_of(certificate: bytes) -> tuple[str, ...]:
    """The names and addresses that a broker's certificate (PEM) is for."""
    names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return tuple(str(name.value) for name in names.value)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(_BEGIN).not_valid_after(now + timedelta(days=days))


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(path: Path, data: bytes) -> None:
    try:
        write_secret_file(path, data)
    except FileExistsError:
        raise LocalError("authority", got=str(path), expected="none there yet") from None
