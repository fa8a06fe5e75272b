"""Keys of connections: CURVE25519 pairs, and the files that hold them. They sign nothing on the ledger."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import zmq
from zmq.utils import z85

from light_client.rules.errors import LocalError, TransportError
from light_client.secret_file import (
    OpenToOthersError,
    SecretFileError,
    read_secret_file,
    write_secret_file,
)

PUBLIC_KEY_BYTES: Final = 32
_Z85_CHARACTERS: Final = 40
_HEADER: Final = "gridlight transport key 1"


class KeyFileError(TransportError):
    """A key file is missing, readable by others, or not of our form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportKey:
    """A key pair of a connection. Its picture never shows the secret half."""

    public: str
    """Public half in Z85, 40 characters."""
    secret: str = field(repr=False)
    """Secret half in Z85, 40 characters."""

    def __post_init__(self) -> None:
        check_public_key(self.public)
        try:
            derived = zmq.curve_public(self.secret.encode("ascii")).decode("ascii")
        except (zmq.ZMQError, ValueError, TypeError):  # `from None`: the cause would carry the secret
            raise LocalError("the secret half is not a key in Z85") from None
        if derived != self.public:
            raise LocalError("the halves of a transport key do not belong together", got=self.public)

    @classmethod
    def generate(cls) -> Self:
        """Return a fresh pair from the operating system's randomness."""
        public, secret = zmq.curve_keypair()
        return cls(public=public.decode("ascii"), secret=secret.decode("ascii"))


def check_public_key(public: str) -> str:
    """Return the same key, known to be 40 characters of Z85.

    Raises:
        LocalError: it is not.
    """
    try:
        if type(public) is str and len(public) == _Z85_CHARACTERS:
            z85.decode(public.encode("ascii"))
            return public
    except (ValueError, KeyError, IndexError):
        pass
    raise LocalError(
        "not a public transport key", got=public, expected=f"{_Z85_CHARACTERS} characters of Z85"
    )


def write_key_file(path: Path, key: TransportKey) -> None:
    """Write a pair to a new file that only its owner may read.

    Raises:
        KeyFileError: the file exists already, or cannot be written.
    """
    text = f"{_HEADER}\npublic {key.public}\nsecret {key.secret}\n"
    try:
        write_secret_file(path, text.encode("ascii"))
    except OSError as error:
        raise KeyFileError(f"key file {path} cannot be written", got=error.strerror) from error


def read_key_file(path: Path) -> TransportKey:
    """Read a pair.

    Raises:
        KeyFileError: the file is missing, belongs to someone else, may be read by others, or holds no key pair.
    """
    try:
        lines = read_secret_file(path, 4 * _Z85_CHARACTERS).decode("ascii").splitlines()
    except OpenToOthersError as error:
        raise KeyFileError(f"key file {error}: chmod 600 it, and make a new key if it was read") from None
    except SecretFileError as error:
        raise KeyFileError(f"key file {error}") from None
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 3 or lines[0] != _HEADER or lines[1][:7] != "public " or lines[2][:7] != "secret ":
        raise KeyFileError(f"key file {path} is not of the form that is written here")
    try:
        return TransportKey(public=lines[1][7:], secret=lines[2][7:])
    except LocalError as error:
        raise KeyFileError(f"key file {path} holds no key pair: {error.reason}") from None
