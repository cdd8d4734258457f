import sys
from pathlib import Path

import pytest
import torch

from personsearch.errors import ConfigError, TrainingError
from personsearch.train import Rehearsal, rehearse_finetune, rehearse_pretrain
from personsearch.train.rehearsal import peak_memory_mb
from tests.support import toy_set
from tests.train.runs import finetune_config, pretrain_config


def test_a_rehearsal_takes_steps_and_writes_nothing(toy_annotations: Path, tmp_path: Path) -> None:
    rehearsal = rehearse_finetune(finetune_config(tmp_path / "run", toy_annotations))
    assert (rehearsal.epochs, rehearsal.steps) == (2, 8)
    assert rehearsal.seconds_per_step > 0
    assert rehearsal.parameters > 1_000_000
    assert rehearsal.memory_mb is None or rehearsal.memory_mb > 100
    assert rehearse_pretrain(pretrain_config(tmp_path / "run", toy_annotations)).steps > 0
    assert not (tmp_path / "run").exists()


def test_hours_by_hand() -> None:
    rehearsal = Rehearsal(epochs=3, steps=7200, seconds_per_step=0.5, parameters=1, memory_mb=None)
    assert rehearsal.hours == 1.0


def test_a_set_smaller_than_a_batch_is_refused(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=3)
    with pytest.raises(TrainingError, match="epoch 1 has no batch: the set is smaller than one batch"):
        rehearse_finetune(finetune_config(tmp_path / "run", annotations, batch_size=4, steps={"accumulate": 4}))


def test_what_cannot_run_is_refused_before_the_data_is_read(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.json"
    with pytest.raises(ConfigError, match=r"batch_size=2 .* steps\.accumulate=3"):
        rehearse_finetune(finetune_config(tmp_path / "run", nowhere, steps={"accumulate": 3}))
    with pytest.raises(ConfigError, match="device 'cuda:99' is not available"):
        rehearse_finetune(finetune_config(tmp_path / "run", nowhere, run={"device": "cuda:99"}))


def test_memory_is_in_mebibytes_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")

    class Usage:
        ru_maxrss = 3 * 2**30

    monkeypatch.setattr(resource, "getrusage", lambda _: Usage())
    cpu = torch.device("cpu")
    monkeypatch.setattr(sys, "platform", "linux")  # counts KiB
    assert peak_memory_mb(cpu) == 3 * 2**20
    monkeypatch.setattr(sys, "platform", "darwin")  # counts bytes
    assert peak_memory_mb(cpu) == 3 * 2**10
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_memory_mb(cpu) is None
