"""The rows of the paper's Tables 2, 4, 5 and 6 as data, and the report that sets our figures beside them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

#: By run, its figures with each seed: "mAP", "top1", "AP", "recall" as fractions; "people", "frames" as counts.
Results = Mapping[str, Sequence[Mapping[str, float]]]

HEADS = {"mAP": "mAP", "top1": "top-1", "AP": "AP", "recall": "recall"}
#: What is taken as one independent observation of a figure.
COUNTED = {"mAP": "people", "top1": "people", "AP": "frames", "recall": "frames"}


@dataclass(frozen=True)
class Run:
    """Something to train.

    Attributes:
        step: of STL.
        changes: to the recipe, as ``a.b=c``.
        init: name of the pretraining that it starts from; None = random weights.
    """

    step: Literal["pretrain", "finetune"]
    changes: tuple[str, ...] = ()
    init: str | None = None


ROIALIGN, MRFP = "model.reid.pooling=roialign", "model.reid.pooling=mrfp"

#: Tables share runs. A pretraining comes before what starts from it, and the runs of Table 2 come first.
RUNS = {
    "pretrain-center": Run("pretrain"),
    "stl": Run("finetune", (ROIALIGN,), "pretrain-center"),
    "stl-mrfp": Run("finetune", (MRFP,), "pretrain-center"),
    "random": Run("finetune", (ROIALIGN,)),
    "random-mrfp": Run("finetune", (MRFP,)),
    "pretrain-softmax": Run("pretrain", ("losses.triplet=false", "losses.center_weight=0.0")),
    "softmax-mrfp": Run("finetune", (MRFP,), "pretrain-softmax"),
    "pretrain-triplet": Run("pretrain", ("losses.center_weight=0.0",)),
    "triplet-mrfp": Run("finetune", (MRFP,), "pretrain-triplet"),
    "stl-balanced": Run("finetune", (ROIALIGN, "identity_loss.kind=class_balanced"), "pretrain-center"),
    "stl-focal": Run("finetune", (ROIALIGN, "identity_loss.kind=focal"), "pretrain-center"),
}


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        name: as in the paper.
        run: key of RUNS; None = cannot be run here.
        paper: the paper's two figures, per cent; None = the paper has no such row.
    """

    name: str
    run: str | None
    paper: tuple[float, float] | None = None


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        title: what it is about.
        note: how ours differs from the paper's.
        figures: the two that its columns show.
        rows: in the paper's order.
        pairs: runs (without, with) whose difference is what the table claims.
        same: the claim is that nothing changes.
    """

    title: str
    note: str
    figures: tuple[str, str]
    rows: tuple[Row, ...]
    pairs: tuple[tuple[str, str], ...]
    same: bool = False


SEARCH, DETECTION = ("mAP", "top1"), ("AP", "recall")

TABLES = (
    Table(
        "Table 2: components",
        "The paper's ImageNet rows are not run: there are no ImageNet weights for this backbone, and step 1 starts "
        "from random weights too. The paper has no row for MRFP from random weights.",
        SEARCH,
        (
            Row("Baseline (Random init)", "random", (29.3, 77.0)),
            Row("Baseline (Random init)+MRFP", "random-mrfp"),
            Row("Baseline (ImageNet)", None, (50.6, 86.6)),
            Row("Baseline (ImageNet)+MRFP", None, (53.0, 87.7)),
            Row("Baseline (STL)", "stl", (57.1, 88.3)),
            Row("Baseline (STL)+MRFP", "stl-mrfp", (61.6, 90.5)),
        ),
        (("random", "stl"), ("stl", "stl-mrfp"), ("random", "random-mrfp"), ("random-mrfp", "stl-mrfp")),
    ),
    Table(
        "Table 4: re-weighting the identity loss",
        "The paper's rows are of Baseline (ImageNet); ours are of Baseline (STL), also with RoIAlign.",
        SEARCH,
        (
            Row("Cross-entropy", "stl", (50.6, 86.6)),
            Row("Class-balanced cross-entropy", "stl-balanced", (48.6, 85.8)),
            Row("Focal", "stl-focal", (47.7, 85.8)),
        ),
        (("stl", "stl-balanced"), ("stl", "stl-focal")),
    ),
    Table(
        "Table 5: impact on detection",
        "The paper prints an AP higher than the recall, which the definition of AP here (times recall) rules out: its "
        "column headings are taken to be swapped. The rows from random weights are ours.",
        DETECTION,
        (
            Row("Baseline (Random init)", "random"),
            Row("Baseline (Random init)+MRFP", "random-mrfp"),
            Row("Baseline (ImageNet)", None, (93.6, 95.7)),
            Row("Baseline (STL)", "stl", (93.5, 95.6)),
            Row("Baseline (ImageNet)+MRFP", None, (93.1, 95.2)),
            Row("Baseline (STL)+MRFP", "stl-mrfp", (93.3, 95.3)),
        ),
        (("stl", "stl-mrfp"), ("random", "stl"), ("random-mrfp", "stl-mrfp")),
        same=True,
    ),
    Table(
        "Table 6: pretraining, Re-ID style",
        "Every labelled box of the test split is a query; crops of the same person by the same camera are left out. "
        "The paper does not say whether it leaves them out. Class-aware sampling comes with the triplet loss only.",
        SEARCH,
        (
            Row("Softmax", "pretrain-softmax", (60.7, 78.2)),
            Row("Softmax+Triplet", "pretrain-triplet", (63.5, 79.7)),
            Row("Softmax+Triplet+Center", "pretrain-center", (65.1, 80.4)),
        ),
        (("pretrain-softmax", "pretrain-triplet"), ("pretrain-triplet", "pretrain-center")),
    ),
    Table(
        "Table 6: pretraining, person search with MRFP",
        "",
        SEARCH,
        (
            Row("Softmax", "softmax-mrfp", (60.6, 89.6)),
            Row("Softmax+Triplet", "triplet-mrfp", (61.3, 90.0)),
            Row("Softmax+Triplet+Center", "stl-mrfp", (61.6, 90.5)),
        ),
        (("softmax-mrfp", "triplet-mrfp"), ("triplet-mrfp", "stl-mrfp")),
    ),
)

DISAGREES, AGREES, CHANCE, NEW = "Disagrees", "Agrees", "Cannot be told from chance", "The paper has no such figure"


def report(results: Results) -> list[str]:
    """Return the lines of the Markdown report, below its heading."""
    lines: list[str] = []
    for table in TABLES:
        lines += [f"## {table.title}", "", *([table.note, ""] if table.note else []), *table_lines(table, results), ""]
    lines += ["## Against the paper", "", _how_judged(results), ""]
    differences = [judged_line for table in TABLES for judged_line in judged(table, results)]
    for verdict in (DISAGREES, AGREES, CHANCE, NEW):
        of_verdict = [line for one, line in differences if one == verdict]
        lines += [f"{verdict} ({len(of_verdict)}):", "", *(of_verdict or ["- none"]), ""]
    return lines


def table_lines(table: Table, results: Results) -> list[str]:
    """Return the lines of a table, each figure of the paper in the column after ours."""
    heads = [part for figure in table.figures for part in (HEADS[figure], "paper")]
    lines = [f"| | {' | '.join(heads)} |", f"| --- |{' --: |' * len(heads)}"]
    for row in table.rows:
        cells = []
        for number, figure in enumerate(table.figures):
            cells.append(_cell(results.get(row.run or "", ()), figure) if row.run else "not run")
            cells.append("-" if row.paper is None else f"{row.paper[number]:.1f}")
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return lines


def judged(table: Table, results: Results) -> list[tuple[str, str]]:
    """Return (verdict, line) for each figure of each pair that was run."""
    rows = {row.run: row for row in table.rows if row.run}
    lines = []
    for before, after in table.pairs:
        if not (results.get(before) and results.get(after)):
            continue
        for number, figure in enumerate(table.figures):
            first, second = rows[before].paper, rows[after].paper
            papers = None if first is None or second is None else second[number] - first[number]
            ours, chance = difference(results[before], results[after], figure)
            verdict = verdict_of(ours, chance, papers, same=table.same)
            beside = "" if papers is None else f", paper {papers:+.1f}"
            change = f"{HEADS[figure]} {ours:+.1f} (chance {chance:.1f}{beside})"
            lines.append((verdict, f"- {table.title}: {rows[before].name} → {rows[after].name}: {change}"))
    return lines


def difference(
    before: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]], figure: str
) -> tuple[float, float]:
    """Return (difference of the means, how much of it may be chance), in percentage points.

    With several seeds, chance is two standard errors from their spread. With one, it is the largest standard error that
    the size of the test set alone can cause: values in 0..1 of mean p have a variance of at most p (1 - p).
    """
    means, variances = [], []
    for runs in (before, after):
        values = [run[figure] for run in runs]
        mean = statistics.mean(values)
        means.append(mean)
        if min(len(before), len(after)) > 1:
            variances.append(4 * statistics.variance(values) / len(values))
        else:
            variances.append(mean * (1 - mean) / runs[0][COUNTED[figure]])
    return 100 * (means[1] - means[0]), 100 * sum(variances) ** 0.5


def verdict_of(ours: float, chance: float, papers: float | None, *, same: bool) -> str:
    """Return how a difference compares with the paper's; ``same``: the paper claims that there is none."""
    if papers is None:
        return NEW
    if same:
        return AGREES if abs(ours) <= chance else DISAGREES
    if abs(ours) <= chance:
        return CHANCE
    return AGREES if (ours > 0) == (papers > 0) else DISAGREES


def _cell(runs: Sequence[Mapping[str, float]], figure: str) -> str:
    if not runs:
        return "not finished"
    values = [100 * run[figure] for run in runs]
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def _how_judged(results: Results) -> str:
    if max((len(runs) for runs in results.values()), default=0) > 1:
        chance = "two standard errors from the spread of the seeds"
    else:
        chance = (
            "at most one standard error for the number of people queried (of frames, for detection). There is one "
            "seed, so what another seed would change is unknown and not included"
        )
    return (
        f"Differences in percentage points; a difference agrees if its sign is the paper's. Chance is {chance}. "
        "Table 5's claim is that nothing changes: there a difference within chance agrees, a larger one does not."
    )
