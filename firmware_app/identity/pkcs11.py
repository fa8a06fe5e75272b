"""An identity on a chip, by PKCS#11: made there, used there, never read from there.

The library is called as it is, by the C types of the standard: no Python package between, so nothing more to install on
a board. One token, one key of the label `gridlight identity`, on secp256k1. The chip signs a hash; that the lower of
the two valid s is taken, as our rules want, is seen to here.

Source: OASIS PKCS #11 Cryptographic Token Interface, v2.40: base specification (functions, attributes, return values),
current mechanisms (CKM_EC_KEY_PAIR_GEN, CKM_ECDSA); SEC 2 v2 (object identifier of secp256k1).
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence
from ctypes import Structure, byref, c_ubyte, c_ulong, c_void_p, cast, create_string_buffer, sizeof
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from firmware_app.identity.identity import IdentityError
from light_client.rules.crypto import CURVE_ORDER, PUBLIC_KEY_BYTES, SIGNATURE_BYTES

LABEL: Final = b"gridlight identity"
_SECP256K1: Final = bytes.fromhex("06052b8104000a")
_POINT_BYTES: Final = 65
_OCTETS_65: Final = b"\x04\x41"
_UNCOMPRESSED: Final = 4

_CKR_OK: Final = 0
_CKR_ALREADY_INITIALIZED: Final = 0x191
_CKR_ALREADY_LOGGED_IN: Final = 0x100
_REASONS: Final = {
    0x03: "there is no such slot",
    0x30: "the chip reports an error",
    0xA0: "the PIN is wrong",
    0xA4: "the PIN is locked",
    0xE0: "the chip is gone",
    0x101: "nobody is logged in",
}
_CKF_RW_SERIAL: Final = 0x02 | 0x04
_CKU_USER: Final = 1
_CKO_PUBLIC_KEY: Final = 2
_CKO_PRIVATE_KEY: Final = 3
_CKK_EC: Final = 3
_CKM_EC_KEY_PAIR_GEN: Final = 0x1040
_CKM_ECDSA: Final = 0x1041
_CKA_CLASS: Final = 0x000
_CKA_TOKEN: Final = 0x001
_CKA_PRIVATE: Final = 0x002
_CKA_LABEL: Final = 0x003
_CKA_KEY_TYPE: Final = 0x100
_CKA_SENSITIVE: Final = 0x103
_CKA_SIGN: Final = 0x108
_CKA_VERIFY: Final = 0x10A
_CKA_EXTRACTABLE: Final = 0x162
_CKA_EC_PARAMS: Final = 0x180
_CKA_EC_POINT: Final = 0x181
_TOKEN_INFO_BYTES: Final = 512
"""More than CK_TOKEN_INFO has on any machine; its label is the first 32 bytes."""
_LABEL_BYTES: Final = 32
_MOST_SLOTS: Final = 64


class _Attribute(Structure):
    """`CK_ATTRIBUTE`."""

    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class _Mechanism(Structure):
    """`CK_MECHANISM`."""

    _fields_ = (("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong))


class TokenIdentity:
    """The identity on a chip. Close it; one at a time in a process."""

    def __init__(self, module: str, token: str, pin: str) -> None:
        """Log in.

        Args:
            module: path of the chip's library.
            token: label of the token.
            pin: the token's user PIN.

        Raises:
            IdentityError: there is no such library or token, or the PIN is not its own.
        """
        try:
            self._library: Any = ctypes.CDLL(module)
        except OSError:
            raise IdentityError(
                f"{module} cannot be loaded: is the chip's PKCS#11 library installed?"
            ) from None
        self._call("C_Initialize", None, fine=(_CKR_ALREADY_INITIALIZED,))
        self._session = c_ulong()
        slot = self._slot_of(token)
        self._call("C_OpenSession", c_ulong(slot), c_ulong(_CKF_RW_SERIAL), None, None, byref(self._session))
        code = pin.encode("utf-8")
        self._in_session(
            "C_Login", c_ulong(_CKU_USER), code, c_ulong(len(code)), fine=(_CKR_ALREADY_LOGGED_IN,)
        )
        self._public_key = b""

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log out."""
        self.close()

    def close(self) -> None:
        """Log out; the key stays where it is."""
        self._call("C_Finalize", None)

    # -- the key -------------------------------------------------------------------------------------------------------

    @property
    def is_there(self) -> bool:
        """Whether the chip has the key."""
        return bool(self._objects(_CKO_PRIVATE_KEY))

    def create(self) -> None:
        """Let the chip make the key; it cannot be taken out again, by nobody.

        Raises:
            IdentityError: there is one already, or the chip knows no secp256k1.
        """
        if self.is_there:
            raise IdentityError(
                "the chip has an identity already: it is never replaced, gridlight enroll keeps it"
            )
        yes, no = b"\x01", b"\x00"
        common = ((_CKA_TOKEN, yes), (_CKA_LABEL, LABEL), (_CKA_KEY_TYPE, _ulong(_CKK_EC)))
        public = [*common, (_CKA_PRIVATE, no), (_CKA_VERIFY, yes), (_CKA_EC_PARAMS, _SECP256K1)]
        private = [
            *common,
            (_CKA_PRIVATE, yes),
            (_CKA_SENSITIVE, yes),
            (_CKA_EXTRACTABLE, no),
            (_CKA_SIGN, yes),
        ]
        mechanism, ours, theirs = _Mechanism(_CKM_EC_KEY_PAIR_GEN, None, 0), c_ulong(), c_ulong()
        self._in_session(
            "C_GenerateKeyPair",
            byref(mechanism),
            _template(public),
            c_ulong(len(public)),
            _template(private),
            c_ulong(len(private)),
            byref(theirs),
            byref(ours),
        )

    @property
    def public_key(self) -> bytes:
        """Its public half, compressed.

        Raises:
            IdentityError: the chip has no key, or one of another curve.
        """
        if not self._public_key:
            point = self._read(self._one(_CKO_PUBLIC_KEY), _CKA_EC_POINT)
            if point[:2] == _OCTETS_65:
                point = point[2:]
            if len(point) != _POINT_BYTES or point[0] != _UNCOMPRESSED:
                raise IdentityError("the chip's key is none of secp256k1")
            self._public_key = bytes([2 + (point[-1] & 1)]) + point[1:PUBLIC_KEY_BYTES]
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Let the chip sign; 64 bytes with the low s.

        Raises:
            IdentityError: it does not.
        """
        digest = hashlib.sha256(message).digest()
        mechanism = _Mechanism(_CKM_ECDSA, None, 0)
        self._in_session("C_SignInit", byref(mechanism), c_ulong(self._one(_CKO_PRIVATE_KEY)))
        made, length = create_string_buffer(SIGNATURE_BYTES), c_ulong(SIGNATURE_BYTES)
        self._in_session("C_Sign", digest, c_ulong(len(digest)), made, byref(length))
        if length.value != SIGNATURE_BYTES:
            raise IdentityError(f"the chip's signature has {length.value} bytes, expected {SIGNATURE_BYTES}")
        s = int.from_bytes(made.raw[32:])
        return made.raw[:32] + min(s, CURVE_ORDER - s).to_bytes(32)

    def destroy(self) -> None:
        """Forget the key for good: a factory reset."""
        for kind in (_CKO_PRIVATE_KEY, _CKO_PUBLIC_KEY):
            for handle in self._objects(kind):
                self._in_session("C_DestroyObject", c_ulong(handle))
        self._public_key = b""

    # -- the library ---------------------------------------------------------------------------------------------------

    def _slot_of(self, token: str) -> int:
        slots, count = (c_ulong * _MOST_SLOTS)(), c_ulong(_MOST_SLOTS)
        self._call("C_GetSlotList", c_ubyte(1), slots, byref(count))
        for slot in slots[: count.value]:
            info = create_string_buffer(_TOKEN_INFO_BYTES)
            self._call("C_GetTokenInfo", c_ulong(slot), info)
            if info.raw[:_LABEL_BYTES].rstrip(b" ") == token.encode("utf-8"):
                return int(slot)
        raise IdentityError(f"no chip holds a token {token!r}")

    def _objects(self, kind: int) -> list[int]:
        template = [(_CKA_CLASS, _ulong(kind)), (_CKA_LABEL, LABEL)]
        self._in_session("C_FindObjectsInit", _template(template), c_ulong(len(template)))
        found, count = (c_ulong * 2)(), c_ulong()
        try:
            self._in_session("C_FindObjects", found, c_ulong(len(found)), byref(count))
        finally:
            self._in_session("C_FindObjectsFinal")
        return [int(handle) for handle in found[: count.value]]

    def _one(self, kind: int) -> int:
        found = self._objects(kind)
        if len(found) != 1:
            raise IdentityError(
                f"the chip has {len(found)} keys {LABEL.decode()!r}, expected one: gridlight enroll makes it"
            )
        return found[0]

    def _read(self, handle: int, kind: int) -> bytes:
        value = create_string_buffer(_POINT_BYTES + 2)
        wanted = _Attribute(kind, cast(value, c_void_p), sizeof(value))
        self._in_session("C_GetAttributeValue", c_ulong(handle), byref(wanted), c_ulong(1))
        return value.raw[: wanted.length]

    def _in_session(self, function: str, *arguments: Any, fine: Sequence[int] = ()) -> None:
        self._call(function, self._session, *arguments, fine=fine)

    def _call(self, function: str, *arguments: Any, fine: Sequence[int] = ()) -> None:
        found = getattr(self._library, function)
        found.restype = c_ulong
        code = found(*arguments)
        if code != _CKR_OK and code not in fine:
            reason = _REASONS.get(code, f"code {code:#x}")
            raise IdentityError(f"the chip refuses {function}: {reason}")


def identity_on_chip(module: str, token: str, pin_file: Path) -> TokenIdentity:
    """Log in with the PIN of a file.

    Raises:
        IdentityError: the file cannot be read, or the chip refuses.
    """
    try:
        pin = pin_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"{pin_file} cannot be read: {type(error).__name__}") from None
    return TokenIdentity(module, token, pin)


def _ulong(number: int) -> bytes:
    return bytes(c_ulong(number))


def _template(pairs: Sequence[tuple[int, bytes]]) -> Any:
    """An array of attributes that keeps alive what it points to."""
    made: Any = (_Attribute * len(pairs))()
    kept = [create_string_buffer(value, len(value)) for _, value in pairs]
    for attribute, (kind, value), buffer in zip(made, pairs, kept, strict=True):
        attribute.type, attribute.value, attribute.length = kind, cast(buffer, c_void_p), len(value)
    made.kept = kept  # an array of ctypes takes attributes like any object
    return made
