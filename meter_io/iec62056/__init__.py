"""IEC 62056-21 (formerly IEC 1107): meters read over an optical head, modes A to D."""

from meter_io.iec62056.handshake import Answer, Handshake, Timing
from meter_io.iec62056.identification import Identification, Mode
from meter_io.iec62056.parser import Iec62056Parser

__all__ = ["Answer", "Handshake", "Identification", "Iec62056Parser", "Mode", "Timing"]
