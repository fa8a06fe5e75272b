"""Encrypted P1: DLMS general-global-cipher frames with AES-128-GCM, security suite 0.

A frame is `db`, `08` and the system title, a length, the security control byte, the invocation counter, the encrypted
telegram, and a tag of 12 bytes. The nonce is system title and counter, what is authenticated besides is the control
byte and the authentication key. Source: DLMS UA Green Book (general-glo-ciphering); Luxmetering E-Meter P1
specification 1.1.3, 2021.

The tag is always checked: a telegram that only decrypts proves nothing about who sent it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meter_io.errors import MeterError
from meter_io.telegram import Reason, Refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext

TAG: Final = 0xDB
_TITLE_BYTES: Final = 8
_LENGTH_MARK: Final = 0x82
"""The length takes two bytes."""
OVERHEAD_BYTES: Final = 18
"""From the tag to the counter: what has to be there before the length is believed."""
_AUTHENTICATED_AND_ENCRYPTED: Final = 0x30
_COUNTED_BYTES: Final = 5
_GCM_TAG_BYTES: Final = 12
_KEY_BYTES: Final = 16
LUXEMBOURG_AUTHENTICATION_KEY: Final = bytes.fromhex("00112233445566778899aabbccddeeff")
"""The authentication key that Luxembourg's specification gives all meters: public, so it protects nothing alone."""


class KeyMaterial:
    """The two keys of one meter. Neither can be seen by printing it.

    Attributes:
        encryption: 16 bytes, from the grid operator.
        authentication: 16 bytes.
    """

    __slots__ = ("authentication", "encryption")

    def __init__(self, encryption: bytes, authentication: bytes = LUXEMBOURG_AUTHENTICATION_KEY) -> None:
        """Take the keys.

        Raises:
            ValueError: one has not 16 bytes.
        """
        for name, key in (("encryption", encryption), ("authentication", authentication)):
            if len(key) != _KEY_BYTES:
                raise ValueError(f"the {name} key has {_KEY_BYTES} bytes, got {len(key)}")
        self.encryption: Final = encryption
        self.authentication: Final = authentication

    @classmethod
    def parse(cls, text: str) -> "KeyMaterial":
        """Read one key, or two separated by white space, each of 32 hexadecimal digits: encryption, authentication.

        Raises:
            ValueError: there are others; the message holds nothing of them.
        """
        words = text.split()
        if not 1 <= len(words) <= 2:
            raise ValueError(f"expected one or two keys, got {len(words)}")
        try:
            keys = [bytes.fromhex(word) for word in words]
        except ValueError:
            raise ValueError("a key is 32 hexadecimal digits; this is something else") from None
        return cls(*keys)

    def __repr__(self) -> str:
        return "KeyMaterial(hidden)"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was accepted last, to be kept over restarts: nothing at or below it is accepted again.

    Attributes:
        system_title: of the meter.
        counter: its last invocation counter.
    """

    system_title: bytes
    counter: int


def frame_bytes(head: bytes) -> int | None:
    """Return how long the frame is that begins with `head`, or None if none begins so."""
    if len(head) < OVERHEAD_BYTES or head[0] != TAG or head[1] != _TITLE_BYTES:
        return None
    if head[10] != _LENGTH_MARK:
        return None
    length = int.from_bytes(head[11:13], "big")
    return 13 + length if length > _COUNTED_BYTES + _GCM_TAG_BYTES else None


class Decryptor:
    """Decrypts the frames of one meter, and none of them twice."""

    def __init__(self, keys: KeyMaterial, seen: Seen | None = None) -> None:
        """Take the keys.

        Args:
            keys: of the meter.
            seen: where the last run ended; without it the first authentic frame names the meter.

        Raises:
            MeterError: the library that decrypts is not installed.
        """
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        except ImportError:
            raise MeterError(
                "decrypting P1 needs the Python package cryptography, which is not installed",
                hint="apt install python3-cryptography",
            ) from None

        def new(nonce: bytes, tag: bytes) -> "AEADDecryptionContext":
            mode = modes.GCM(nonce, tag, min_tag_length=_GCM_TAG_BYTES)
            return Cipher(algorithms.AES(keys.encryption), mode).decryptor()

        self._new: Final = new
        self._invalid_tag: Final = InvalidTag
        self._authentication = keys.authentication
        self._seen = seen

    @property
    def seen(self) -> Seen | None:
        """What was accepted last."""
        return self._seen

    def decrypt(self, frame: bytes) -> bytes:
        """Return the telegram in a complete frame.

        Raises:
            Refusal: it is not authentic, was seen before, or is protected in another way.
        """
        title, control = frame[2:10], frame[13]
        counter = int.from_bytes(frame[14:18], "big")
        if control != _AUTHENTICATED_AND_ENCRYPTED:
            raise Refusal(
                Reason.UNSUPPORTED,
                f"security control 0x{control:02x}, expected 0x30: encrypted and authenticated",
            )
        tag = frame[-_GCM_TAG_BYTES:]
        decryptor = self._new(title + frame[14:18], tag)
        decryptor.authenticate_additional_data(bytes([control]) + self._authentication)
        try:
            plain = decryptor.update(frame[OVERHEAD_BYTES:-_GCM_TAG_BYTES]) + decryptor.finalize()
        except self._invalid_tag:
            raise Refusal(
                Reason.AUTHENTICATION, "the tag does not fit: a wrong key, damage on the line, or a forgery"
            ) from None
        self._not_again(title, counter)
        return plain

    def _not_again(self, title: bytes, counter: int) -> None:
        if self._seen is not None:
            if title != self._seen.system_title:
                raise Refusal(
                    Reason.REPLAY,
                    f"system title {title.hex()}, expected {self._seen.system_title.hex()}: another meter's telegram",
                )
            if counter <= self._seen.counter:
                raise Refusal(
                    Reason.REPLAY, f"invocation counter {counter}, expected more than {self._seen.counter}"
                )
        self._seen = Seen(title, counter)
