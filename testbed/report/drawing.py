"""From a matplotlib figure to SVG that belongs into a page: no file of its own, no fixed ink, no ids of others."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

INK, PAPER, MUTED, FAINT = "#010203", "#fefdfc", "#777675", "#d4d5d6"
_EDGE_IN = 0.1
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
"""Okabe-Ito colours that keep 3:1 on white and on near-black."""
_VARIABLES = {
    INK: "currentColor",
    PAPER: "var(--card)",
    MUTED: "var(--muted)",
    FAINT: "var(--faint)",
    BLUE: "var(--blue)",
    VERMILION: "var(--vermilion)",
    GREEN: "var(--green)",
    PURPLE: "var(--purple)",
}
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gridlight",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "hatch.linewidth": 0.7,
    "lines.linewidth": 1.6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a figure is drawn; a page scales it to the width it has."""

    name: str
    width_in: float
    height_in: float
    font_pt: float

    @property
    def narrow(self) -> bool:
        """Whether it is meant for a telephone."""
        return self.width_in < 5


WIDE = Size(name="wide", width_in=8.4, height_in=3.3, font_pt=8.5)
NARROW = Size(name="narrow", width_in=3.4, height_in=3.1, font_pt=9)


def style(size: Size) -> dict[Any, Any]:
    """The settings of matplotlib under which figures of ``size`` are made and written."""
    return {
        **_STYLE,
        "font.size": size.font_pt,
        "axes.titlesize": size.font_pt,
        "legend.fontsize": size.font_pt,
    }


def new_figure(size: Size) -> Figure:
    """An empty figure; call under ``matplotlib.rc_context(style(size))``."""
    # Labels at the edges need more room than the engine leaves by itself: it does not see all of their last letters.
    layout = ConstrainedLayoutEngine(w_pad=_EDGE_IN, h_pad=_EDGE_IN / 2)
    figure = Figure(figsize=(size.width_in, size.height_in), layout=layout)
    FigureCanvasSVG(figure)
    return figure


def plain_logarithms(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers at powers of ten: its own labels would be mathematics."""
    axis.set_major_locator(LogLocator(numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _use_variables(svg: str) -> str:
    """Map the named inks to CSS variables, so that a page can change them for the dark."""
    for colour, variable in _VARIABLES.items():
        # A variable is understood in a style only, not in an attribute of its own.
        svg = re.sub(rf'(fill|stroke)="{colour}"', rf'style="\1: {variable}"', svg, flags=re.IGNORECASE)
        svg = re.sub(colour, variable, svg, flags=re.IGNORECASE)
    return svg


def _own_ids(svg: str, prefix: str) -> str:
    """Prefix every id and every reference to one: several drawings share a page."""
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = svg.replace("url(#", f"url(#{prefix}-")
    return re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', svg)


def to_svg(figure: Figure, size: Size, *, name: str, title: str, description: str) -> str:
    """The figure as an ``<svg>`` element with a title and a description, byte for byte the same each time."""
    buffer = io.StringIO()
    with mpl.rc_context(style(size)):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    body = buffer.getvalue()
    body = body[body.index("<svg") :]
    # What describes the file, and a style that would apply to the whole page.
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    head, body = body.split(">", 1)
    box = re.search(r'viewBox="([^"]+)"', head)
    view = box[1] if box else f"0 0 {size.width_in * 72:g} {size.height_in * 72:g}"
    key = f"{name}-{size.name}"
    body = _own_ids(_use_variables(body), key).replace("xlink:href", "href")
    body = re.sub(r"\s*\n\s*", "\n", body)
    return (
        f'<svg class="{size.name}" viewBox="{view}" role="img" aria-labelledby="{key}-t {key}-d">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(description)}</desc>{body}'
    )
