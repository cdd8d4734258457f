"""Two real processes under torchrun do what one does with the same parts of each batch."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from personsearch import PersonSearcher
from personsearch.errors import ConfigError
from personsearch.models import ModelConfig, build
from personsearch.train import finetune, pretrain, read_status
from personsearch.train.checkpoint import LAST, load_checkpoint, save_checkpoint
from personsearch.train.distributed import World, join_world
from personsearch.weights.files import save_folder
from tests.support import TINY, toy_set
from tests.train.runs import finetune_config, metrics, pretrain_config

RUN = """
import sys, torch
from personsearch.train import finetune, pretrain
from personsearch.train.config import FinetuneConfig, PretrainConfig
torch.set_num_threads(1)
kind, recipe = sys.argv[1], open(sys.argv[2]).read()
run, config = {"finetune": (finetune, FinetuneConfig), "pretrain": (pretrain, PretrainConfig)}[kind]
run(config.model_validate_json(recipe))
"""


#: Put before RUN: every process writes down the neighbours by which it makes the batches of an epoch.
WRITE_NEIGHBOURS = """
import os, pathlib, sys
from personsearch.train.samplers import NeighbourSampler
batches = NeighbourSampler.batches
def watched(self, epoch, neighbours):
    text = str(None if neighbours is None else neighbours.tolist())
    pathlib.Path(sys.argv[2]).with_name(f"epoch-{epoch}-rank-{os.environ['RANK']}").write_text(text)
    return batches(self, epoch, neighbours)
NeighbourSampler.batches = watched
"""


def torchrun(
    config: Any, kind: str, folder: Path, processes: int = 2, before: str = ""
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "run.py").write_text(before + RUN)
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


@pytest.mark.slow
def test_all_processes_remember_the_same_people_as_one_that_takes_both_halves(tmp_path: Path) -> None:
    """OIM's memory, bit for bit, where processes have different numbers of people in a step, or none, or no scene."""
    annotations = toy_set(tmp_path / "toy", num_scenes=8)
    data = json.loads(annotations.read_text())
    data["annotations"] = [row for row in data["annotations"] if row["image_id"] != 3]
    data["annotations"] = [row for row in data["annotations"] if row["image_id"] != 5 or row["person_id"] < 0]
    annotations.write_text(json.dumps(data))
    (annotations.parent / "001.png").write_bytes(b"")
    model = ModelConfig.model_validate({**TINY, "reid": {**TINY["reid"], "embedding": 24}})
    common: dict[str, Any] = {
        "init": str(save_folder(tmp_path / "init", model, build(model).state_dict())),
        "model": model,
        "freeze_bn": True,
        "data": {"skip_bad": True},
        "schedule": {"epochs": 1},
        "identity_loss": {"kind": "oim", "queue": 4, "scalar": 10.0},
    }
    done = torchrun(finetune_config(tmp_path / "two", annotations, **common), "finetune", tmp_path / "scripts")
    assert done.returncode == 0, done.stderr
    torch.set_num_threads(1)  # as there
    finetune(finetune_config(tmp_path / "one", annotations, **common, steps={"accumulate": 2}))
    one, two = (load_checkpoint(tmp_path / name / LAST)["task"] for name in ("one", "two"))
    # Of a norm that is not frozen each process has statistics of its own, from its own people.
    own = {f"network.identification.bnneck.{key}" for key in ("running_mean", "running_var", "num_batches_tracked")}
    assert {key for key, value in one.items() if not torch.equal(value, two[key])} <= own
    assert int(two["memory.pointer"]) == 5 % 4  # a damaged scene, one of nobody, and one of somebody alone give none
    assert two["memory.table"].norm(dim=1).tolist() == pytest.approx([1] * 4, abs=1e-5)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-6)


def test_step_one_splits_whole_identities_and_another_number_of_processes_continues(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=12, num_identities=4, place_every=0)
    config = pretrain_config(tmp_path / "run", annotations, num_identities=4)
    alone = pretrain_config(tmp_path / "alone", annotations, num_identities=4, steps={"accumulate": 2})
    done = torchrun(config, "pretrain", tmp_path / "scripts")
    assert done.returncode == 0, done.stderr
    pretrain(alone)
    assert losses(tmp_path / "run")[0] == pytest.approx(losses(tmp_path / "alone")[0], rel=1e-4)
    taken = len(losses(tmp_path / "run"))
    assert taken == len(losses(tmp_path / "alone"))
    # Back to where two processes stood after the first epoch; one process takes the run from there.
    state = load_checkpoint(tmp_path / "run" / LAST)
    assert state["position"]["epoch"] == 3
    save_checkpoint(
        tmp_path / "run" / LAST, {**state, "position": {**state["position"], "epoch": 2, "step": taken // 2}}
    )
    pretrain(alone.model_copy(update={"run": config.run}))
    assert load_checkpoint(tmp_path / "run" / LAST)["position"] == state["position"]
    assert len(losses(tmp_path / "run")) == taken


@pytest.mark.slow
def test_all_processes_make_batches_by_the_same_neighbours(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=9, num_identities=6, place_every=0)
    config = pretrain_config(tmp_path / "run", annotations, num_identities=4, sampling="neighbours")
    done = torchrun(config, "pretrain", tmp_path / "scripts", before=WRITE_NEIGHBOURS)
    assert done.returncode == 0, done.stderr
    for epoch in (1, 2):
        first, second = ((tmp_path / "scripts" / f"epoch-{epoch}-rank-{rank}").read_text() for rank in (0, 1))
        assert first == second
        assert (first == "None") == (epoch == 1)
    assert first == str(load_checkpoint(tmp_path / "run" / LAST)["mined"].tolist())
    assert len(losses(tmp_path / "run")) == 2 * 6


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
    worlds = [World(rank, size, torch.device("cpu")) for rank in range(size)]
    shares = [list(world.share_of(items)) for world in worlds]
    monkeypatch.setattr(World, "all_gather", lambda *_: shares)
    assert worlds[0].join_shares(shares[0]) == items


def test_without_torchrun_there_is_one_process() -> None:
    with join_world("cpu") as alone:
        assert (alone.rank, alone.size, alone.leads) == (0, 1, True)
        assert alone.all_gather(np.float32(3)) == [3]
        alone.barrier()


@pytest.mark.parametrize(("device", "message"), [("cuda:99", "is not available"), ("gpu", "device 'gpu' is unknown")])
def test_a_device_that_is_not_there_is_named(device: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message), join_world(device):
        pass


def test_mps_is_used_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with join_world(None) as world:
        assert world.device.type == "cpu"
    with join_world("mps") as world:
        assert world.device.type == "mps"


def test_only_the_leading_process_writes(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy")
    config = finetune_config(tmp_path / "run", annotations, schedule={"epochs": 1})
    done = torchrun(config, "finetune", tmp_path / "scripts")
    assert done.returncode == 0, done.stderr
    assert [row["step"] for row in metrics(tmp_path / "run")] == [1, 2, 3, 4]


def test_processes_wait_for_each_other_where_one_has_nothing_left(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=4)
    (annotations.parent / "001.png").write_bytes(b"")
    common: dict[str, Any] = {"data": {"skip_bad": True}, "schedule": {"epochs": 1}}
    done = torchrun(finetune_config(tmp_path / "two", annotations, **common), "finetune", tmp_path / "scripts")
    assert done.returncode == 0, done.stderr
    finetune(finetune_config(tmp_path / "one", annotations, **common, steps={"accumulate": 2}))
    assert losses(tmp_path / "two")[0] == pytest.approx(losses(tmp_path / "one")[0], rel=1e-3)
    assert len(losses(tmp_path / "two")) == 2
    assert read_status(tmp_path / "two").left_out == read_status(tmp_path / "one").left_out == 1


def test_a_process_alone_makes_its_gpu_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the current device, such as pinned memory, would take a piece of the first GPU."""
    entered: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext(entered.append(device)))
    with join_world("cuda:1") as world:
        assert world.device == torch.device("cuda", 1)
    assert entered == [torch.device("cuda", 1)]
    with join_world("cpu"):
        assert len(entered) == 1
