"""What the tests of a real GPU share: which device, exact arithmetic, and how often the host waits."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

#: ``PERSONSEARCH_TEST_DEVICE=cpu pytest -m gpu tests/fast`` rehearses the tests of a GPU where there is none.
WANTED = os.environ.get("PERSONSEARCH_TEST_DEVICE", "cuda")


def gpu() -> torch.device:
    """Return the GPU to test on; skips the test where there is none."""
    if WANTED == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device on this machine")
    return torch.device(WANTED)


@contextmanager
def exact() -> Iterator[None]:
    """Compute float32 as float32: by default convolutions on a GPU round their factors to TensorFloat-32."""
    switches = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value


@contextmanager
def without_waiting(device: torch.device) -> Iterator[None]:
    """Raise a RuntimeError where the host would wait for the GPU within the block; nothing on other devices."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.synchronize(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@contextmanager
def counted_waits(device: torch.device) -> Iterator[list[str]]:
    """Yield a list that holds, after the block, a line for each time the host waited; empty on other devices."""
    lines: list[str] = []
    if device.type != "cuda":
        yield lines
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield lines
        finally:
            torch.cuda.set_sync_debug_mode("default")
    lines += [f"{one.filename}:{one.lineno}" for one in caught if "synchronizing" in str(one.message)]


def memory(device: torch.device) -> int:
    """Return the bytes that tensors hold on a GPU; 0 on other devices."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
