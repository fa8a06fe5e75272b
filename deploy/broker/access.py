"""Who may say and hear what at the broker: the rights of each role, as mosquitto reads them.

The table of topics is `firmware_app/fleet/topics.py`; this is its reverse. `%u` is the name in the certificate, or on
the enrolment listener the name that a token was made for.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Final

from firmware_app.fleet.topics import FROM_DEVICE, ROOT, TO_DEVICE, WATCHED, Said, Topics

_MY: Final = "%u"
_ITERATIONS: Final = 101
"""As mosquitto_passwd; a token has 128 bits of chance, so that guessing it is hopeless at any count."""
_SALT_BYTES: Final = 12

_SHUT_OUT: Final = "# Shut out, until they have another certificate."


def rights(topics: Topics, operators: Iterable[str], watchers: Iterable[str]) -> str:
    """The rights of everybody with a certificate.

    Args:
        operators: common names that may write to all devices.
        watchers: common names that may only listen.
    """
    mine = f"{topics.root}/device/{_MY}"
    lines = ["# Devices, by the name in their certificate."]
    lines += [f"pattern read {topics.keys('+')}"]
    lines += [f"pattern read {mine}/{said}" for said in TO_DEVICE]
    lines += [f"pattern write {mine}/{said}" for said in FROM_DEVICE]
    lines += [f"pattern write {mine}/{Said.LETTER}/+"]
    for name in operators:
        lines += ["", f"user {name}", f"topic readwrite {topics.root}/#"]
    for name in watchers:
        lines += ["", f"user {name}"]
        lines += [f"topic read {topics.device('+', said)}" for said in WATCHED]
    return "\n".join(lines) + "\n"


def without(all_rights: str, shut_out: Iterable[str]) -> str:
    """The same rights, but that some devices may do nothing any more.

    A revoked certificate opens no connection, but one that is open stays open until its end: this takes effect when
    the broker is reloaded.
    """
    kept = all_rights.partition(_SHUT_OUT)[0].rstrip("\n")
    lines = [line for name in sorted(shut_out) for line in ("", f"user {name}", f"topic deny {ROOT}/#")]
    return "\n".join([kept, *(["", _SHUT_OUT, *lines] if lines else [])]) + "\n"


def enrolment_rights(topics: Topics) -> str:
    """The rights of a device that has a token and no certificate yet: to ask, and to hear the answer."""
    request, grant = (f"{topics.root}/enrol/{_MY}/{step}" for step in ("request", "grant"))
    return f"# Devices with a token, by the name that it was made for.\npattern write {request}\npattern read {grant}\n"


def token_file(tokens: Mapping[str, str]) -> str:
    """The password file: names of devices, and what their one-time tokens hash to.

    Args:
        tokens: name of the device -> token. One that has served its purpose is left out, and the broker reloaded.
    """
    return "".join(f"{name}:{_hashed(token)}\n" for name, token in sorted(tokens.items()))


def _hashed(token: str) -> str:
    salt = os.urandom(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", token.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${b64encode(salt).decode()}${b64encode(digest).decode()}"
