from pathlib import Path

import pytest
import torch

from personsearch.durable import sha256_of
from personsearch.errors import TrainingError
from personsearch.train import finetune, pretrain, resume
from tests.train.runs import KilledError, finetune_config, kill_after, pretrain_config


def test_a_moved_run_continues_by_its_own_recipe(
    toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finetune(finetune_config(tmp_path / "whole", toy_annotations))
    with monkeypatch.context() as killed:
        kill_after(killed, 3)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", toy_annotations))
    (tmp_path / "parts").rename(tmp_path / "moved")
    torch.manual_seed(99)  # whatever happened in between
    weights = resume(tmp_path / "moved")
    assert weights == tmp_path / "moved" / "weights"
    assert sha256_of(weights / "model.safetensors") == sha256_of(whole / "model.safetensors")


def test_a_run_of_step_one_is_resumed_as_such(toy_annotations: Path, tmp_path: Path) -> None:
    backbone = pretrain(pretrain_config(tmp_path / "run", toy_annotations, schedule={"epochs": 1}))
    assert resume(tmp_path / "run") == backbone
    assert (backbone / "backbone.safetensors").exists()


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no run here"):
        resume(tmp_path / "nowhere")
