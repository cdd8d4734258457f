"""benchmarks/ablation.py: its rows as recipes, its arithmetic, and interrupted runs that continue."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from personsearch.errors import DatasetError
from personsearch.train.config import PretrainConfig
from tests.support import toy_set

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


class KilledError(Exception):
    """Stands for a crash in the middle of a run."""


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("ablation")


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("ablation_tables")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A set in the layout of synth-mini: every fourth scene to train on is of a second place."""
    folder = tmp_path / "toy"
    annotations = json.loads(toy_set(folder, 8, 4, place_every=4).read_text())
    (folder / "test.json").write_text(json.dumps(annotations))
    people = [row for row in annotations["annotations"] if row["person_id"] >= 0]
    (folder / "queries.json").write_text(json.dumps({"queries": [{"annotation_id": row["id"]} for row in people]}))
    return folder


def planned(ablation: ModuleType, toy: Path, out: Path, imagenet: str = "imagenet") -> dict[str, Any]:
    budget = ablation.BUDGETS["smoke"]
    data = ablation.read_data(toy, budget.places, out)
    return {name: ablation.plan(name, 1, budget, data, out, imagenet) for name in ablation.RUNS}


def test_rows_name_runs_and_pairs_name_rows(tables: ModuleType) -> None:
    names = list(tables.RUNS)
    for name, run in tables.RUNS.items():
        for needed in (run.init, run.reid):
            if needed and needed != tables.IMAGENET:
                detects = run.step == "cascade" and needed == run.init
                assert tables.RUNS[needed].step == ("finetune" if detects else "pretrain")
                assert names.index(needed) < names.index(name)
    shown = {row.run for table in tables.TABLES for row in table.rows if row.run}
    assert shown == set(names)
    for table in tables.TABLES:
        rows = {row.run for row in table.rows}
        assert all({before, after} <= rows for before, after in table.pairs)
        assert set(table.gains) <= set(table.pairs)


def test_every_run_is_the_recipe_that_its_row_says(ablation: ModuleType, toy: Path, tmp_path: Path) -> None:
    plans = planned(ablation, toy, tmp_path / "out")
    assert len({one.folder for one in plans.values()}) == len(plans)
    for name, one in plans.items():
        assert one.config.data.holdout_places == ()
        if ablation.RUNS[name].step == "cascade":
            assert one.config.run.out == str(plans["stl-mrfp"].folder)
            assert one.reid == plans["pretrain-center"].folder
            continue
        assert one.config.run.out == str(one.folder)
        if isinstance(one.config, PretrainConfig):
            losses = (one.config.losses.triplet, one.config.losses.center_weight > 0)
            assert losses == {"softmax": (False, False), "triplet": (True, False), "center": (True, True)}[name[9:]]
            assert one.config.init == "imagenet"
        else:
            assert one.config.model.reid.pooling == ("mrfp" if name.endswith("mrfp") else "roialign")
            start = ablation.RUNS[name].init
            assert one.config.init == (
                str(plans[start].folder / "weights") if start in plans and "imagenet" not in name else start
            )
            assert (one.config.identity_loss.kind == "oim") == name.startswith("oim")
            assert one.config.model.reid.embedding == (256 if name.startswith("oim") else None)
            assert (one.config.binet_like is not None) == name.startswith("binet")
            teacher = one.config.dkd_like and one.config.dkd_like.teacher
            assert teacher == (str(plans["pretrain-center"].folder) if name.startswith("dkd") else None)
    kinds = {name: plans[name].config.identity_loss.kind for name in ("stl", "stl-balanced", "stl-focal")}
    assert kinds == {"stl": "cross_entropy", "stl-balanced": "class_balanced", "stl-focal": "focal"}


def test_without_imagenet_weights_step_one_starts_from_random_ones(
    ablation: ModuleType, toy: Path, tmp_path: Path
) -> None:
    budget, out = ablation.BUDGETS["smoke"], tmp_path / "out"
    data = ablation.read_data(toy, budget.places, out)
    random = ablation.plan("stl", 1, budget, data, out)
    started, other = (ablation.plan("stl", 1, budget, data, out, init) for init in ("imagenet", "./resnet18.pth"))
    assert len({random.folder, started.folder, other.folder}) == 3
    assert ablation.plan("pretrain-center", 1, budget, data, out).config.init is None
    assert ablation.plan("imagenet", 1, budget, data, out, "./resnet18.pth").config.init == "./resnet18.pth"


def test_other_labels_make_other_runs(ablation: ModuleType, toy: Path, tmp_path: Path) -> None:
    before, again = (planned(ablation, toy, tmp_path / "out") for _ in range(2))
    assert {name: one.folder for name, one in before.items()} == {name: one.folder for name, one in again.items()}
    annotations = json.loads((toy / "train.json").read_text())
    annotations["annotations"][0]["bbox"][2] += 1
    (toy / "train.json").write_text(json.dumps(annotations))
    after = planned(ablation, toy, tmp_path / "out")
    assert all(after[name].folder != one.folder for name, one in before.items())


def test_a_budget_trains_on_whole_places(ablation: ModuleType, toy: Path, tmp_path: Path) -> None:
    for places, count in ((1, 6), (2, 8)):
        kept = json.loads(ablation.read_data(toy, places, tmp_path / "out").train.read_text())
        assert len(kept["images"]) == count
        assert {row["image_id"] for row in kept["annotations"]} == {row["id"] for row in kept["images"]}
    assert ablation.read_data(toy, None, tmp_path / "out").train == toy / "train.json"
    annotations = json.loads((toy / "train.json").read_text())
    for row in annotations["images"]:
        del row["scene"]
    (toy / "train.json").write_text(json.dumps(annotations))
    with pytest.raises(DatasetError, match=r"train\.json: images have no 'scene'"):
        ablation.read_data(toy, 1, tmp_path / "out")


def test_a_set_without_queries_is_refused(ablation: ModuleType, toy: Path, tmp_path: Path) -> None:
    (toy / "queries.json").unlink()
    with pytest.raises(DatasetError, match=r"has no queries\.json"):
        ablation.read_data(toy, 1, tmp_path / "out")


def test_differences_and_what_of_them_may_be_chance(tables: ModuleType) -> None:
    one = {"mAP": 0.2, "people": 100}, {"mAP": 0.5, "people": 100}
    # 100 * sqrt((0.2 * 0.8 + 0.5 * 0.5) / 100)
    assert tables.difference([one[0]], [one[1]], "mAP") == pytest.approx((30.0, 6.4031), abs=1e-4)
    several = [{"AP": 0.1}, {"AP": 0.2}], [{"AP": 0.3}, {"AP": 0.5}]
    # Variances 0.005 and 0.02 of two values each: 100 * 2 * sqrt(0.0125)
    assert tables.difference(*several, "AP") == pytest.approx((25.0, 22.3607), abs=1e-4)


@pytest.mark.parametrize(
    ("ours", "papers", "same", "verdict"),
    [
        (5.0, 0.3, False, "Agrees"),
        (-5.0, -0.3, False, "Agrees"),
        (-5.0, 0.3, False, "Disagrees"),
        (-1.0, 0.3, False, "Cannot be told from chance"),
        (1.0, -0.3, True, "Agrees"),
        (5.0, 0.3, True, "Disagrees"),
        (5.0, None, True, "The paper has no such figure"),
    ],
)
def test_verdicts(tables: ModuleType, ours: float, papers: float | None, same: bool, verdict: str) -> None:
    assert tables.verdict_of(ours, 2.0, papers, same=same) == verdict


def test_the_report_sets_the_paper_beside_the_mean_and_its_spread(tables: ModuleType) -> None:
    def runs(*values: float) -> list[dict[str, float]]:
        return [{"mAP": v, "top1": v, "AP": v, "recall": v, "people": 9, "frames": 9} for v in values]

    results = {"random": runs(0.1, 0.2), "stl": runs(0.6, 0.6), "stl-mrfp": runs(0.2, 0.2), "stl-focal": []}
    results |= {"oim-random": runs(0.1, 0.1), "oim-stl": runs(0.3, 0.3)}
    text = "\n".join(tables.report(results))
    assert "| Baseline (Random init) | 15.0 ± 7.1 | 29.3 | 15.0 ± 7.1 | 77.0 |" in text
    assert "| Baseline (ImageNet) | not run | 50.6 | not run | 86.6 |" in text
    assert "| Focal | not finished | 47.7 | not finished | 85.8 |" in text
    assert "OIM (Random init) → OIM (STL): top-1 +20.0 (chance 0.0, paper +2.5)" in text.split("Agrees")[1]
    assert "(Random init) → Baseline (STL): mAP +45.0 (chance 10.0, paper +27.8)" in text.split("Agrees")[1]
    assert "(STL) → Baseline (STL)+MRFP: mAP -40.0 (chance 0.0, paper +4.5)" in text.split("Agrees")[0]


def test_an_interrupted_run_continues_and_a_finished_one_is_kept(
    ablation: ModuleType,
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    pair = {name: run for name, run in ablation.RUNS.items() if name in {"pretrain-softmax", "softmax-mrfp"}}
    monkeypatch.setattr(ablation, "RUNS", pair)
    arguments = [str(toy), str(tmp_path / "out"), "--budget", "smoke"]

    step, taken = torch.optim.AdamW.step, 0

    def die_after_two(self: Any, *given: Any, **named: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken > 2:
            raise KilledError
        return step(self, *given, **named)

    budget = ablation.BUDGETS["smoke"]
    often = (*budget.both, "run.checkpoint_every=1")
    monkeypatch.setitem(ablation.BUDGETS, "smoke", ablation.Budget(**{**vars(budget), "both": often}))
    with monkeypatch.context() as killed:
        killed.setattr(torch.optim.AdamW, "step", die_after_two)
        with pytest.raises(KilledError):
            ablation.main(arguments)
    ablation.main([*arguments, "--finished"])
    assert "| Softmax | not finished | 60.6 | not finished | 89.6 |" in capsys.readouterr().out

    caplog.clear()
    ablation.main([*arguments, "--save", str(tmp_path / "table.md")])
    assert re.search(r"continuing from .*softmax-mrfp-seed1-\w+/last.pt: epoch 1, step 2", caplog.text)
    assert "crops of" not in caplog.text  # the pretraining was finished
    printed = capsys.readouterr().out
    assert re.search(r"\| Softmax \| \d+\.\d \| 60\.6 \| \d+\.\d \| 89\.6 \|", printed)
    assert (tmp_path / "table.md").read_text() in printed

    caplog.clear()
    ablation.main([*arguments, "--finished"])
    assert capsys.readouterr().out == printed
    assert "scenes," not in caplog.text


@pytest.mark.slow
def test_every_row_runs(ablation: ModuleType, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ablation.main([str(toy), str(tmp_path / "out"), "--budget", "smoke"])
    printed = capsys.readouterr().out
    assert "not finished" not in printed
    assert len(list((tmp_path / "out" / "smoke").glob("*/figures.json"))) == 18
