"""The memory of OIM against numbers worked out by hand, and runs that train with it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from personsearch import Gallery, PersonSearcher
from personsearch.models import ModelConfig, SceneGroup, Target, build
from personsearch.train import finetune
from personsearch.train.checkpoint import LAST, load_checkpoint
from personsearch.train.config import IdentityLossConfig, OptimizerConfig
from personsearch.train.distill import DistillConfig, Teacher
from personsearch.train.distributed import World
from personsearch.train.oim import InstanceMemory
from personsearch.train.scenes import SceneBatch
from personsearch.train.tasks import SearchTask
from personsearch.weights.files import save_folder
from tests.support import TINY, toy_scene, toy_set
from tests.train.runs import KilledError, finetune_config, kill_after, metrics

ALONE = World(0, 1, torch.device("cpu"))
EMBEDDING = 24
#: A recipe's changes for OIM on toy sets: four identities, a queue of eight.
OIM: dict[str, Any] = {
    "model": {**TINY, "reid": {**TINY["reid"], "embedding": EMBEDDING}},
    "identity_loss": {"kind": "oim", "queue": 8, "scalar": 10.0},
}


def toy_memory(scalar: float = 10.0, momentum: float = 0.5) -> InstanceMemory:
    """Two identities, (1, 0) and (0, 1), and one person without a label, (-1, 0)."""
    memory = InstanceMemory(2, 2, scalar=scalar, momentum=momentum, queue=1)
    memory.table.copy_(torch.eye(2))
    memory.queue.copy_(torch.tensor([[-1.0, 0.0]]))
    return memory


def loss_of(memory: InstanceMemory, features: Tensor, *identities: int) -> Tensor:
    return F.cross_entropy(memory(features), torch.tensor(identities))


@pytest.mark.parametrize(
    ("scalar", "loss"),
    [(10.0, math.log(1 + math.exp(-2) + math.exp(-14))), (30.0, 0.0024757), (5 * math.log(2), math.log(193 / 128))],
)
def test_the_loss_worked_out_by_hand(scalar: float, loss: float) -> None:
    """Products 0.6, 0.8 and -0.6; at 5 ln 2 the other two columns weigh 1/2 and 1/128 of the right one."""
    x = torch.tensor([[0.6, 0.8]])
    assert float(loss_of(toy_memory(scalar), x, 1)) == pytest.approx(loss, abs=1e-6)
    assert toy_memory()(x)[0].tolist() == pytest.approx([6, 8, -6], abs=1e-5)


def test_the_gradient_worked_out_by_hand() -> None:
    """It pulls towards (0, 1) and pushes away from (1, 0); of the unit feature, as the facts of the method have it."""
    memory, x = toy_memory(), torch.tensor([[0.6, 0.8]], requires_grad=True)
    logits = 10 * x @ torch.cat([memory.table, memory.queue]).T
    F.cross_entropy(logits, torch.tensor([1])).backward()
    assert x.grad is not None
    assert x.grad[0].tolist() == pytest.approx([1.1920210, -1.1920357], abs=1e-5)
    # A feature of any length is rescaled first: what is left is the part across it, divided by its length.
    longer = torch.tensor([[3.0, 4.0]], requires_grad=True)
    loss_of(memory, longer, 1).backward()
    unit, along = x.detach()[0], float(x.grad[0] @ x.detach()[0])
    assert longer.grad is not None
    assert longer.grad[0].tolist() == pytest.approx(((x.grad[0] - along * unit) / 5).tolist(), abs=1e-5)


def test_an_identity_seen_twice_in_a_batch_is_mixed_twice_in_order() -> None:
    memory = toy_memory()
    memory.remember(torch.tensor([[3.0, 4.0]]), torch.tensor([1]))  # its length does not matter
    assert memory.table[1].tolist() == pytest.approx([1 / math.sqrt(10), 3 / math.sqrt(10)], abs=1e-6)
    twice = toy_memory()
    twice.remember(torch.tensor([[0.6, 0.8], [1.0, 0.0]]), torch.tensor([1, 1]))
    assert twice.table[1].tolist() == pytest.approx([0.8112, 0.5847], abs=1e-4)
    other = toy_memory()
    other.remember(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([1, 1]))
    assert not torch.allclose(other.table, twice.table, atol=1e-2)
    assert torch.equal(twice.table[0], torch.tensor([1.0, 0.0]))
    assert torch.equal(twice.queue, toy_memory().queue)


@pytest.mark.parametrize(
    ("identities", "queue", "loss"), [(4, 8, 2.4849066), (483, 500, 6.8906091), (5532, 5000, 9.2621735)]
)
def test_the_loss_of_a_fresh_memory_is_the_logarithm_of_its_size(identities: int, queue: int, loss: float) -> None:
    torch.manual_seed(0)
    memory = InstanceMemory(identities, 256, scalar=30.0, momentum=0.5, queue=queue)
    assert float(loss_of(memory, 7 * torch.randn(3, 256), 0, 1, identities - 1)) == pytest.approx(loss, abs=2e-6)


def test_the_queue_begins_again_at_its_first_row() -> None:
    memory = InstanceMemory(1, 2, scalar=10.0, momentum=0.5, queue=2)
    first, second, third = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]), torch.tensor([[0.6, -0.8]])
    memory.remember(torch.cat([first, second, third]), torch.tensor([-1, -1, -1]))
    assert torch.allclose(memory.queue, torch.tensor([[0.6, -0.8], [0.0, 1.0]]))
    assert int(memory.pointer) == 1
    memory.remember(first, torch.tensor([-1]))
    assert torch.allclose(memory.queue, torch.tensor([[0.6, -0.8], [1.0, 0.0]]))
    assert int(memory.pointer) == 0
    assert not memory.table.any()


def test_what_is_seen_first_is_remembered_as_it_is() -> None:
    memory = InstanceMemory(2, 2, scalar=10.0, momentum=0.9, queue=1)
    memory.remember(torch.tensor([[0.0, 5.0]]), torch.tensor([1]))
    assert memory.table.tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_nobody_changes_nothing() -> None:
    memory = toy_memory()
    before = {key: value.clone() for key, value in memory.state_dict().items()}
    memory.remember(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))
    assert all(torch.equal(value, before[key]) for key, value in memory.state_dict().items())


def test_a_memory_that_moves_on_does_not_spoil_a_gradient_still_to_come() -> None:
    memory, x = toy_memory(), torch.tensor([[0.6, 0.8]], requires_grad=True)
    loss = loss_of(memory, x, 1)
    memory.remember(torch.tensor([[-1.0, 0.0]] * 2), torch.tensor([1, -1]))
    loss.backward()  # torch refuses if a tensor that it needs was changed in place
    other = torch.tensor([[0.6, 0.8]], requires_grad=True)
    loss_of(toy_memory(), other, 1).backward()
    assert x.grad is not None
    assert torch.equal(x.grad, other.grad)  # type: ignore[arg-type]


people = st.lists(
    st.tuples(st.integers(-1, 2), arrays.arrays(np.int8, 4, elements=st.integers(-9, 9))), min_size=1, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(people, max_size=3), momentum=st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_rows_have_unit_length_or_are_empty_and_the_queue_holds_the_latest(
    steps: list[list[tuple[int, np.ndarray]]], momentum: float
) -> None:
    memory = InstanceMemory(3, 4, scalar=30.0, momentum=momentum, queue=5)
    unlabelled: list[Tensor] = []
    for step in steps:
        features = torch.from_numpy(np.stack([x for _, x in step])).float()
        memory.remember(features, torch.tensor([identity for identity, _ in step]))
        unlabelled += [x for x, (identity, _) in zip(F.normalize(features, dim=1), step, strict=True) if identity < 0]
        lengths = torch.cat([memory.table, memory.queue]).norm(dim=1)
        assert bool(((lengths - 1).abs().lt(1e-5) | lengths.eq(0)).all())
        assert int(memory.pointer) == len(unlabelled) % 5
        latest = {tuple(row.tolist()) for row in unlabelled[-5:]}
        assert {tuple(row.tolist()) for row in memory.queue[: min(len(unlabelled), 5)]} == latest


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), length=st.floats(1e-3, 1e3), dtype=st.sampled_from([torch.bfloat16, torch.float16]))
def test_logits_depend_neither_on_the_length_of_features_nor_on_autocast(
    seed: int, length: float, dtype: torch.dtype
) -> None:
    torch.manual_seed(seed)
    memory = InstanceMemory(5, 16, scalar=30.0, momentum=0.5, queue=4)
    memory.remember(torch.randn(12, 16), torch.arange(12) % 7 - 2)
    features = torch.randn(3, 16)
    expected = memory(features)
    assert torch.allclose(memory(length * features), expected, atol=1e-4)
    with torch.autocast("cpu", dtype):
        logits = memory(features)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, expected)
    assert memory(features.to(dtype)).dtype == torch.float32


def task_of(config: ModelConfig, queue: int = 3) -> SearchTask:
    torch.manual_seed(0)
    return SearchTask(config, torch.ones(4, dtype=torch.int64), IdentityLossConfig(kind="oim", queue=queue))


def scene(*identities: int) -> SceneBatch:
    corners = torch.tensor([[20.0 * number, 10, 20 * number + 18, 80] for number in range(len(identities))])
    target = Target(corners.view(-1, 4), torch.tensor(identities).long(), torch.zeros(len(identities)).bool())
    pixels = torch.rand(1, 3, 96, 160, generator=torch.Generator().manual_seed(1))
    return SceneBatch([SceneGroup(pixels, [target])], ["a"])


def test_people_without_a_label_alone_give_no_identity_loss_but_enter_the_queue(tiny_config: ModelConfig) -> None:
    task = task_of(tiny_config).train()
    assert task.memory is not None
    losses, figures = task(scene(-1, -1))
    assert "identity" not in losses
    assert figures == {}
    assert not task.memory.queue.any()  # not before the step was taken
    task.after_step(ALONE)
    assert int(task.memory.pointer) == 2
    assert task.memory.queue.norm(dim=1).tolist() == pytest.approx([1, 1, 0], abs=1e-5)
    assert not task.memory.table.any()


def test_everybody_of_a_step_is_remembered_once_and_part_after_part(tiny_config: ModelConfig) -> None:
    task, expected = task_of(tiny_config).train(), task_of(tiny_config).memory
    assert task.memory is not None
    assert expected is not None
    seen: list[tuple[Tensor, list[int]]] = []
    inner = task.network.train_step
    task.network.train_step = lambda *args, **kwargs: noted(inner(*args, **kwargs))  # type: ignore[method-assign]

    def noted(out: Any) -> Any:
        seen.append((out.features.detach(), out.identities.tolist()))
        return out

    for part in (scene(2, -1), scene(2, 0), scene(1), scene()):  # somebody alone has no feature
        losses, _ = task(part)
        if "identity" in losses:
            assert float(losses["identity"].detach()) == pytest.approx(math.log(4 + 3), abs=1e-5)
    task.after_step(ALONE)
    for features, identities in seen:
        expected.remember(features, torch.tensor(identities).long())
    assert [identities for _, identities in seen] == [[2, -1], [2, 0], [], []]
    for key, value in task.memory.state_dict().items():
        assert torch.equal(value, expected.state_dict()[key]), key
    task.after_step(ALONE)  # nobody is new
    assert torch.equal(task.memory.table, expected.table)


def test_a_step_without_scenes_or_in_evaluation_is_not_remembered(tiny_config: ModelConfig) -> None:
    task = task_of(tiny_config).train()
    assert task.memory is not None
    losses, _ = task(SceneBatch([], []))
    losses["none"].backward()
    task.eval()(scene(1, -1))
    task.after_step(ALONE)
    assert not task.memory.table.any()
    assert not task.memory.queue.any()


def test_the_memory_is_in_the_checkpoint_alone_and_no_optimiser_changes_it(tiny_config: ModelConfig) -> None:
    task = task_of(tiny_config)
    memory = [key for key in task.state_dict() if "memory" in key]
    assert memory == ["memory.table", "memory.queue", "memory.pointer"]
    assert not any("classifier" in key for key in task.state_dict())
    assert not any("memory" in name for name, _ in task.named_parameters())
    [optimizer] = task.optimizers(OptimizerConfig(name="sgd", lr=0.1))
    held = {id(one) for group in optimizer.param_groups for one in group["params"]}
    assert held == {id(one) for one in task.network.parameters() if one.requires_grad}
    assert task.memory is not None
    assert sum(one.numel() for one in (task.memory.table, task.memory.queue)) == (4 + 3) * 512


@pytest.mark.parametrize(("people", "queue", "floats"), [(483, 500, 251_648), (5532, 5000, 2_696_192)])
def test_the_size_of_the_papers_memories(people: int, queue: int, floats: int) -> None:
    memory = InstanceMemory(people, 256, scalar=30.0, momentum=0.5, queue=queue)
    assert memory.table.numel() + memory.queue.numel() == floats


def test_a_run_learns_its_weights_hold_no_memory_and_find_people(tmp_path: Path) -> None:
    annotations = toy_set(tmp_path / "toy", num_scenes=4)
    folder = finetune(finetune_config(tmp_path / "run", annotations, **OIM, schedule={"epochs": 5}))
    learnt = [row["identity"] for row in metrics(tmp_path / "run") if "identity" in row]
    assert learnt[0] == pytest.approx(math.log(4 + 8), abs=1e-4)
    assert np.mean(learnt[-4:]) < math.log(4 + 8) / 2
    keys = set(load_file(folder / "model.safetensors"))
    assert {key for key in keys if key.startswith("identification.embedding")} == {
        "identification.embedding.weight",
        "identification.embedding.bias",
    }
    assert not any(word in key for key in keys for word in ("memory", "table", "queue", "pointer", "classifier"))
    picture = toy_scene([(0, 10, 10), (1, 60, 10)])
    plain, fast = (PersonSearcher.from_pretrained(folder, device="cpu", fast=fast) for fast in (False, True))
    found = [searcher.detect(picture) for searcher in (plain, fast)]
    assert len(found[0].boxes) > 0
    for one in found:
        assert one.embeddings.shape == (len(found[0].boxes), EMBEDDING)
        assert np.linalg.norm(one.embeddings, axis=1) == pytest.approx(1, abs=1e-5)
    assert (found[0].embeddings * found[1].embeddings).sum(axis=1).min() > 0.9999
    with Gallery.open(tmp_path / "gallery", fast.spec) as gallery:
        fast.index({"a": picture}, gallery, progress=False)
        assert gallery.embedding_size == fast.spec.embedding_size == EMBEDDING
        [best] = fast.search(gallery, picture, found[1].boxes[0].tolist(), k=1)
    assert best.similarity == pytest.approx(1, abs=1e-3)
    again = PersonSearcher.from_pretrained(plain.save_pretrained(tmp_path / "copy"), device="cpu")
    assert again.spec.fingerprint == plain.spec.fingerprint == fast.spec.fingerprint


def with_embedding(config: ModelConfig) -> ModelConfig:
    return config.model_copy(update={"reid": config.reid.model_copy(update={"embedding": EMBEDDING})})


@pytest.mark.parametrize("kind", ["cross_entropy", "class_balanced", "focal", "oim"])
def test_every_identity_loss_trains_shorter_embeddings(kind: Any, tiny_config: ModelConfig) -> None:
    torch.manual_seed(0)
    task = SearchTask(with_embedding(tiny_config), torch.tensor([1, 2, 3, 4]), IdentityLossConfig(kind=kind)).train()
    if task.memory is not None:  # a fresh one finds everybody equally similar, and so teaches nothing
        task.memory.remember(torch.randn(4, EMBEDDING), torch.arange(4))
    losses, figures = task(scene(2, 0, -1))
    assert set(figures) == {"accuracy"}
    losses["identity"].backward()
    layer = task.network.identification.embedding
    assert layer is not None
    gradients = [one.grad for one in (layer.weight, layer.bias, task.network.base.conv1.weight)]
    assert all(one is not None and bool(one.isfinite().all()) and bool(one.any()) for one in gradients)


@pytest.mark.parametrize(("student", "teacher"), [(True, False), (False, True), (True, True)])
def test_a_teacher_and_its_student_may_have_an_embedding_layer(
    student: bool, teacher: bool, tiny_config: ModelConfig
) -> None:
    torch.manual_seed(0)
    learns, teaches = (with_embedding(tiny_config) if layer else tiny_config for layer in (student, teacher))
    own = Teacher(build(teaches), teaches, DistillConfig(teacher="given"))
    task = SearchTask(learns, torch.ones(4, dtype=torch.int64), IdentityLossConfig(kind="oim"), teacher=own).train()
    losses, _ = task(scene(2, 0, -1))
    losses["distill"].backward()
    assert float(losses["distill"].detach()) > 0
    task.after_step(ALONE)
    assert task.memory is not None
    assert task.memory.table.shape == (4, learns.embedding_size)


def tensors_of(state: dict[str, Any]) -> dict[str, Tensor]:
    """The task of a checkpoint, and its average."""
    return {**state["task"], **{f"mean {key}": value for key, value in state["mean"].items()}}


def test_a_run_that_was_killed_inside_an_epoch_remembers_bit_for_bit(
    toy_annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything that a recipe can switch on beside it; what follows the checkpoint of the second step is lost."""
    model = ModelConfig.model_validate(OIM["model"])
    recipe: dict[str, Any] = {
        **OIM,
        "init": str(save_folder(tmp_path / "init", model, build(model).state_dict())),
        "freeze_bn": True,
        "box_jitter": 0.2,
        "schedule": {"epochs": 1},
        "steps": {"accumulate": 2, "ema_decay": 0.5},
        "data": {"skip_bad": True},
    }
    (toy_annotations.parent / "001.png").write_bytes(b"")  # so one part of a batch is empty
    finetune(finetune_config(tmp_path / "whole", toy_annotations, **recipe))
    with monkeypatch.context() as killed:
        kill_after(killed, 3)
        with pytest.raises(KilledError):
            finetune(finetune_config(tmp_path / "parts", toy_annotations, **recipe))
    between = load_checkpoint(tmp_path / "parts" / LAST)
    finetune(finetune_config(tmp_path / "parts", toy_annotations, **recipe))
    ends = [load_checkpoint(tmp_path / name / LAST) for name in ("whole", "parts")]
    whole, parts = map(tensors_of, ends)
    assert set(whole) == set(parts)
    assert [key for key, value in whole.items() if not torch.equal(value, parts[key])] == []
    assert ends[0]["position"] == ends[1]["position"]
    task = whole["memory.table"], whole["memory.queue"], whole["memory.pointer"]
    assert task[0].norm(dim=1).tolist() == pytest.approx([1] * 4, abs=1e-5)
    assert int(task[2]) == 7  # seven scenes can be used, each with one person without a label
    assert 0 < int(between["task"]["memory.pointer"]) <= 4
    assert not torch.equal(between["task"]["memory.table"], task[0])
    pointer = whole["mean module.memory.pointer"]  # means nothing, and nothing reads it
    assert pointer.dtype == torch.int64
    assert 0 <= int(pointer) < 8
