"""A meter that is asked for its telegram, as the bus scheduler knows it: IEC 62056-21, modes A to C.

One round tries one answer to the offered speed, so that a meter costs the bus one time limit at most; the next answer
is tried in the next round. An answer that worked is kept until it has failed three times in a row: one damaged readout
must not leave a meter at 300 baud for good.
"""

from typing import Final

from meter_io.bus.dialogue import Said, Send, Speed, Step, Talk
from meter_io.errors import MeterError, NoReply, ProfileError, WrongSpeed
from meter_io.iec62056.handshake import Answer, Effect, End, Handshake, Report, SetBaud, Wake
from meter_io.iec62056.handshake import Send as Put
from meter_io.iec62056.identification import FIRST_BAUD, MAX_LINE_BYTES
from meter_io.listener import said_of
from meter_io.profiles.model import Profile, TelegramForm
from meter_io.telegram import Telegram

_TRUST: Final = 3
"""Failures in a row that an answer survives which has worked."""
_BITS_PER_CHARACTER: Final = 10


class TelegramAsker:
    """Makes the rounds of one meter, and learns how it wants to be answered.

    Attributes:
        answer: how the speed that it offers is answered at present.
    """

    def __init__(self, profile: Profile, *, even_parity: bool) -> None:
        """Prepare to ask.

        Args:
            profile: of a meter that is asked.
            even_parity: the characters carry parity and the port does not deal with it.

        Raises:
            ProfileError: meters of this profile are not asked for telegrams.
        """
        if not isinstance(profile.form, TelegramForm) or profile.form.asking is None:
            raise ProfileError(f"{profile.name} is not asked for telegrams: it speaks {profile.protocol}")
        self._profile = profile
        self._asking = profile.form.asking
        self._even_parity = even_parity
        self._answers = self._asking.answers
        self._trust = 1

    @property
    def answer(self) -> Answer:
        """How the offered speed is answered in the next round."""
        return self._answers[0]

    @property
    def rest_ms(self) -> int:
        """Time that the meter needs after a readout to be ready for another."""
        return self._asking.timing.pause_ms

    @property
    def reply_ms(self) -> int:
        """What a round costs if nobody answers: request and identification at 300 baud, and the silence."""
        characters = len(f"/?{self._asking.address}!\r\n") + MAX_LINE_BYTES
        return self._asking.timing.reply_ms - (-characters * _BITS_PER_CHARACTER * 1_000 // FIRST_BAUD)

    def begin(self) -> Talk:
        """Return a round."""
        handshake = Handshake(
            address=self._asking.address,
            timing=self._asking.timing,
            answers=(self.answer,),
            even_parity=self._even_parity,
        )
        return _Readout(self, self._profile, handshake)

    def succeeded(self) -> None:
        """The present answer worked."""
        self._trust = _TRUST

    def failed(self, error: MeterError) -> None:
        """Try another answer if this one brought nothing readable; data that came damaged came by the right one."""
        self._trust -= isinstance(error, WrongSpeed)
        if self._trust == 0:
            self._answers, self._trust = (*self._answers[1:], self._answers[0]), 1


class _Readout(Talk):
    """One handshake, in the words of the bus."""

    def __init__(self, asker: TelegramAsker, profile: Profile, handshake: Handshake) -> None:
        self._asker = asker
        self._profile = profile
        self._handshake = handshake
        self._said: Said | MeterError = NoReply("no data came")
        self.wake_ms = 0

    def start(self, now_ms: int) -> list[Step]:
        """Ask."""
        return self._steps(self._handshake.start(now_ms))

    def receive(self, data: bytes, now_ms: int) -> list[Step]:
        """Take what came."""
        return self._steps(self._handshake.receive(data, now_ms))

    def elapse(self, now_ms: int) -> list[Step]:
        """Take notice of the time."""
        return self._steps(self._handshake.elapse(now_ms))

    def _steps(self, effects: list[Effect]) -> list[Step]:
        steps: list[Step] = []
        for effect in effects:
            match effect:
                case Put(data):
                    steps.append(Send(data))
                case SetBaud(baud):
                    steps.append(Speed(baud))
                case Wake(at_ms):
                    self.wake_ms = at_ms
                case Report(event):
                    if isinstance(event, Telegram):
                        self._said = said_of(event, self._profile)
                case End(error):
                    steps += [self._ended(error), Speed(None)]
        return steps

    def _ended(self, error: MeterError | None) -> Said | MeterError:
        if error is None:
            self._asker.succeeded()
            return self._said
        self._asker.failed(error)
        return error
