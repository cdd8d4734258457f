"""``data.skip_bad`` covers what is damaged when training comes to it, and loses nothing without a word."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from personsearch.durable import sha256_of
from personsearch.errors import DatasetError
from personsearch.models import ModelConfig
from personsearch.train import finetune, pretrain, read_status, rehearse_finetune, rehearse_pretrain
from personsearch.train.scenes import SceneBatch
from personsearch.train.tasks import SearchTask
from tests.support import toy_set
from tests.train.runs import DAMAGES, KilledError, finetune_config, kill_after, metrics, pretrain_config

SKIP = {"skip_bad": True}


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A set with two of six pictures that cannot be used."""
    annotations = toy_set(tmp_path / "toy", num_scenes=6)
    DAMAGES["truncated"](annotations.parent / "005.png")
    DAMAGES["of another size"](annotations.parent / "002.png")
    return annotations


@pytest.mark.parametrize("workers", [0, 1])
def test_without_it_the_first_one_is_an_error_in_one_sentence(workers: int, damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"(005\.png: cannot be|002\.png: the picture is).*data\.skip_bad=true"
    ) as error:
        finetune(finetune_config(tmp_path / "run", damaged, run={"num_workers": workers}))
    assert "Traceback" not in str(error.value)
    assert "DataLoader" not in str(error.value)


def test_a_rehearsal_names_all_of_them(damaged: Path, tmp_path: Path) -> None:
    for rehearse, config_of in ((rehearse_finetune, finetune_config), (rehearse_pretrain, pretrain_config)):
        with pytest.raises(DatasetError) as error:
            rehearse(config_of(tmp_path / "run", damaged), progress=False)
        lines = str(error.value).splitlines()
        assert lines[0] == "2 of 6 pictures cannot be used:"
        assert "002.png: the picture is 320x192, the annotations say 160x96" in lines[1]
        assert "005.png: cannot be" in lines[2]
        rehearsal = rehearse(config_of(tmp_path / "run", damaged, data=SKIP), progress=False)
        assert (rehearsal.pictures, len(rehearsal.left_out)) == (6, 2)
        assert "005.png" in rehearsal.left_out[1]
    assert not (tmp_path / "run").exists()


def test_training_goes_on_without_them_and_resumes_bit_for_bit(
    damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "personsearch"):
        whole = finetune(finetune_config(tmp_path / "whole", damaged, data=SKIP))
    assert caplog.text.count("left out: ") == 3  # each once, and both at the end
    assert "2 pictures could not be used and were left out: " in caplog.text
    with monkeypatch.context() as killed:
        kill_after(killed, 5)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", damaged, data=SKIP))
    torch.manual_seed(99)
    parts = finetune(finetune_config(tmp_path / "parts", damaged, data=SKIP))
    assert sha256_of(parts / "model.safetensors") == sha256_of(whole / "model.safetensors")
    rows = [{k: v for k, v in row.items() if k != "images_per_s"} for row in metrics(tmp_path / "parts")]
    assert rows == [{k: v for k, v in row.items() if k != "images_per_s"} for row in metrics(tmp_path / "whole")]
    assert rows[-1]["left_out"] == read_status(tmp_path / "whole").left_out == 2


def test_it_may_be_switched_on_in_the_middle_of_a_run(damaged: Path, tmp_path: Path) -> None:
    once = {"schedule": {"epochs": 1}, "run": {"checkpoint_every": 1}}
    with pytest.raises(DatasetError, match="skip_bad"):
        finetune(finetune_config(tmp_path / "run", damaged, **once))
    finetune(finetune_config(tmp_path / "run", damaged, data=SKIP, **once))
    assert read_status(tmp_path / "run").steps == 3


def test_a_sound_set_is_trained_on_alike_with_and_without_it(tmp_path: Path) -> None:
    toy_annotations = toy_set(tmp_path / "toy", num_scenes=2)
    one = {"schedule": {"epochs": 1}}
    plain = finetune(finetune_config(tmp_path / "plain", toy_annotations, **one))
    skipping = finetune(finetune_config(tmp_path / "skipping", toy_annotations, data=SKIP, **one))
    assert sha256_of(plain / "model.safetensors") == sha256_of(skipping / "model.safetensors")
    assert "left_out" not in metrics(tmp_path / "skipping")[-1]


def test_a_batch_of_which_nothing_is_left_is_a_step_without_a_loss(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=4)
    DAMAGES["empty"](annotations.parent / "001.png")
    finetune(finetune_config(tmp_path / "run", annotations, data=SKIP, batch_size=1, schedule={"epochs": 1}))
    rows = metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert len([row for row in rows if "loss" in row]) == 3
    assert len(read_status(tmp_path / "run").losses) == 3


def test_the_loss_of_nothing_is_zero_and_reaches_every_parameter(tiny_config: ModelConfig) -> None:
    task = SearchTask(tiny_config, torch.ones(2, dtype=torch.int64)).train()
    losses, figures = task(SceneBatch([], []))
    total = sum(losses.values())
    assert isinstance(total, torch.Tensor)
    total.backward()
    assert total.item() == 0
    assert figures == {}
    assert all(one.grad is not None and not one.grad.any() for one in task.parameters() if one.requires_grad)


def test_more_than_half_is_an_error(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=4)
    for number in (0, 1, 3):
        DAMAGES["no picture"](annotations.parent / f"{number:03d}.png")
    for run in (finetune, rehearse_finetune):
        with pytest.raises(DatasetError, match=r"3 of 4 pictures cannot be used, .*: too many to leave out"):
            run(finetune_config(tmp_path / "run", annotations, data=SKIP))
    with pytest.raises(DatasetError, match="3 of 4 pictures cannot be used"):
        pretrain(pretrain_config(tmp_path / "one", annotations, data=SKIP))


def test_step_one_leaves_their_people_out(damaged: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DatasetError, match=r"002\.png: the picture is 320x192.*data\.skip_bad=true"):
        pretrain(pretrain_config(tmp_path / "run", damaged))
    config = pretrain_config(tmp_path / "run", damaged, data=SKIP, schedule={"epochs": 1})
    with caplog.at_level(logging.INFO, "personsearch"):
        pretrain(config)
    assert "8 crops of 4 identities" in caplog.text
    assert "2 pictures could not be used and were left out: 002.png, 005.png" in caplog.text
    assert read_status(tmp_path / "run").left_out == 2


@pytest.mark.parametrize("kind", ["truncated", "of another size"])
def test_held_out_pictures_are_left_out_too(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=4, place_every=2)
    DAMAGES[kind](annotations.parent / "003.png")
    one = {"schedule": {"epochs": 1}}
    with pytest.raises(DatasetError, match=r"003\.png: .*data\.skip_bad=true"):
        finetune(finetune_config(tmp_path / "no", annotations, data={"holdout_places": ("b",)}, **one))
    with caplog.at_level(logging.WARNING, "personsearch"):
        finetune(finetune_config(tmp_path / "run", annotations, data={"holdout_places": ("b",), **SKIP}, **one))
    assert "left out of this validation: " in caplog.text
    assert len(read_status(tmp_path / "run").validations) == 1
