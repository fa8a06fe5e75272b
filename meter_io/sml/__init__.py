"""SML, the Smart Message Language of German meters. Source: SML 1.04 of VDE FNN; BSI TR-03109-1, annex IV part b."""

from meter_io.sml.parser import SmlParser

__all__ = ["SmlParser"]
