import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from personsearch.errors import TrainingError
from personsearch.train.watch import MetricsWriter, RunningMeans, RunStatus, read_status
from tests.train.runs import metrics

NAN = math.nan


def run_folder(folder: Path, epochs: int = 3) -> Path:
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps({"step": "pretrain", "recipe": {"schedule": {"epochs": epochs}}}))
    return folder


def test_rows_after_the_step_to_resume_from_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    with MetricsWriter(tmp_path, 2, tensorboard=False) as writer:
        writer.write({"step": 3, "loss": 0.5})
    assert metrics(tmp_path) == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 0.5}]


def test_processes_that_do_not_lead_write_nothing(tmp_path: Path) -> None:
    with MetricsWriter(tmp_path, 0, tensorboard=True, writes=False) as writer:
        writer.write({"step": 1})
        writer.show({"picture": np.zeros((2, 2, 3), np.uint8)}, 1)
    assert list(tmp_path.iterdir()) == []


def test_nan_is_null_in_the_file_and_nan_again_when_read(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    with MetricsWriter(run, 0, tensorboard=False) as writer:
        writer.write({"step": 4, "epoch": 1, "loss": 2.5})
        writer.write({"step": 4, "epoch": 1, "validation": {"reid_map": NAN, "reid_queries": 0}})
    assert metrics(run)[1]["validation"] == {"reid_map": None, "reid_queries": 0}
    status = read_status(run)
    [(epoch, figures)] = status.validations
    assert epoch == 1
    assert math.isnan(figures["reid_map"])
    assert status.losses == [(4, 2.5)]
    plain = json.loads(json.dumps(status.to_dict(), allow_nan=False))
    assert plain["validations"] == [[1, {"reid_map": None, "reid_queries": 0}]]
    assert plain["best"] is None


def test_a_value_that_json_cannot_hold_is_not_written(tmp_path: Path) -> None:
    with MetricsWriter(tmp_path, 0, tensorboard=False) as writer, pytest.raises(ValueError, match="JSON compliant"):
        writer.write({"step": 1, "loss": math.inf})


def test_tensorboard_gets_the_figures_that_counted(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with MetricsWriter(tmp_path, 0, tensorboard=True) as writer:
        writer.write({"step": 1, "epoch": 1, "loss": 0.5})
        writer.write({"step": 1, "epoch": 1, "validation": {"selection": NAN, "AP": 0.25}})
        writer.show({"detections/a.jpg": np.zeros((4, 6, 3), np.uint8)}, 1)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert set(tags["scalars"]) == {"training/epoch", "training/loss", "validation/AP"}
    assert tags["images"] == ["detections/a.jpg"]


def test_the_best_validation_is_the_highest_that_counted() -> None:
    validations = [(1, {"a": NAN}), (2, {"a": 0.25}), (3, {"a": NAN}), (4, {"a": 0.5}), (5, {"a": 0.5})]
    status = RunStatus("pretrain", 5, 5, 10, validations=validations)
    assert status.best == (4, {"a": 0.5})  # the first of equals, as the loop keeps it
    assert RunStatus("pretrain", 5, 5, 10, validations=validations[:1]).best is None
    assert RunStatus("pretrain", 5, 5, 10).best is None


def test_status_of_a_run_that_is_being_written(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", epochs=7)
    assert read_status(run) == RunStatus("pretrain", 7, 0, 0)
    (run / "metrics.jsonl").write_text('{"step": 5, "epoch": 2, "loss": 1.5}\n{"step": 6, "ep')
    assert read_status(run) == RunStatus("pretrain", 7, 2, 5, losses=[(5, 1.5)])
    (run / "weights").mkdir()
    assert not read_status(run).finished  # the weights are being written
    (run / "weights/config.json").touch()
    assert read_status(run).finished


@pytest.mark.parametrize("recipe", [None, "{", '{"recipe": {}}', "[1]"])
def test_a_folder_without_a_run_is_refused(recipe: str | None, tmp_path: Path) -> None:
    if recipe is not None:
        (tmp_path / "recipe.json").write_text(recipe)
    with pytest.raises(TrainingError, match=r"no run here \(recipe\.json is missing or unreadable\)"):
        read_status(tmp_path)


def test_running_means_by_hand_and_starting_over() -> None:
    means = RunningMeans()
    means.add(["a", "b"], {"loss": torch.tensor(1.0), "accuracy": torch.tensor(0.5)})
    means.add(["c"], {"loss": torch.tensor(4.0)})  # a batch without a labelled person has no accuracy
    row = means.flush(2)
    assert (row["loss"], row["accuracy"]) == (2.5, 0.5)
    assert row["images_per_s"] > 0
    means.add(["d"], {"loss": torch.tensor(3.0)})
    row = means.flush(3)
    assert row["loss"] == 3.0
    assert "accuracy" not in row


def test_a_loss_that_is_not_finite_names_step_and_batch() -> None:
    means = RunningMeans()
    for names, loss in ((["a"], 1.0), (["b", "c"], math.inf), (["d"], 2.0)):
        means.add(names, {"loss": torch.tensor(loss)})
    with pytest.raises(TrainingError, match=r"the loss is inf at step 11, on the batch b, c; .* learning rate"):
        means.flush(12)
