"""Certificate and key of the management plane: where they lie, and the TLS that they make."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from firmware_app.management.in_force import FOLDER
from firmware_app.management.params import FleetParams
from firmware_app.store.files import Files, replace_document
from light_client.secret_file import OpenToOthersError, SecretFileError, check_secret_file


class CredentialsError(Exception):
    """A certificate or key is missing, open to others, or none; no message holds any of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where the files are."""

    ca: Path
    certificate: Path
    key: Path

    @property
    def are_there(self) -> bool:
        """Whether the device has a certificate."""
        return self.ca.exists() and self.certificate.exists() and self.key.exists()

    def context(self) -> ssl.SSLContext:
        """TLS as the device speaks it: the authority of the ticket alone is believed, and the host name is checked.

        Raises:
            CredentialsError: a file cannot be used.
        """
        check_secret(self.key)
        context = authority_context(self.ca)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise CredentialsError(f"{self.certificate} and its key cannot be used: {_why(error)}") from None
        return context


def authority_context(ca: Path) -> ssl.SSLContext:
    """TLS that believes one authority.

    Raises:
        CredentialsError: its certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise CredentialsError(f"{ca} cannot be used: {_why(error)}") from None
    return context


def credentials_of(params: FleetParams, document: Path, data_folder: Path) -> Credentials:
    """Where the files of a configuration are.

    Args:
        document: the device's file, which named paths are relative to.
    """
    folder = data_folder / FOLDER

    def place(named: str | None, usual: str) -> Path:
        return folder / usual if named is None else document.parent / named

    return Credentials(
        ca=place(params.ca_file, "ca.pem"),
        certificate=place(params.certificate_file, "device.pem"),
        key=place(params.key_file, "device.key"),
    )


def put(path: Path, data: bytes, files: Files) -> None:
    """Write a small file whole or not at all, mode 600.

    Raises:
        CredentialsError: it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_document(files, path, data, keep_present=False)
    except OSError as error:
        raise CredentialsError(f"{path} cannot be written: {_why(error)}") from None


def check_secret(path: Path) -> None:
    """Refuse a secret that others can read, or that is not there.

    Raises:
        CredentialsError: so it is.
    """
    try:
        check_secret_file(path)
    except OpenToOthersError as error:
        raise CredentialsError(str(error)) from None
    except SecretFileError as error:
        raise CredentialsError(f"{error}; gridlight enroll --ticket FILE makes it") from None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
