"""Curves as SVG that takes its colours and type from the page, so that they follow light and dark."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating[Any]] | NDArray[np.integer[Any]] | Sequence[float]

#: Colours that matplotlib writes -> what the page's style sheet calls them.
COLOURS = {
    "#1d1d1f": "var(--ink)",
    "#77777d": "var(--faint)",
    "#dcdce1": "var(--rule)",
    "#0a6c8f": "var(--accent)",
    "#9a9aa1": "var(--other)",
}
INK, FAINT, RULE, ACCENT, OTHER = COLOURS
#: How the first, second ... row is drawn: colour, dashes, width. The page's legends are drawn alike.
LINES = (
    (ACCENT, "solid", 1.8),
    (INK, (0, (5, 2)), 1.2),
    (OTHER, (0, (1.5, 1.5)), 1.4),
    (FAINT, (0, (6, 2, 1, 2)), 1.2),
)

SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "personsearch",
    "text.parse_math": False,
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Series:
    """One line of a chart: x and y of equal length; ``row`` says which row of the tables it belongs to."""

    row: int
    x: Numbers
    y: Numbers


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    title: str,
    x_log: bool = False,
    x_ticks: Sequence[float] = (),
    x_limits: tuple[float, float] | None = None,
    markers: bool = False,
    mark: tuple[float, float] | None = None,
) -> str:
    """Draw lines of fractions on a y axis of per cent; no user's text goes in (the page's legend names the rows).

    Args:
        series: drawn in order, the first on top.
        x_label: with its unit.
        y_label: with its unit.
        title: read to those who do not see the chart.
        x_log: logarithmic x axis.
        x_ticks: written as they are; by default chosen.
        x_limits: of the axis.
        markers: a dot at each point.
        mark: a ring at this place.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):
        figure = Figure(figsize=(4.8, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for order, one in enumerate(series):
            colour, dashes, width = LINES[min(one.row, len(LINES) - 1)]
            axes.plot(
                one.x,
                100 * np.asarray(one.y, dtype=float),
                color=colour,
                linestyle=dashes,
                linewidth=width,
                marker="o" if markers else None,
                markersize=3.5,
                zorder=10 - order,
            )
        if mark is not None:
            axes.plot(*mark, marker="o", markersize=7, markerfacecolor="none", color=ACCENT, zorder=20, clip_on=False)
        if x_log:
            axes.set_xscale("log")
        if len(x_ticks):
            axes.set_xticks(list(x_ticks), [f"{tick:g}" for tick in x_ticks])
            axes.set_xticks([], minor=True)
        if x_limits is not None:
            axes.set_xlim(*x_limits)
        axes.set_ylim(0, 101)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        return _svg(figure, title)


def histogram(same: Numbers, different: Numbers, edges: Numbers, *, x_label: str, title: str) -> str:
    """Draw two histograms, each as per cent of its own pairs: the same person, and different people.

    Args:
        same: (B,) counts.
        different: (B,) counts.
        edges: (B + 1,).
        x_label: with its unit.
        title: read to those who do not see the chart.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):
        figure = Figure(figsize=(4.8, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for counts, colour, alpha in ((different, OTHER, 0.45), (same, ACCENT, 0.35)):
            values = np.asarray(counts, dtype=float)
            shares = 100 * values / max(values.sum(), 1)
            axes.stairs(shares, np.asarray(edges), fill=True, facecolor=colour, alpha=alpha, edgecolor="none")
            axes.stairs(shares, np.asarray(edges), color=colour, linewidth=1.2)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_label)
        axes.set_ylabel("share of the pairs, %")
        return _svg(figure, title)


def _svg(figure: Any, title: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would hold for the whole page
    text = re.sub(r'font-family: [^;"]+', "font-family: var(--sans)", text)
    text = re.sub(r' id="(?:figure|axes|patch|line2d|matplotlib|xtick|ytick|text)[^"]*"', "", text)
    for colour, name in COLOURS.items():
        text = text.replace(colour, name)
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt" ', "", text, count=1)
    text = re.sub(r'height="[\d.]+pt"', "", text, count=1)
    text = re.sub(r'width="[\d.]+pt"', "", text, count=1)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    return f"<svg class='chart' role='img' aria-label=\"{html.escape(title)}\"" + text[len("<svg") :]
