"""What the network has to compute and to move, by count, and how fast a machine could do it.

    python benchmarks/speed_counts.py                                   # stl-mrfp-r50, an H200's rates, 16 bits
    python benchmarks/speed_counts.py --tflops 14.1 --tbytes 0.9 --bytes 4   # a V100 in float32, as the paper used

The real modules run on torch's meta device, which computes nothing, so this takes a second anywhere. Floating-point
operations are those of ``torch.utils.flop_counter`` (two for a multiplication with its addition). Bytes are inputs,
outputs and weights of the modules: *fused*, of those that cannot be folded into a neighbour (convolutions, linear
layers, InstanceNorm, max pooling); *unfused*, of BatchNorm and ReLU too, as eager PyTorch moves them. Residual
additions, concatenations and RoIAlign are no such modules and are left out of both, so both are lower bounds.

The floor of a stage is the longer of its arithmetic and its traffic; the floor of a network is the sum over its stages.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from personsearch.models import ModelConfig, PersonSearchNetwork, build, preset, preset_names

#: What is left when all that can be folded is.
UNFOLDABLE = (nn.Conv2d, nn.Linear, nn.InstanceNorm2d, nn.MaxPool2d)
#: What a fused network computes inside the layer before.
FOLDABLE = (nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU)

#: The stages of the fast network, made of the counted ones. Its selection is comparisons alone.
PARTS = {
    "features": ("conv1", "conv2_x", "conv3_x"),
    "propose": ("RPN head",),
    "score": ("box head",),
    "select": (),
    "identify": ("neck", "conv4_x", "conv5_x"),
}


@dataclass(frozen=True)
class Work:
    """What a stage does.

    Attributes:
        flops: floating-point operations.
        fused: values read and written by what cannot be folded.
        unfused: values read and written by every module.
    """

    flops: int = 0
    fused: int = 0
    unfused: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.fused + other.fused, self.unfused + other.unfused)


@dataclass(frozen=True)
class Rates:
    """How fast a machine multiplies and moves: operations and bytes a second."""

    flops: float
    bytes: float

    def floor(self, work: Work, value_bytes: int, *, fused: bool = True) -> float:
        """Return the least seconds that the work takes."""
        values = work.fused if fused else work.unfused
        return max(work.flops / self.flops, values * value_bytes / self.bytes)

    def floor_of(self, stages: Mapping[str, Work], value_bytes: int, *, fused: bool = True) -> float:
        """Return the least seconds that stages take one after the other."""
        return sum(self.floor(work, value_bytes, fused=fused) for work in stages.values())


@contextmanager
def _values_of(modules: list[nn.Module]) -> Iterator[dict[str, int]]:
    """Count the values that modules read and write while the context lasts."""
    seen = {"fused": 0, "unfused": 0}

    def add(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        values = inputs[0].numel() + output.numel() + sum(p.numel() for p in module.parameters(recurse=False))
        seen["unfused"] += values
        if isinstance(module, UNFOLDABLE):
            seen["fused"] += values

    counted = {id(m): m for module in modules for m in module.modules() if isinstance(m, (*UNFOLDABLE, *FOLDABLE))}
    handles = [module.register_forward_hook(add) for module in counted.values()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def count(call: Callable[[], Any], *modules: nn.Module) -> tuple[Any, Work]:
    """Run a call, and return its result and the work that it was.

    Args:
        call: calls the modules, on tensors of the meta device or of a real one.
        *modules: those whose traffic counts, with all that they contain.
    """
    with torch.no_grad(), _values_of(list(modules)) as seen, FlopCounterMode(display=False) as flops:
        result = call()
    return result, Work(flops.get_total_flops(), **seen)


def stages(config: ModelConfig, width: int, height: int, *, batch: int = 1, people: int = 8) -> dict[str, Work]:
    """Return the work of each stage of a person-search network, by the paper's names.

    Args:
        config: of the network.
        width: of the canvas, pixels.
        height: of the canvas, pixels.
        batch: images in a batch: weights are read once for all.
        people: who are kept, per image.
    """
    regions, meta = batch * config.detector.rpn_post_nms_test, torch.device("meta")
    with meta:
        network: PersonSearchNetwork = build(config).eval()
    base, head, reid = network.base, network.detector.head, network.identification
    images = torch.empty(batch, 3, height, width, device=meta)
    found = {}
    stem = [base.conv1, base.bn1, base.relu, base.maxpool]
    shallow, found["conv1"] = count(lambda: nn.Sequential(*stem)(images), *stem)
    low, found["conv2_x"] = count(lambda: base.layer1(shallow), base.layer1)
    high, found["conv3_x"] = count(lambda: base.layer2(low), base.layer2)
    _, found["RPN head"] = count(lambda: network.detector.rpn.head([high]), network.detector.rpn.head)
    cells = torch.empty(regions, high.shape[1], 7, 7, device=meta)
    _, found["box head"] = count(lambda: head.box_predictor(head.box_head(cells)), head.box_head, head.box_predictor)
    rows, columns = config.reid.roi_size
    everybody = batch * people
    pooled = torch.empty(everybody, high.shape[1], rows, columns, device=meta)
    found["neck"] = Work()
    if config.reid.pooling == "mrfp":
        fine = torch.empty(everybody, low.shape[1], 2 * rows, 2 * columns, device=meta)
        pooled, found["neck"] = count(lambda: network.pooling.fuse(fine, pooled), network.pooling)
    deep, found["conv4_x"] = count(lambda: reid.layer3(pooled), reid.layer3)
    _, found["conv5_x"] = count(lambda: reid.layer4(deep), reid.layer4)
    return found


def parts(found: Mapping[str, Work]) -> dict[str, dict[str, Work]]:
    """Return the stages of :func:`stages` by the stage of the fast network that they are in."""
    return {part: {name: found[name] for name in names} for part, names in PARTS.items()}


def table(found: Mapping[str, Work], rates: Rates, value_bytes: int) -> str:
    """Return the stages as a table in Markdown."""
    total = sum(found.values(), Work())
    lines = [
        "| stage | GFLOP | % | arithmetic ms | memory ms, fused | memory ms, unfused |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, work in found.items():
        moved = [1000 * values * value_bytes / rates.bytes for values in (work.fused, work.unfused)]
        lines.append(
            f"| {name} | {work.flops / 1e9:.2f} | {100 * work.flops / total.flops:.1f} | "
            f"{1000 * work.flops / rates.flops:.3f} | {moved[0]:.3f} | {moved[1]:.3f} |"
        )
    fused, unfused = (rates.floor_of(found, value_bytes, fused=fused) for fused in (True, False))
    lines += [
        "",
        f"{total.flops / 1e9:.1f} GFLOP; floor, fused {1000 * fused:.3f} ms = {1 / fused:.0f} images/s, "
        f"unfused {1000 * unfused:.3f} ms = {1 / unfused:.0f} images/s",
    ]
    return "\n".join(lines)


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["stl-mrfp-r50"], choices=preset_names())
    parser.add_argument("--sizes", nargs="+", default=["960x640", "1500x900"], help="WIDTHxHEIGHT, not padded")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--tflops", type=float, default=790, help="10^12 operations a second")
    parser.add_argument("--tbytes", type=float, default=4.3, help="10^12 bytes a second")
    parser.add_argument("--bytes", type=int, default=2, help="of a value")
    options = parser.parse_args()
    rates = Rates(options.tflops * 1e12, options.tbytes * 1e12)
    for name in options.presets:
        for size in options.sizes:
            width, height = map(int, size.split("x"))
            print(f"\n{name}, {size}, {options.people} people, {options.bytes} bytes a value, ", end="")
            print(f"{options.tflops:g} TFLOP/s, {options.tbytes:g} TB/s\n")
            print(table(stages(preset(name), width, height, people=options.people), rates, options.bytes))


if __name__ == "__main__":
    main()
