"""The device's certificate: its key is made here and never leaves the board, the request for it, the grant checked.

The key is one of its own, on the curve P-256, since TLS libraries do not take the ledger's curve, and since the two
planes share nothing. Only who joins a fleet loads this file and its library; `gridlight run` does without.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from firmware_app.management.credentials import CredentialsError, check_secret, put
from firmware_app.store.files import Files


def ensure_key(path: Path, files: Files) -> None:
    """Make the key if there is none; one that is there is never touched.

    Raises:
        CredentialsError: it cannot be made.
    """
    if path.exists():
        return

    text = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    put(path, text, files)


def ensure_request(path: Path, key: Path, device: str, files: Files) -> bytes:
    """The certificate request (PKCS #10, DER) of the key in a file; the one that is there if it is of this key.

    A signature is another one each time, and a grant answers one request: so the request stays.

    Raises:
        CredentialsError: the file holds no key of ours, or the request cannot be written.
    """
    secret = _key(key)
    if path.exists():
        try:
            raw = path.read_bytes()
            kept = x509.load_der_x509_csr(raw)
            if _spki(kept.public_key()) == _spki(secret.public_key()) and _names(kept.subject) == [device]:
                return raw
        except (OSError, ValueError):
            raw = b""  # damaged: a new one takes its place
    raw = _request(secret, device)
    put(path, raw, files)
    return raw


def _request(secret: ec.EllipticCurvePrivateKey, device: str) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, device)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(secret, hashes.SHA256())
    return request.public_bytes(Encoding.DER)


def check_certificate(pem: bytes, key: Path, ca_pem: bytes, device: str) -> None:
    """Whether a certificate is for this device and its key, and by the authority of the ticket.

    Raises:
        CredentialsError: it is not.
    """
    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
        authorities = x509.load_pem_x509_certificates(ca_pem)
    except (ValueError, IndexError):
        raise CredentialsError("the grant holds no certificate") from None
    names = _names(certificate.subject)
    if names != [device]:
        raise CredentialsError(f"the certificate is for {names}, expected {device}")
    if _spki(certificate.public_key()) != _spki(_key(key).public_key()):
        raise CredentialsError("the certificate is for another key")
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return
    raise CredentialsError("the certificate is by another authority than the ticket's")


def sign(key: Path, message: bytes) -> bytes:
    """Sign with the key of a certificate: ECDSA over SHA-256, as DER.

    Raises:
        CredentialsError: the file holds no key of ours.
    """
    return _key(key).sign(message, ec.ECDSA(hashes.SHA256()))


def ends_ms(path: Path) -> int:
    """When a certificate ends, UTC ms.

    Raises:
        CredentialsError: the file holds none.
    """
    return int(_certificate(path).not_valid_after_utc.timestamp()) * 1_000


def fingerprint(path: Path) -> bytes:
    """SHA-256 of a certificate.

    Raises:
        CredentialsError: the file holds none.
    """
    return _certificate(path).fingerprint(hashes.SHA256())


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise CredentialsError(f"{path} holds no certificate") from None


def _names(subject: x509.Name) -> list[str | bytes]:
    return [part.value for part in subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]


def _spki(public: object) -> bytes:
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return b""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key(path: Path) -> ec.EllipticCurvePrivateKey:

    check_secret(path)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        raise CredentialsError(f"{path} holds no key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CredentialsError(f"{path} holds a key of another kind")
    return key
