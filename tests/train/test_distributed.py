"""Two real processes under torchrun do what one does with the same parts of each batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from personsearch import PersonSearcher
from personsearch.train import finetune, pretrain, read_status
from personsearch.train.distributed import World, world
from tests.conftest import toy_set
from tests.train.test_loop import finetune_config, pretrain_config

RUN = """
import sys, torch
from personsearch.train import finetune, pretrain
from personsearch.train.config import FinetuneConfig, PretrainConfig
torch.set_num_threads(1)
kind, recipe = sys.argv[1], open(sys.argv[2]).read()
run, config = {"finetune": (finetune, FinetuneConfig), "pretrain": (pretrain, PretrainConfig)}[kind]
run(config.model_validate_json(recipe))
"""


def torchrun(config: Any, kind: str, folder: Path, processes: int = 2) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "run.py").write_text(RUN)
    (folder / "recipe.json").write_text(config.model_dump_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [*command, str(folder / "run.py"), kind, str(folder / "recipe.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment,
    )


def losses(run: Path) -> list[float]:
    return [loss for _, loss in read_status(run).losses]


def test_step_two_on_two_processes_equals_one_that_takes_both_halves(
    tiny_searcher: PersonSearcher, tmp_path: Path
) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=9, place_every=3)
    init = tiny_searcher.save_pretrained(tmp_path / "weights")
    common = {
        "init": str(init),
        "freeze_bn": True,
        "data": {"holdout_places": ("b",)},
        "schedule": {"epochs": 4},
        "optimizer": {"name": "sgd", "lr": 1e-3},
    }
    two = finetune_config(tmp_path / "two", annotations, **common)
    done = torchrun(two, "finetune", tmp_path / "scripts")
    assert done.returncode == 0, done.stderr
    one = finetune_config(tmp_path / "one", annotations, **common, steps={"accumulate": 2})
    torch.set_num_threads(1)  # as there: then parts are computed alike, and rounding differs in the sums alone
    finetune(one)
    assert len(losses(tmp_path / "one")) >= 10
    assert losses(tmp_path / "two")[:10] == pytest.approx(losses(tmp_path / "one")[:10], rel=1e-3)
    assert losses(tmp_path / "two")[0] == pytest.approx(losses(tmp_path / "one")[0], rel=1e-5)
    # Plain SGD: the weights after the run are the start minus what the gradients summed up to.
    start = load_file(init / "model.safetensors")
    ends = [load_file(tmp_path / name / "weights" / "model.safetensors") for name in ("one", "two")]
    moved = [torch.cat([(end[k] - start[k]).flatten() for k in start if k.endswith("weight")]) for end in ends]
    assert moved[0].norm() > 0
    assert (moved[0] - moved[1]).norm() < 0.01 * moved[0].norm()
    first, second = (read_status(tmp_path / name).validations for name in ("one", "two"))
    assert [epoch for epoch, _ in first] == [epoch for epoch, _ in second]
    for (_, a), (_, b) in zip(first, second, strict=True):  # each process saw its share of the scenes only
        assert a == pytest.approx(b, abs=0.05)


def test_step_one_splits_whole_identities_and_another_number_of_processes_goes_on(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=12, num_identities=4, place_every=0)
    config = pretrain_config(tmp_path / "run", annotations).model_copy(update={"num_identities": 4})
    alone = config.model_copy(
        update={
            "run": config.run.model_copy(update={"out": str(tmp_path / "alone")}),
            "steps": config.steps.model_copy(update={"accumulate": 2}),
        }
    )
    short = config.model_copy(update={"schedule": config.schedule.model_copy(update={"epochs": 1})})
    done = torchrun(config, "pretrain", tmp_path / "scripts")
    assert done.returncode == 0, done.stderr
    pretrain(alone)
    assert losses(tmp_path / "run")[0] == pytest.approx(losses(tmp_path / "alone")[0], rel=1e-4)
    assert short.num_identities == 4
    # Stop the run of two after its first epoch, and go on alone.
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert state["position"]["epoch"] == 3
    longer = alone.model_copy(update={"run": config.run, "schedule": config.schedule})
    pretrain(longer)  # finished: nothing to do, and nothing refused
    assert len(losses(tmp_path / "run")) == len(losses(tmp_path / "alone"))


def test_a_batch_that_does_not_divide_is_refused(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy")
    config = finetune_config(tmp_path / "run", annotations, batch_size=3)
    done = torchrun(config, "finetune", tmp_path / "scripts")
    assert done.returncode != 0
    assert "batch_size=3 is for all processes together and does not divide into 2 processes" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_shares_come_back_in_order(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    items = list(range(7))
    everyone = [World(rank, size, torch.device("cpu")) for rank in range(size)]
    shares = [list(one.mine(items)) for one in everyone]
    monkeypatch.setattr(World, "everybodys", lambda *_: shares)
    assert everyone[0].gathered(shares[0]) == items


def test_without_torchrun_there_is_one_process() -> None:
    with world("cpu") as alone:
        assert (alone.rank, alone.size, alone.leads) == (0, 1, True)
        assert alone.everybodys(np.float32(3)) == [3]
        alone.wait()


def test_only_the_leading_process_writes(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy")
    config = finetune_config(tmp_path / "run", annotations, schedule={"epochs": 1})
    done = torchrun(config, "finetune", tmp_path / "scripts")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
