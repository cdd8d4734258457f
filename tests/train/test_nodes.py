"""Two machines, each with a disk of its own: two launchers of torchrun here, with working folders of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from personsearch.durable import sha256_of
from personsearch.errors import TrainingError
from personsearch.train import finetune, read_status
from personsearch.train.checkpoint import BEST, LAST, load_checkpoint, save_checkpoint
from personsearch.train.config import FinetuneConfig
from personsearch.train.continuing import what_is_learnt
from personsearch.train.trouble import explained
from personsearch.train.watch import METRICS, RECIPE
from tests.support import toy_set
from tests.train.runs import finetune_config

ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(Path(__file__).parents[2]),
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # see docs/training.md: without, no machine can take another's place
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Return when somebody listens at a port."""
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(port)


# Files and agreement, without training: two processes, each of which takes itself for the first of its machine.

MEET = """
import json, sys
from pathlib import Path
import torch
from personsearch.errors import PersonSearchError
from personsearch.train.config import FinetuneConfig
from personsearch.train.distributed import join_world
from personsearch.train.nodes import gather_run, in_each, require_one_recipe, require_one_set
from personsearch.train.record import DataRecord
from personsearch.train.remote import Backup

def fail():
    raise PersonSearchError(f"of process {world.rank}")

said = []
with join_world("cpu") as world:
    for name in json.loads(sys.argv[1]):
        config = FinetuneConfig.model_validate_json(Path(name, "recipe-of-test.json").read_text())
        scenes = {"a.jpg": "1", "b.jpg": "2" if "set" not in name else str(world.rank)}
        try:
            require_one_recipe(config, world)
            require_one_set(DataRecord(scenes, {"7": "3"}), world)
            gather_run(config, world, None)
            said.append("")
        except PersonSearchError as error:
            said.append(f"{type(error).__name__}: {error}")
    for failing in (0, 1):
        try:
            in_each(world, lambda: fail() if world.rank == failing else 1)
        except PersonSearchError as error:
            said.append(str(error))
    said.append(in_each(world, lambda: world.rank * 10))
print(json.dumps(said))
"""


def a_run(folder: Path, config: FinetuneConfig, step: int, *, best: bool = False) -> None:
    """Write a run's files by hand, the checkpoint larger than what passes between machines at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "config": what_is_learnt(config),
        "position": {"step": step},
        "task": {"x": torch.arange(5_000_000) + step},
    }
    save_checkpoint(folder / LAST, state)
    for name in (METRICS, RECIPE, *([BEST] if best else [])):
        (folder / name).write_text(f"{name} of step {step}")


def contents(run: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in run.iterdir()}


def test_machines_agree_and_get_the_files_of_the_one_that_is_furthest(tmp_path: Path) -> None:
    machines = [tmp_path / "a", tmp_path / "b"]
    cases = (
        "neither",
        "first is further",
        "second is further",
        "first has another run",
        "other recipe",
        "other set",
        "one disk",
    )
    for rank, machine in enumerate(machines):
        for case in cases:
            batch_size = 2 + 2 * rank if case == "other recipe" else 2
            config = finetune_config(Path(case, "run"), Path("train.json"), batch_size=batch_size)
            (machine / case).mkdir(parents=True)
            (machine / case / "recipe-of-test.json").write_text(config.model_dump_json())
    same = finetune_config(tmp_path, Path("train.json"))
    a_run(machines[0] / cases[1] / "run", same, 6)
    a_run(machines[1] / cases[1] / "run", same, 4, best=True)
    a_run(machines[1] / cases[2] / "run", same, 4, best=True)
    a_run(machines[0] / cases[3] / "run", finetune_config(tmp_path, Path("train.json"), box_jitter=0.2), 2)
    a_run(machines[1] / cases[3] / "run", same, 4)
    a_run(machines[0] / cases[6] / "run", same, 4)
    (machines[1] / cases[6] / "run").symlink_to(machines[0] / cases[6] / "run")
    before = [contents(machines[0] / cases[number] / "run") for number in (3, 6)]
    port = str(free_port())
    started = [
        subprocess.Popen(
            [sys.executable, "-c", MEET, json.dumps(cases)],
            cwd=machine,
            env={
                **ENVIRONMENT,
                "RANK": str(rank),
                "LOCAL_RANK": "0",
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, machine in enumerate(machines)
    ]
    done = [one.communicate(timeout=200) for one in started]
    assert [one.returncode for one in started] == [0, 0], done
    said = [json.loads(out) for out, _ in done]
    assert said[0] == said[1]  # whatever is wrong where, all machines say it
    assert said[0][:3] == [""] * 3
    assert "run: holds a run of another recipe (box_jitter differ); choose another run.out" in said[0][3]
    assert said[0][4].startswith("ConfigError: the processes of the run have different recipes (process 0 on ")
    assert "batch_size differ); start the same command" in said[0][4]
    assert said[0][5].startswith("DatasetError: the machines of the run have different annotations: those of process 1")
    assert "1 scene is different (b.jpg). Copy the same set to every machine" in said[0][5]
    assert said[0][6:] == ["", "of process 0", "of process 1", [0, 10]]
    assert not (machines[0] / cases[0] / "run").exists()
    for case, step, names in ((cases[1], 6, {LAST, METRICS, RECIPE}), (cases[2], 4, {LAST, METRICS, RECIPE, BEST})):
        first, second = (contents(machine / case / "run") for machine in machines)
        assert first == second
        assert first.keys() == names
        state = load_checkpoint(machines[0] / case / "run" / LAST)
        assert state["position"]["step"] == step
        assert torch.equal(state["task"]["x"], torch.arange(5_000_000) + step)
    assert [contents(machines[0] / cases[number] / "run") for number in (3, 6)] == before


@pytest.mark.parametrize(
    "error",
    [
        # As gloo says it where a process of the other machine was killed.
        RuntimeError("[/__w/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer [10.0.0.2]:324"),
        torch.distributed.DistBackendError("NCCL error in: ncclRemoteError"),
    ],
    ids=["gloo", "nccl"],
)
def test_a_process_that_is_gone_is_no_fault_of_this_one(error: RuntimeError, tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", tmp_path / "train.json")
    with pytest.raises(TrainingError, match=r"process of the run has ended .*on all machines"), explained(config):
        raise error
    with pytest.raises(RuntimeError, match="something else"), explained(config):
        raise RuntimeError("something else")


# The whole of it: two launchers, killed and started again.

RUN = """
import json, logging, os, pathlib, signal, sys, torch
from personsearch.train import finetune
from personsearch.train.config import FinetuneConfig
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
torch.set_num_threads(1)
kill_at, taken, step = int(sys.argv[1]), 0, torch.optim.SGD.step
pathlib.Path("ranks").open("a").write(os.environ["RANK"])
def watched(self, *arguments, **names):
    global taken
    taken += 1
    if taken == kill_at:
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *arguments, **names)
torch.optim.SGD.step = watched
finetune(FinetuneConfig.model_validate_json(pathlib.Path("recipe.json").read_text()))
"""


def launch(machine: Path, port: int, *, kill_at: int = 0, restarts: int = 0) -> subprocess.Popen[str]:
    """Start torchrun as on one of two machines; with ``kill_at`` it and its process die before that step."""
    (machine / "run.py").write_text(RUN)
    options = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}"]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *options, "--rdzv-id=rehearsal", f"--max-restarts={restarts}"]
        + ["run.py", str(kill_at)],
        cwd=machine,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def prepare(machines: list[Path], **changes: Any) -> FinetuneConfig:
    """Put the same set and the same recipe, with relative paths, on every machine."""
    config = finetune_config(Path("run"), Path("toy/train.json"), freeze_bn=False, **changes)
    for machine in machines:
        toy_set(machine / "toy", num_scenes=9, place_every=3)
        (machine / "recipe.json").write_text(config.model_dump_json())
    return config


@pytest.mark.slow
@pytest.mark.parametrize("backed_up", [False, True], ids=["from the other machine", "from storage"])
def test_two_machines_are_killed_and_the_one_without_a_checkpoint_leads_next(
    backed_up: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = [tmp_path / "a", tmp_path / "b"]
    common: dict[str, Any] = {"data": {"holdout_places": ("b",)}}
    backup = {"backup": f"file://{tmp_path / 'store'}"} if backed_up else {}
    prepare(machines, **common, run=backup)
    port = free_port()
    first = [launch(machine, port, kill_at=5) for machine in machines]  # in the second epoch of three steps
    said = [one.communicate(timeout=300)[0] for one in first]
    assert all(one.returncode != 0 for one in first), said
    [leader] = [machine for machine in machines if (machine / "ranks").read_text() == "0"]
    other = next(machine for machine in machines if machine != leader)
    assert (leader / "run" / LAST).exists()
    assert not (other / "run" / LAST).exists()
    if backed_up:  # both machines are gone; two fresh ones take their places
        machines = [tmp_path / "c", tmp_path / "d"]
        prepare(machines, **common, run=backup)
    else:  # c10d lets the launcher that was started first lead
        machines = [other, leader]
    second = [launch(machine, free) for free in [free_port()] for machine in machines]
    said = [one.communicate(timeout=300)[0] for one in second]
    assert [one.returncode for one in second] == [0, 0], said
    assert any("continuing from run/last.pt" in text for text in said)
    if not backed_up:
        assert (other / "ranks").read_text() == "10"
        assert "continuing from run/last.pt: epoch 2, step 4" in said[0]
    # Two processes on one machine, undisturbed.
    alone = tmp_path / "alone"
    prepare([alone], **common)
    (alone / "run.py").write_text(RUN)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "run.py", "0"]
    subprocess.run(command, cwd=alone, env=ENVIRONMENT, check=True, capture_output=True, timeout=300)
    weights = sha256_of(alone / "run" / "weights" / "model.safetensors")
    assert [sha256_of(machine / "run" / "weights" / "model.safetensors") for machine in machines] == [weights] * 2
    assert read_status(machines[0] / "run").losses == read_status(alone / "run").losses
    # And one process that takes both halves of each batch.
    monkeypatch.chdir(alone)
    torch.set_num_threads(1)
    shutil.rmtree(alone / "run")
    finetune(prepare([alone], **common, steps={"accumulate": 2}))
    one, two = (read_status(machine / "run").losses for machine in (alone, machines[0]))
    assert [loss for _, loss in two] == pytest.approx([loss for _, loss in one], rel=5e-3)


@pytest.mark.slow
def test_a_machine_that_vanishes_and_comes_back_finds_the_others_waiting(tmp_path: Path) -> None:
    machines = [tmp_path / "a", tmp_path / "b"]
    prepare(machines)
    port = free_port()
    stays = launch(machines[0], port, restarts=3)
    wait_for(port)  # the machine where they meet is the one that stays
    goes = launch(machines[1], port, restarts=3, kill_at=3)
    goes.communicate(timeout=300)
    assert goes.returncode == -signal.SIGKILL
    back = launch(machines[1], port, restarts=3)
    said = [one.communicate(timeout=400)[0] for one in (stays, back)]
    assert (stays.returncode, back.returncode) == (0, 0), said
    assert "another process of the run has ended or cannot be reached (" in said[0]
    assert "continuing from run/last.pt" in said[0] + said[1]
    losses = max((read_status(machine / "run").losses for machine in machines), key=len)  # of the one that led
    assert [step for step, _ in losses] == list(range(1, 9))  # two epochs of nine scenes, two in a batch
    files = [machine / "run" / "weights" / "model.safetensors" for machine in machines]
    assert sha256_of(files[0]) == sha256_of(files[1])
