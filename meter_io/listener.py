"""A meter that pushes telegrams, as the bus scheduler knows it: bytes in, what the meter said or what was wrong out."""

from typing import Final

from meter_io.bus.dialogue import Said
from meter_io.errors import GarbledReply, MeterError, ProfileError, Refused
from meter_io.framing import Framer
from meter_io.iec62056 import Iec62056Parser
from meter_io.p1 import Decryptor, P1Parser
from meter_io.profiles.model import Profile, TelegramForm
from meter_io.sml import SmlParser
from meter_io.telegram import Event, Reason, Rejected, completed

_HINTS: Final = {
    Reason.KEY: "ask the grid operator for the key of the port",
    Reason.AUTHENTICATION: "check both keys: encryption and authentication",
    Reason.PARITY: "set the line to 7E1",
    Reason.UNSUPPORTED: "send us a capture, with model and firmware of the meter",
}
_DECLINED: Final = frozenset({Reason.KEY, Reason.AUTHENTICATION, Reason.REPLAY, Reason.UNSUPPORTED})
"""The bytes are sound, and yet not to be used."""


class TelegramListener:
    """Listens to one meter by its profile."""

    def __init__(
        self, profile: Profile, decryptor: Decryptor | None = None, *, even_parity: bool = False
    ) -> None:
        """Begin between two telegrams.

        Args:
            profile: of a meter that pushes: SML, P1, or IEC 62056-21 in mode D.
            decryptor: for a P1 port that encrypts.
            even_parity: IEC 62056-21 only: the characters carry parity and the port does not deal with it.

        Raises:
            ProfileError: meters of this profile do not push.
        """
        if not isinstance(profile.form, TelegramForm) or profile.form.asking is not None:
            raise ProfileError(f"{profile.name} speaks {profile.protocol}, which is asked and does not push")
        self._profile = profile
        self._framer: Framer = _framer(profile, decryptor, even_parity=even_parity)

    def feed(self, data: bytes) -> list[Said | MeterError]:
        """Take what came; noise between telegrams is no error."""
        return [said_of(event, self._profile) for event in self._framer.feed(data) if not _is_noise(event)]


def said_of(event: Event, profile: Profile) -> Said | MeterError:
    """Return what a telegram says by the profile of its meter, or why it is not to be used."""
    if isinstance(event, Rejected):
        kind = Refused if event.reason in _DECLINED else GarbledReply
        return kind(f"{event.reason.value}: {event.sentence}", hint=_HINTS.get(event.reason, ""))
    identification = event.model if profile.protocol == "sml" else f"/{event.model}"
    if isinstance(profile.form, TelegramForm) and profile.form.identification.match(identification) is None:
        return ProfileError(
            f"the meter calls itself {event.model!r}, which profile {profile.name} is not for",
            hint="gridlight decode shows what it sends",
        )
    return Said(model=event.model, values=profile.with_totals(completed(event.values)))


def _framer(profile: Profile, decryptor: Decryptor | None, *, even_parity: bool) -> Framer:
    if profile.protocol == "sml":
        return SmlParser()
    if profile.protocol == "p1":
        return P1Parser(decryptor)
    return Iec62056Parser(even_parity=even_parity)


def _is_noise(event: Event) -> bool:
    return isinstance(event, Rejected) and event.reason is Reason.NOISE
