"""SML, the Smart Message Language of German meters. Source: BSI TR-03109-1, annex IV part b (SML 1.04)."""

from meter_io.sml.parser import SmlParser

__all__ = ["SmlParser"]
