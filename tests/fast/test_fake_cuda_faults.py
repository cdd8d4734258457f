"""The fake device finds what it is there for: faults of every kind, planted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from personsearch.models import build, preset
from tests.fast.fake_cuda import WrongDevice, fake_cuda

NAME = "stl-mrfp-small"


def images() -> Tensor:
    return torch.rand(1, 3, 96, 160, device="cuda")


def test_a_buffer_that_stays_behind_is_found() -> None:
    with fake_cuda(), torch.no_grad():
        network = build(preset(NAME)).eval().to("cuda")
        network.mean = torch.zeros(1, 3, 1, 1)
        with pytest.raises(WrongDevice, match=r"^personsearch/models/network\.py:\d+ in _features: aten\.sub"):
            network(images())


def test_boxes_left_on_the_cpu_are_found() -> None:
    with fake_cuda(), torch.no_grad():
        network = build(preset(NAME)).eval().to("cuda")
        with pytest.raises(WrongDevice, match=r"^personsearch/models/pooling\.py:\d+ in pool_boxes .*roi_align"):
            network.embed(images(), [torch.tensor([[10.0, 10, 40, 90]])])


def test_a_batch_left_on_the_cpu_is_found() -> None:
    with fake_cuda(), torch.no_grad():
        network = build(preset(NAME)).eval().to("cuda")
        with pytest.raises(WrongDevice, match=r"cpu float32 \(1, 3, 96, 160\), cuda float32 \(1, 3, 1, 1\)"):
            network(torch.rand(1, 3, 96, 160))


INDEXED: dict[str, Callable[[Tensor, Tensor], object]] = {
    "a read": lambda values, rows: values[rows],
    "a write": lambda values, rows: values.index_put_((rows,), torch.tensor(1.0)),
    "gather": lambda values, rows: values.gather(0, rows),
    "index_select": lambda values, rows: values.index_select(0, rows),
    "scatter": lambda values, rows: values.scatter(0, rows, 1.0),
}


@pytest.mark.parametrize(("of", "by"), [("cpu", "cuda"), ("cuda", "cpu")])
@pytest.mark.parametrize("kind", INDEXED)
def test_an_index_on_another_device_is_found(kind: str, of: str, by: str) -> None:
    with fake_cuda(), torch.no_grad():
        values, rows = torch.zeros(5, device=of), torch.zeros(2, dtype=torch.int64, device=by)
        with pytest.raises(WrongDevice, match=r"^tests/fast/test_fake_cuda_faults\.py:\d+ in <lambda>: aten\."):
            INDEXED[kind](values, rows)


WAITING: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "item": (lambda x: x[0].item(), "a value is read"),
    "float": (lambda x: float(x.sum()), "a value is read"),
    "if": (lambda x: 1 if (x > 0).any() else 0, "a value is read"),
    "tolist": (lambda x: x.tolist(), "a value is read"),
    "in": (lambda x: 1.0 in x, "a value is read"),
    "cpu": (lambda x: x.cpu(), "a copy to the host"),
    "copy": (lambda x: torch.empty(6).copy_(x), "a copy to the host"),
    "nonzero": (lambda x: x.nonzero(), "nonzero"),
    "where": (lambda x: torch.where(x > 0)[0], "nonzero"),
    "mask": (lambda x: x[x > 0], "a mask as an index"),
    "mask of rows": (lambda x: x.view(2, 3)[x.view(2, 3)[:, 0] > 0, 1:], "a mask as an index"),
    "written by mask": (lambda x: x.index_put_((x > 0,), x), "a mask as an index"),
    "masked_select": (lambda x: x.masked_select(x > 0), "masked_select"),
    "equal": (lambda x: torch.equal(x, x + 1), "torch.equal"),
    "allclose": (lambda x: torch.allclose(x, x), "torch.allclose"),
    "unique": (lambda x: x.unique(), "unique"),
    "bincount": (lambda x: x.long().bincount(), "bincount"),
    "repeat_interleave": (lambda x: x.repeat_interleave(x.long()), "repeat_interleave"),
    "one_hot": (lambda x: nn.functional.one_hot(x.long()), "a value is read"),
    "nms": (lambda x: torch.ops.torchvision.nms(torch.rand(6, 4, device="cuda"), x, 0.5), "NMS"),
    "made on the host": (lambda x: torch.tensor([1.0], device="cuda"), "a copy from the host"),
    "new_tensor": (lambda x: x.new_tensor([1.0]), "a copy from the host"),
    "to": (lambda x: torch.zeros(3).to("cuda"), "a copy from the host"),
}


@pytest.mark.parametrize("inference", [False, True], ids=["no_grad", "inference_mode"])
@pytest.mark.parametrize("kind", WAITING)
def test_what_waits_for_the_device_is_found(kind: str, inference: bool) -> None:
    act, what = WAITING[kind]
    with fake_cuda() as device, torch.inference_mode() if inference else torch.no_grad():
        x = torch.rand(6, device="cuda")
        with (
            pytest.raises(AssertionError, match=rf"^a trial waits .*\n- tests/fast/\S+ in <lambda>: {what}"),
            device.without_waiting("a trial"),
        ):
            act(x)


HARMLESS: dict[str, Callable[[Tensor], object]] = {
    "arithmetic with numbers": lambda x: (2 * x + 1).clamp(min=0),
    "made on the device": lambda x: torch.full((3,), 7.0, device="cuda") + torch.arange(3, device="cuda"),
    "top": lambda x: x.topk(3).values.sort().values,
    "chosen by where": lambda x: torch.where(x > 0, x, 0.0),
    "filled by mask": lambda x: x.masked_fill(x > 0, 1.0),
    "a number written by mask": lambda x: x.clone().__setitem__(x > 0, 0.0),
    "rows by rows": lambda x: x[torch.zeros(2, dtype=torch.int64, device="cuda")],
    "sent ahead": lambda x: torch.zeros(3).to("cuda", non_blocking=True),
    "on the host alone": lambda x: torch.arange(3).tolist(),
    "its size": lambda x: len(x) + x.numel(),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_does_not_wait_is_left_alone(kind: str) -> None:
    with fake_cuda() as device, torch.no_grad(), device.without_waiting("a trial"):
        HARMLESS[kind](torch.rand(6, device="cuda"))


def test_an_item_planted_in_a_network_is_named() -> None:
    class Curious(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.inner(x)
            y.amax().item()
            return y

    with fake_cuda() as device, torch.no_grad():
        network = build(preset(NAME)).eval().to("cuda")
        network.base.layer1 = Curious(network.base.layer1)  # type: ignore[assignment]
        with (
            pytest.raises(AssertionError, match=r"test_fake_cuda_faults\.py:\d+ in forward: a value is read"),
            device.without_waiting("the base network"),
        ):
            network._features(images())


def test_gradients_are_those_of_torchs_own_engine() -> None:
    """The stand-in for ``backward``, on tensors with values."""
    from tests.fast.fake_cuda import _backward

    torch.manual_seed(0)
    layer, norm, scale = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Parameter(torch.rand(4, 1, 1))
    leaves = [*layer.parameters(), *norm.parameters(), scale]
    gradients = []
    for backward in (Tensor.backward, _backward):
        for leaf in leaves:
            leaf.grad = None
        y = norm(layer(torch.ones(2, 3, 8, 8) * torch.arange(8.0))) * scale
        backward((y.relu() * y.sigmoid())[:, [0, 2, 2, 3]].sum() + 2 * scale.sum())
        gradients.append([leaf.grad for leaf in leaves])
    for engine, own in zip(*gradients, strict=True):
        torch.testing.assert_close(own, engine)
