"""Figures of how well a set meets the distributions that its recipe is fitted to."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from personsearch.durable import write_durably
from personsearch.errors import MissingExtraError
from personsearch.synth.plan.targets import at
from personsearch.synth.recipe import Recipe
from personsearch.synth.statistics import Statistics, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TARGET, RESULT = "#9a9aa1", "#0a6c8f"
_STYLE: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True}
_GRID: Any = {"grid.color": "#dcdce1", "grid.linewidth": 0.6}


def draw_fit(recipe: Recipe, found: Statistics, split: str, folder: str | Path) -> list[Path]:
    """Draw the distributions beside their targets.

    Args:
        recipe: whose quantiles are the target; a distribution that it leaves open is drawn alone.
        found: of the set, or of its plan.
        split: train or test; whose number of identities the target's long tail has.
        folder: made if it is not there.

    Returns:
        fit.png (box heights, people per frame, boxes per identity: which share is at most as large) and long-tail.png
        (boxes of each identity, those with the most first).

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise MissingExtraError("figures need matplotlib: pip install 'personsearch[data]'") from None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with rc_context({**_STYLE, **_GRID}):
        figures = {"fit": _distributions(recipe, found), "long-tail": _long_tail(recipe, found, split)}
        return [_write(folder / f"{name}.png", figure) for name, figure in figures.items()]


def _distributions(recipe: Recipe, found: Statistics) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator

    figure = Figure(figsize=(9.6, 3.1), layout="constrained", dpi=110)
    people = recipe.people
    panels = (
        (f"box height, pixels of {recipe.height}", found.heights * recipe.height, people.heights, recipe.height, True),
        ("people per frame", found.per_frame, people.per_frame, 1, False),
        ("boxes per identity", found.per_identity, people.appearances, 1, True),
    )
    axes: Any = figure.subplots(1, len(panels))
    for axis, (label, values, quantiles, unit, is_log) in zip(axes, panels, strict=True):
        if len(quantiles) > 2:
            levels = np.linspace(0, 1, 201)
            axis.plot(at(quantiles, levels) * unit, 100 * levels, color=TARGET, linewidth=4, label="target")
        axis.step(*_cumulative(values), where="post", color=RESULT, linewidth=1.4, label="result")
        if is_log:
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter("")
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(xlabel=label, ylim=(0, 101))
    axes[0].set_ylabel("at most that, %")
    axes[0].legend(frameon=False)
    return figure


def _long_tail(recipe: Recipe, found: Statistics, split: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.1), layout="constrained", dpi=110)
    axis = figure.add_subplot()
    quantiles = recipe.people.appearances
    if len(quantiles) > 2:
        number = getattr(recipe, split).identities
        goal = at(quantiles, 1 - (np.arange(number) + 0.5) / number)
        axis.plot(np.arange(1, number + 1), goal, color=TARGET, linewidth=4, label="target")
    boxes = np.sort(found.per_identity)[::-1]
    axis.step(np.arange(1, len(boxes) + 1), boxes, where="mid", color=RESULT, linewidth=1.4, label="result")
    axis.set(xlabel="identity, those with the most boxes first", ylabel="boxes", ylim=(0, None))
    axis.legend(frameon=False)
    return figure


def _cumulative(values: Values) -> tuple[Values, Sequence[float]]:
    """Return rising values and the per cent of all that are at most as large, for a stepped line."""
    rising, counts = np.unique(values, return_counts=True)
    first = rising[:1]
    return np.concatenate([first, rising]), [0.0, *(100 * np.cumsum(counts) / max(1, len(values))).tolist()]


def _write(path: Path, figure: Figure) -> Path:
    data = io.BytesIO()
    figure.savefig(data, format="png")
    write_durably(path, data.getvalue())
    return path
