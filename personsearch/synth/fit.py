"""Charts of how closely a set follows the distributions that its recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from personsearch.datasets.doctor.plots import long_tail_plot
from personsearch.pictures.charts import (
    TARGET_AND_RESULT,
    add_legend,
    draw_cumulative,
    house_style,
    new_figure,
    save_png,
    use_log_x,
    use_whole_numbers,
)
from personsearch.synth.plan.targets import at
from personsearch.synth.recipe import Recipe
from personsearch.synth.statistics import Statistics, Values

SIZE_INCHES = (11.0, 3.6)
TARGET, RESULT = TARGET_AND_RESULT


def draw_fit(recipe: Recipe, statistics: Statistics, split: str, folder: str | Path) -> list[Path]:
    """Draw the distributions on top of their targets.

    Args:
        recipe: its quantiles are the targets; a distribution that it leaves open is drawn alone.
        statistics: of the set, or of its plan.
        split: train or test; the target's long tail has as many identities as the recipe gives this split.
        folder: created where it is missing.

    Returns:
        fit.png (box heights, people per frame and boxes per identity as cumulative shares) and long-tail.png (the boxes
        of each identity, the most frequent identity first).

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    folder = Path(folder)
    series: Mapping[str, Values] = {"result": statistics.per_identity}
    quantiles = recipe.people.appearances
    if len(quantiles) > 2:
        number = getattr(recipe, split).identities
        series = {"target": at(quantiles, 1 - (np.arange(number) + 0.5) / number), **series}
    lines = TARGET_AND_RESULT if "target" in series else (RESULT,)
    return [
        _cumulative_shares(recipe, statistics, folder / "fit.png"),
        long_tail_plot(series, folder / "long-tail.png", lines=lines),
    ]


def _cumulative_shares(recipe: Recipe, statistics: Statistics, path: Path) -> Path:
    people = recipe.people
    panels = (
        (f"box height, pixels of {recipe.height}", statistics.heights * recipe.height, people.heights, recipe.height),
        ("people per frame", statistics.per_frame, people.per_frame, 1),
        ("boxes per identity", statistics.per_identity, people.appearances, 1),
    )
    levels = np.linspace(0, 1, 201)
    with house_style("data"):
        figure, axes = new_figure(SIZE_INCHES, panels=len(panels))
        for panel, (label, values, quantiles, unit) in zip(axes, panels, strict=True):
            handles, texts = [], []
            if len(quantiles) > 2:
                wanted = at(quantiles, levels) * unit
                handles += panel.plot(wanted, 100 * levels, color=TARGET.colour, linewidth=TARGET.width)
                texts.append("target")
            handles.append(draw_cumulative(panel, values, RESULT))
            texts.append("result")
            if panel is axes[1]:
                use_whole_numbers(panel)
            else:
                use_log_x(panel)
            panel.set_xlabel(label)
            panel.set_ylim(0, 101)
            if panel is axes[0]:
                add_legend(panel, handles, texts)
        axes[0].set_ylabel("cumulative share (%)")
        return save_png(figure, path)
