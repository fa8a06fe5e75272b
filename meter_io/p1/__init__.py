"""DSMR P1, the customer port of meters in the Benelux, Hungary, Sweden and elsewhere, plain and encrypted."""

from meter_io.p1.cipher import Decryptor, KeyMaterial
from meter_io.p1.parser import P1Parser

__all__ = ["Decryptor", "KeyMaterial", "P1Parser"]
