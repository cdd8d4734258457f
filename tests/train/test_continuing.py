"""A run continues with the recipe and the annotations that it was begun with, or says what is different."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from personsearch.errors import TrainingError
from personsearch.train import finetune, pretrain, rehearse_finetune
from personsearch.train.checkpoint import LAST, load_checkpoint, save_checkpoint
from personsearch.train.config import FinetuneConfig
from personsearch.train.continuing import weights_of
from tests.support import toy_set
from tests.train.runs import KilledError, finetune_config, kill_after, pretrain_config

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one epoch beside its set; tests put the annotations back as they were."""
    folder = tmp_path_factory.mktemp("finished")
    finetune(config_of(folder, toy_set(folder / "toy", num_scenes=4)))
    return folder


def config_of(folder: Path, annotations: Path | None = None, **changes: Any) -> FinetuneConfig:
    annotations = annotations or folder / "toy" / "train.json"
    return finetune_config(folder / "run", annotations, schedule={"epochs": 1}, **changes)


def renumber(rows: Rows) -> None:
    for row in rows:
        row["person_id"] = 99 if row["person_id"] == 0 else row["person_id"]


def label_one_more(rows: Rows) -> None:
    next(row for row in rows if row["person_id"] < 0)["person_id"] = 1234


def move_a_box(rows: Rows) -> None:
    rows[2]["bbox"][0] += 1  # somebody without a label


def drop_a_person(rows: Rows) -> None:
    rows[:] = [row for row in rows if row["person_id"] != 3]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            renumber,
            r"1 identity is gone \(0\); 1 identity is new \(99\); 2 scenes are different \(000\.png, 003",
        ),
        (label_one_more, r"1 identity is new \(1234\); 1 scene is different \(000\.png\)"),
        (move_a_box, r"annotations: 1 scene is different \(000\.png\)"),
        (drop_a_person, r"1 identity is gone \(3\); 2 scenes are different"),
    ],
)
def test_other_labels_are_refused_by_name(edit: Callable[[Rows], None], message: str, finished: Path) -> None:
    path = finished / "toy" / "train.json"
    before = path.read_text()
    data = json.loads(before)
    edit(data["annotations"])
    try:
        path.write_text(json.dumps(data))
        for run in (finetune, rehearse_finetune):
            with pytest.raises(TrainingError, match=message) as refused:
                run(config_of(finished))
        out = finished / "run"
        assert str(refused.value).endswith(f"begin with its weights: init={out / 'weights'} run.out={out}-2")
    finally:
        path.write_text(before)
    assert finetune(config_of(finished)) == finished / "run" / "weights"  # as it was: nothing to do


def test_step_one_and_unfinished_runs_are_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotations = toy_set(tmp_path / "toy")
    with monkeypatch.context() as killed:
        kill_after(killed, 3)
        with pytest.raises(KilledError):
            pretrain(pretrain_config(tmp_path / "run", annotations))
    annotations.write_text(annotations.read_text().replace('"person_id": 2', '"person_id": 20'))
    with pytest.raises(TrainingError, match=r"1 identity is gone \(2\); 1 identity is new \(20\)") as refused:
        pretrain(pretrain_config(tmp_path / "run", annotations))
    checkpoint = tmp_path / "run" / LAST
    assert f"init={checkpoint} run.out=" in str(refused.value)
    # What the message says to do works: the checkpoint's weights begin another run.
    again = pretrain_config(tmp_path / "run-2", annotations, init=weights_of(tmp_path / "run"), schedule={"epochs": 1})
    assert (pretrain(again) / "backbone.safetensors").exists()


def test_a_finished_run_asked_for_more_epochs_says_how(finished: Path) -> None:
    out = finished / "run"
    config = finetune_config(out, finished / "toy" / "train.json", schedule={"epochs": 3})
    with pytest.raises(TrainingError, match=rf"a finished run \(epochs: 1\)\. .*init={out}/weights run\.out={out}-2"):
        finetune(config)
    with pytest.raises(TrainingError, match=rf"\(batch_size differ\); .*To begin with its weights: init={out}/weights"):
        finetune(config_of(finished, batch_size=4))


def test_a_checkpoint_without_annotations_is_compared_by_the_number_of_people(
    finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, annotations = finished / "run" / LAST, finished / "toy" / "train.json"
    before, rows = path.read_bytes(), annotations.read_text()
    state = load_checkpoint(path)
    del state["data"], state["left_out"]
    try:
        save_checkpoint(path, state)
        with caplog.at_level(logging.WARNING, "personsearch"):
            finetune(config_of(finished))
        assert "did not record the annotations; they are taken to be unchanged" in caplog.text
        data = json.loads(rows)
        label_one_more(data["annotations"])
        annotations.write_text(json.dumps(data))
        with pytest.raises(TrainingError, match=r"on 4 identities, and the annotations now have 5\. Restore"):
            finetune(config_of(finished))
    finally:
        path.write_bytes(before)
        annotations.write_text(rows)


def test_a_checkpoint_of_another_network_is_no_traceback(finished: Path) -> None:
    path = finished / "run" / LAST
    before = path.read_bytes()
    state = load_checkpoint(path)
    del state["task"]["network.base.conv1.weight"]
    try:
        save_checkpoint(path, state)
        with pytest.raises(TrainingError, match="this version cannot continue the run"):
            finetune(config_of(finished))
    finally:
        path.write_bytes(before)


def test_people_of_several_sets_keep_their_labels_in_messages(tmp_path: Path) -> None:
    sets = [{"annotations": str(toy_set(tmp_path / name, num_scenes=2))} for name in ("one", "two")]
    config = config_of(tmp_path, data={"annotations": None, "sets": sets})
    finetune(config)
    path = tmp_path / "two" / "train.json"
    path.write_text(path.read_text().replace('"person_id": 0', '"person_id": 50'))
    with pytest.raises(TrainingError, match=r"gone \(2/0\); .*new \(2/50\); 1 scene is different \(2/000\.png\)"):
        finetune(config)
