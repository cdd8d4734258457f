"""A CUDA device that computes nothing: what would be on the wrong device, and what would wait for the device?

Torch's fake tensors know shape, dtype and device, and no values. They run without a GPU and without a driver, but they
need a build of torch that knows CUDA. ``fake_cuda`` puts a second layer around them that sees every operation:

- An operand on another device raises :class:`WrongDevice`, which names the line. Fake tensors themselves let
  ``cpu_tensor[cuda_index]`` pass, and CUDA itself copies the index of ``cuda_tensor[cpu_index]`` over in silence.
- What makes the host wait for the device is noted: ``.item()``, ``.cpu()``, ``nonzero``, a mask as an index, NMS, and
  every copy from the host that is not ``non_blocking``. :meth:`Device.without_waiting` fails with their lines.

What depends on values has a stand-in, because a fake tensor has none:

==========================  ===================================  =====================================================
operation                   stand-in                             what that hides
==========================  ===================================  =====================================================
nonzero, a mask as index    everything is kept                   shapes of what is empty or shorter
nms                         everything is kept                   the same
equal, bool, item           True, 1, 1.0                         branches that data takes rarely
``Tensor.backward``         the graph, walked in Python          threads and streams: torch's own asks for the driver
``Module.to``               new parameters                       that an optimiser made before the move follows it
``copy.deepcopy``           a clone                              tensors that share memory
==========================  ===================================  =====================================================

Not seen at all: numbers, ``torch.autocast`` on CUDA (it switches itself off without a driver, so the steps here are in
float32), pinned memory, streams, and waiting inside of an operation that is not in :data:`WAITING`.
"""

from __future__ import annotations

import functools
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import pytest
import torch
import torchvision  # its operators have to be registered
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten, vision = torch.ops.aten, torch.ops.torchvision

#: Operations after which the host knows something about values: it waits for them.
WAITING: dict[Any, str] = {
    aten._local_scalar_dense: "a value is read, as by .item(), bool(), int() or float()",
    aten.equal: "torch.equal",
    aten.allclose: "torch.allclose",
    aten.nonzero: "nonzero, or torch.where with one argument",
    aten.masked_select: "masked_select",
    aten._unique2: "unique",
    aten.unique_dim: "unique",
    aten.unique_consecutive: "unique_consecutive",
    aten.bincount: "bincount",
    aten.repeat_interleave: "repeat_interleave without output_size",
    vision.nms: "NMS",
}
#: Torch's own marks of the others.
TELLING = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
INDEXING = (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index)
#: These take operands from two devices on purpose, or are none.
MOVING = (aten._to_copy, aten.copy_, aten.copy, aten.lift_fresh, torch.ops.prim.device)

_TORCH = tuple(str(Path(module.__file__ or "").parent) + os.sep for module in (torch, torchvision))
_HERE = __file__


class WrongDevice(AssertionError):  # noqa: N818 - an AssertionError with a name
    """Operands of one operation are on several devices."""


@dataclass(frozen=True)
class Wait:
    """A moment in which the host would wait for the device.

    Attributes:
        what: the operation.
        line: of the code that asked for it.
    """

    what: str
    line: str

    def __str__(self) -> str:
        return f"{self.line}: {self.what}"


@dataclass
class Device:
    """The fake device, as a test sees it.

    Attributes:
        waits: all moments of waiting so far.
    """

    waits: list[Wait] = field(default_factory=list)

    @contextmanager
    def without_waiting(self, what: str) -> Iterator[None]:
        """Fail if the host waits for the device within the block.

        Args:
            what: the block computes, for the message.
        """
        before = len(self.waits)
        yield
        waits = self.waits[before:]
        assert not waits, f"{what} waits for the device:\n" + "\n".join(f"- {one}" for one in waits)


@contextmanager
def fake_cuda() -> Iterator[Device]:
    """Give a fake CUDA device to the block; skips the test where torch was built without CUDA."""
    if torch.version.cuda is None:
        pytest.skip("fake CUDA tensors need a build of torch with CUDA, as pip installs it on Linux; no GPU")
    shapes = ShapeEnv(allow_scalar_outputs=True, allow_dynamic_output_shape_ops=True)
    device = Device()
    with (
        mock.patch.object(Tensor, "backward", _backward),
        mock.patch.object(nn.Module, "_apply", _apply),
        mock.patch.object(FakeTensor, "__deepcopy__", _deepcopy),
        FakeTensorMode(allow_non_fake_inputs=True, shape_env=shapes),
        _Watch(device),
    ):
        yield device


class _Watch(TorchDispatchMode):
    """Sees every operation before the fake tensors do."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, kind = kwargs or {}, func.overloadpacket
        if kind in MOVING:
            self._note_copy(kind, args, kwargs)
            return func(*args, **kwargs)
        if _is_made_of_others(func):  # comes as a whole in inference mode
            with self:
                return func.decompose(*args, **kwargs)
        on_cuda = _require_one_device(func, args, kwargs)
        if on_cuda and _waits(func, kwargs):
            self._wait(WAITING.get(kind, str(kind)))
        if kind is aten._local_scalar_dense:
            return {torch.bool: True}.get(args[0].dtype, 1.0 if args[0].is_floating_point() else 1)
        if kind in (aten.equal, aten.allclose):
            return True
        if kind is aten.nonzero:
            return torch.stack(_everywhere(args[0]), dim=1)
        if kind is aten.masked_select:
            return torch.broadcast_tensors(*args)[0].reshape(-1)
        if kind is vision.nms:
            return torch.arange(len(args[0]), device=args[0].device)
        if kind in INDEXING and any(_is_mask(index) for index in args[1]):
            # A single number is filled in where the mask is true, without a count of them.
            fills = kind is not aten.index and args[2].dim() == 0 and args[2].device.type == "cpu"
            if on_cuda and not fills:
                self._wait("a mask as an index")
            positions = [at for index in args[1] for at in (_everywhere(index) if _is_mask(index) else [index])]
            return func(args[0], positions, *args[2:], **kwargs)
        return func(*args, **kwargs)

    def _note_copy(self, kind: Any, args: Any, kwargs: Any) -> None:
        if kind is aten._to_copy:
            source, target, asynchronous = args[0].device, kwargs.get("device"), kwargs.get("non_blocking", False)
        elif kind in (aten.copy_, aten.copy):
            source, target = args[1].device, args[0].device
            asynchronous = args[2] if len(args) > 2 else kwargs.get("non_blocking", False)
        else:
            return
        if target is None or source.type == target.type:
            return
        if target.type == "cpu":  # even a copy that does not wait is of no use before somebody does
            self._wait("a copy to the host, as by .cpu(), .tolist() or .numpy()")
        elif not asynchronous:
            self._wait("a copy from the host that waits: make the tensor on the device, or copy it non_blocking")

    def _wait(self, what: str) -> None:
        self._device.waits.append(Wait(what, _line()))


def _require_one_device(func: Any, args: Any, kwargs: Any) -> bool:
    """Return whether an operation's operands are on CUDA; a number in the host's memory goes with any device."""
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    devices = {one.device.type for one in tensors if one.dim() or one.device.type != "cpu"}
    if len(devices) > 1:
        operands = ", ".join(f"{one.device.type} {str(one.dtype)[6:]} {tuple(one.shape)}" for one in tensors)
        raise WrongDevice(f"{_line()}: {func} has operands on several devices: {operands}")
    return "cuda" in devices


def _waits(func: Any, kwargs: Any) -> bool:
    kind = func.overloadpacket
    if kind is aten.repeat_interleave:
        return kwargs.get("output_size") is None
    return kind in WAITING or (kind not in INDEXING and not TELLING.isdisjoint(func.tags))


@functools.cache
def _is_made_of_others(func: Any) -> bool:
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    return key in func.py_kernels or torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), key)


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


def _everywhere(mask: Tensor) -> list[Tensor]:
    """Return as many positions (n,) int64 as a tensor has elements, for each of its dimensions."""
    return [torch.zeros(mask.numel(), dtype=torch.int64, device=mask.device) for _ in range(max(mask.dim(), 1))]


def _line() -> str:
    """Return the line that asked for an operation: ours, and torchvision's if it stands between."""
    frame: FrameType | None = sys._getframe(1)
    inner = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if name != _HERE and not name.startswith("<"):
            where = f"{_short(name)}:{frame.f_lineno} in {frame.f_code.co_name}"
            if not name.startswith(_TORCH):
                return f"{where} ({inner})" if inner else where
            if "torchvision" in name:
                inner = inner or where
        frame = frame.f_back
    return inner or "somewhere in torch"


def _short(name: str) -> str:
    parts = Path(name).parts
    for root in ("personsearch", "tests", "torchvision"):
        if root in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(root) :])
    return name


def _apply(self: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """Stand in for what moves and converts modules: torch's own exchanges tensors, which fake ones do not let it do."""
    for module in self.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                with torch.no_grad():
                    module._parameters[name] = nn.Parameter(fn(parameter), requires_grad=parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = fn(buffer)
    return self


def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """Stand in for ``copy.deepcopy``: torch's own copies the memory, which is not there, and the process dies of it."""
    clone = self.detach().clone()
    memo[id(self)] = clone = nn.Parameter(clone, self.requires_grad) if isinstance(self, nn.Parameter) else clone
    return clone


def _backward(
    self: Tensor, gradient: Tensor | None = None, retain_graph: bool = False, create_graph: bool = False
) -> None:
    """Stand in for ``Tensor.backward``: torch's own asks the driver for a stream, and there is none.

    Every node of the graph is called once all gradients that flow into it are there.
    """
    order = _by_dependence(self.grad_fn)
    flowing: dict[Any, dict[int, Tensor]] = defaultdict(dict)
    flowing[self.grad_fn][0] = torch.ones_like(self) if gradient is None else gradient
    with torch.no_grad():
        for node in order:
            arrived = flowing.pop(node, {})
            if hasattr(node, "variable"):
                leaf, [grad] = node.variable, arrived.values()
                leaf.grad = grad if leaf.grad is None else leaf.grad + grad
                continue
            call = node if callable(node) else node.apply  # the latter is one that was written in Python
            outputs = call(*(arrived.get(number) for number in range(len(node._input_metadata))))
            for (parent, number), grad in zip(node.next_functions, _as_tuple(outputs), strict=False):
                if parent is None or grad is None:
                    continue
                grad = _as_expected(grad, parent._input_metadata[number], node)
                into = flowing[parent]
                into[number] = into[number] + grad if number in into else grad


def _by_dependence(root: Any) -> list[Any]:
    """Return the nodes of a graph such that each comes before those that its gradients flow into."""
    order: list[Any] = []
    seen: set[Any] = set()
    stack = [(root, False)]
    while stack:
        node, left = stack.pop()
        if left:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent, _ in node.next_functions if parent is not None)
    return order[::-1]


def _as_expected(grad: Tensor, expected: Any, node: Any) -> Tensor:
    """Do what the engine does between two nodes: sum over what was broadcast, and check the device."""
    if grad.device.type != torch.device(expected.device).type:
        raise WrongDevice(f"{node.name()} sends a gradient on {grad.device} to a tensor on {expected.device}")
    shape = tuple(expected.shape)
    return (grad if tuple(grad.shape) == shape else grad.sum_to_size(shape)).to(expected.dtype)


def _as_tuple(outputs: Any) -> Sequence[Tensor | None]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
