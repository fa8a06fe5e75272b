"""What can go wrong between a meter and us, typed by whom it concerns.

Everything that a port, a parser or a profile of this package raises is a `MeterError`; ports convert what the operating
system raises. The message is one sentence for the person at the terminal, `hint` the next thing to do.
"""

from typing import Final


class MeterError(Exception):
    """Root of this package's errors.

    Attributes:
        sentence: what failed, with got and expected where there is a value.
        hint: the next thing to do or to type, or an empty string.
    """

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence: Final = sentence
        self.hint: Final = hint


class PortError(MeterError):
    """The serial line or socket cannot be used: absent, in use, not permitted, lost. Worth trying again later."""


class LineRefused(PortError):
    """The port exists, but cannot be set to this speed, parity or number of bits."""


class NoReply(MeterError):
    """The meter said nothing, or nothing complete, within its time. Worth trying again after the slave's back-off."""


class WrongSpeed(NoReply):
    """The meter named itself, and then nothing readable came. Worth another answer to the speed that it offered."""


class GarbledReply(MeterError):
    """Bytes came that the protocol does not allow: checksum, structure, a length out of bounds, a wrong address."""


class Refused(MeterError):
    """The meter understood and declined, for example a Modbus exception response.

    Attributes:
        code: the protocol's number for the reason.
    """

    def __init__(self, sentence: str, *, hint: str = "", code: int = 0) -> None:
        super().__init__(sentence, hint=hint)
        self.code: Final = code


class ProfileError(MeterError):
    """A meter profile is wrong, or it is not the profile of the meter at hand."""
