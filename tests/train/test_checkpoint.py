from pathlib import Path

import pytest
import torch

from personsearch.errors import TrainingError
from personsearch.train.checkpoint import load_checkpoint, load_network, save_checkpoint


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"step": 3, "task": {"a": torch.arange(3)}})
    state = load_checkpoint(tmp_path / "last.pt")
    assert state["step"] == 3
    assert torch.equal(state["task"]["a"], torch.arange(3))
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_save_that_dies_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "last.pt", {"step": 1})

    def die(state: object, path: Path) -> None:
        path.write_bytes(b"half a")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", die)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path / "last.pt", {"step": 2})
    assert load_checkpoint(tmp_path / "last.pt") == {"step": 1}


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"last\.pt: damaged checkpoint; delete it to start from scratch"):
        load_checkpoint(tmp_path / "last.pt")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return (print, ("this must never run",))

    torch.save({"task": Harmful()}, tmp_path / "last.pt")
    with pytest.raises(TrainingError, match="damaged checkpoint"):
        load_checkpoint(tmp_path / "last.pt")
    assert "must never run" not in capsys.readouterr().out


def test_the_network_is_that_of_the_moving_average_if_there_is_one(tmp_path: Path) -> None:
    task = {"network.conv": torch.zeros(1), "classifier.weight": torch.zeros(1)}
    save_checkpoint(tmp_path / "plain.pt", {"task": task, "mean": None})
    assert load_network(tmp_path / "plain.pt") == {"conv": torch.zeros(1)}
    save_checkpoint(tmp_path / "best.pt", {"task": task})  # already the average, where there is one
    assert load_network(tmp_path / "best.pt") == {"conv": torch.zeros(1)}
    average = {"n_averaged": torch.ones(1), "module.network.conv": torch.ones(1)}
    save_checkpoint(tmp_path / "last.pt", {"task": task, "mean": average})
    assert load_network(tmp_path / "last.pt") == {"conv": torch.ones(1)}
