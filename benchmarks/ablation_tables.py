"""The rows of the paper's Tables 1 to 6 as data, and the report that sets our figures beside them.

Of Table 1 there are the two-step cascade and the paper's own system alone: the others are other authors' figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

#: By run, its figures with each seed: "mAP", "top1", "AP", "recall" as fractions; "people", "frames" as counts.
Results = Mapping[str, Sequence[Mapping[str, float]]]

HEADS = {"mAP": "mAP", "top1": "top-1", "AP": "AP", "recall": "recall"}
#: What is taken as one independent observation of a figure.
COUNTED = {"mAP": "people", "top1": "people", "AP": "frames", "recall": "frames"}


@dataclass(frozen=True)
class Run:
    """Something to train, or to put together of what was trained.

    Attributes:
        step: of STL; ``cascade`` trains nothing: the detector of ``init``, then the Re-ID network of ``reid`` on crops.
        changes: to the recipe, as ``a.b=c``.
        init: name of the run that it starts from; :data:`IMAGENET`; None = random weights.
        reid: name of the pretraining that teaches (DKD-like), or that embeds the crops (cascade).
    """

    step: Literal["pretrain", "finetune", "cascade"]
    changes: tuple[str, ...] = ()
    init: str | None = None
    reid: str | None = None


#: The start of runs that need a file of ImageNet weights: without one they are left out.
IMAGENET = "imagenet"

ROIALIGN, MRFP = "model.reid.pooling=roialign", "model.reid.pooling=mrfp"
#: What each system of Table 3 adds to the baseline; docs/comparison.md says what of it is ours.
OIM = (ROIALIGN, "identity_loss.kind=oim", "model.reid.embedding=256")
BINET = (ROIALIGN, *(f"binet_like.{loss}=1.0" for loss in ("features", "predictions", "identity")))
DKD = (ROIALIGN, "box_jitter=0.2", *(f"dkd_like.{loss}=1.0" for loss in ("probability", "pairs", "triplets")))

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
    "two-step": Run("cascade", init="stl-mrfp", reid="pretrain-center"),
    "oim-random": Run("finetune", OIM),
    "oim-stl": Run("finetune", OIM, "pretrain-center"),
    "binet-random": Run("finetune", BINET),
    "binet-stl": Run("finetune", BINET, "pretrain-center"),
    "dkd-random": Run("finetune", DKD, reid="pretrain-center"),
    "dkd-stl": Run("finetune", DKD, "pretrain-center", reid="pretrain-center"),
    "imagenet": Run("finetune", (ROIALIGN,), IMAGENET),
    "imagenet-mrfp": Run("finetune", (MRFP,), IMAGENET),
    "oim-imagenet": Run("finetune", OIM, IMAGENET),
    "binet-imagenet": Run("finetune", BINET, IMAGENET),
    "dkd-imagenet": Run("finetune", DKD, IMAGENET, reid="pretrain-center"),
}


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        name: as in the paper.
        run: key of RUNS; None = cannot be run.
        paper: the paper's two figures, per cent; None = the paper has no such row.
        of: which of the run's figures: this stands before their names.
    """

    name: str
    run: str | None
    paper: tuple[float, float] | None = None
    of: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        title: what it is about.
        note: how ours differs from the paper's.
        figures: the two that its columns show.
        rows: in the paper's order.
        pairs: runs (without, with) whose difference is what the table claims.
        gains: by pair, what the paper gains where that is not the difference of the two rows here.
        same: the claim is that nothing changes.
    """

    title: str
    note: str
    figures: tuple[str, str]
    rows: tuple[Row, ...]
    pairs: tuple[tuple[str, str], ...]
    gains: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    same: bool = False


SEARCH, DETECTION = ("mAP", "top1"), ("AP", "recall")

TABLES = (
    Table(
        "Table 1: one step and two",
        "Both rows of ours have the same detections, those of Baseline (STL)+MRFP. Two steps: they are cut out of the "
        "picture and embedded by the network that step 1 trained on crops. Below, annotated boxes in place of "
        "detections: what a perfect detector would give. The paper has no such cascade; its strongest two-step system "
        "is named instead, and the gain beside ours is the one over that system.",
        SEARCH,
        (
            Row("Two-step (TCTS)", None, (46.8, 87.5)),
            Row("Two-step: step 1's network on crops", "two-step"),
            Row("Baseline (STL)+MRFP", "stl-mrfp", (61.6, 90.5)),
            Row("Two-step, annotated boxes", "two-step", of="annotated "),
            Row("Baseline (STL)+MRFP, annotated boxes", "two-step", of="one-step annotated "),
        ),
        (("two-step", "stl-mrfp"),),
        {("two-step", "stl-mrfp"): (14.8, 3.0)},
    ),
    Table(
        "Table 2: components",
        "The ImageNet rows need --imagenet; without it, step 1 starts from random weights too. The paper has no row "
        "for MRFP from random weights.",
        SEARCH,
        (
            Row("Baseline (Random init)", "random", (29.3, 77.0)),
            Row("Baseline (Random init)+MRFP", "random-mrfp"),
            Row("Baseline (ImageNet)", "imagenet", (50.6, 86.6)),
            Row("Baseline (ImageNet)+MRFP", "imagenet-mrfp", (53.0, 87.7)),
            Row("Baseline (STL)", "stl", (57.1, 88.3)),
            Row("Baseline (STL)+MRFP", "stl-mrfp", (61.6, 90.5)),
        ),
        (
            *(("random", "stl"), ("stl", "stl-mrfp"), ("random", "random-mrfp"), ("random-mrfp", "stl-mrfp")),
            *(("imagenet", "stl"), ("imagenet", "imagenet-mrfp"), ("imagenet-mrfp", "stl-mrfp")),
        ),
    ),
    Table(
        "Table 3: STL on other systems",
        "Each is the baseline (RoIAlign, the same recipe) plus what its method adds: the systems in our house, not the "
        "paper's rebuilt ones. The definitions of BINet-like and DKD-like are ours. DKD-like learns from the network "
        "of step 1 whatever it starts from; from STL, step 1 is used twice. The paper starts from ImageNet weights: "
        "where those are missing, the gain beside ours is the paper's over ImageNet, and ours is over random weights.",
        SEARCH,
        (
            Row("OIM (Random init)", "oim-random"),
            Row("OIM (ImageNet)", "oim-imagenet", (42.8, 82.7)),
            Row("OIM (STL)", "oim-stl", (46.5, 85.2)),
            Row("BINet-like (Random init)", "binet-random"),
            Row("BINet-like (ImageNet)", "binet-imagenet", (39.2, 81.1)),
            Row("BINet-like (STL)", "binet-stl", (43.4, 82.8)),
            Row("DKD-like (Random init)", "dkd-random"),
            Row("DKD-like (ImageNet)", "dkd-imagenet", (52.5, 85.6)),
            Row("DKD-like (STL)", "dkd-stl", (54.0, 90.9)),
        ),
        (
            *(("oim-random", "oim-stl"), ("binet-random", "binet-stl"), ("dkd-random", "dkd-stl")),
            *(("oim-imagenet", "oim-stl"), ("binet-imagenet", "binet-stl"), ("dkd-imagenet", "dkd-stl")),
        ),
        {
            ("oim-random", "oim-stl"): (3.7, 2.5),
            ("binet-random", "binet-stl"): (4.2, 1.7),
            ("dkd-random", "dkd-stl"): (1.5, 5.3),
        },
    ),
    Table(
        "Table 3: detection of the same systems",
        "The paper gives no figures.",
        DETECTION,
        (
            *(
                Row("OIM (Random init)", "oim-random"),
                Row("OIM (ImageNet)", "oim-imagenet"),
                Row("OIM (STL)", "oim-stl"),
            ),
            Row("BINet-like (Random init)", "binet-random"),
            Row("BINet-like (ImageNet)", "binet-imagenet"),
            Row("BINet-like (STL)", "binet-stl"),
            *(Row("DKD-like (Random init)", "dkd-random"), Row("DKD-like (ImageNet)", "dkd-imagenet")),
            Row("DKD-like (STL)", "dkd-stl"),
        ),
        (),
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
            Row("Baseline (ImageNet)", "imagenet", (93.6, 95.7)),
            Row("Baseline (STL)", "stl", (93.5, 95.6)),
            Row("Baseline (ImageNet)+MRFP", "imagenet-mrfp", (93.1, 95.2)),
            Row("Baseline (STL)+MRFP", "stl-mrfp", (93.3, 95.3)),
        ),
        (
            *(("stl", "stl-mrfp"), ("random", "stl"), ("random-mrfp", "stl-mrfp")),
            *(("imagenet", "stl"), ("imagenet-mrfp", "stl-mrfp")),
        ),
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
        lines += [line for row in table.rows if not row.of for line in _costs(results.get(row.run or "", ()))]
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
            cells.append(_cell(results[row.run], row.of + figure) if row.run in results else "not run")
            cells.append("-" if row.paper is None else f"{row.paper[number]:.1f}")
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return lines


def judged(table: Table, results: Results) -> list[tuple[str, str]]:
    """Return (verdict, line) for each figure of each pair that was run."""
    rows = {row.run: row for row in table.rows if row.run and not row.of}
    lines = []
    for before, after in table.pairs:
        if not (results.get(before) and results.get(after)):
            continue
        for number, figure in enumerate(table.figures):
            first, second = rows[before].paper, rows[after].paper
            gain = table.gains.get((before, after))
            if gain is None and first is not None and second is not None:
                gain = second[0] - first[0], second[1] - first[1]
            papers = None if gain is None else gain[number]
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


def _costs(runs: Sequence[Mapping[str, float]]) -> list[str]:
    """Return what one step and two cost, below the table of a cascade; nothing of other runs."""
    if not any("two-step seconds" in run for run in runs):
        return []
    mean = {key: statistics.mean(run[key] for run in runs) for key in runs[0]}
    text = (
        f"One step has {mean['one-step parameters']:,.0f} parameters, two have {mean['two-step parameters']:,.0f}. A "
        f"picture takes {1000 * mean['one-step seconds']:.0f} ms in one step and "
        f"{1000 * mean['two-step seconds']:.0f} ms in two, with cutting (medians of {mean['timed']:.0f} pictures, by "
        "turns, one at a time; the cascade embeds in float32)."
    )
    return [text, ""]


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
