"""The paper's network beside others', in the same run: what their inference has to compute, built from torchvision.

    python benchmarks/peers.py                              # SeqNet and NAE at 960x640 and 1500x900, on one thread
    python benchmarks/peers.py --sizes 960x640 --repeats 3

These are graphs of the same arithmetic as the published ones (NAE: Chen et al., CVPR 2020; SeqNet: Li and Miao, AAAI
2021), with random weights, and not the authors' code: ResNet-50 to conv4_x, torchvision's region proposal network on
1024 channels with 15 anchors, 6000 and 300 proposals, RoIAlign 14x14, conv5_x on every proposal, norm-aware embedding
of 256 values from both levels. NAE embeds all proposals in that pass; SeqNet refines them first, and runs a second
conv5_x on those that are kept. How many those are is forced, as for our network. BatchNorm is torchvision's.

``as published`` is eager float32, as the authors run it. ``optimised`` is the same graph with what this package does
to its own: BatchNorms folded, channels last, bfloat16 (float16 on a GPU).
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable
from typing import Any

import torch
from speed_counts import Work, count, stages
from speed_paths import (
    Cell,
    Plan,
    add_options,
    calibrate,
    calls_for,
    cells_of,
    config_for,
    plan_of,
    scene,
    scenes_for,
    searcher_for,
)
from speed_timing import hardware, in_child, interleaved, milliseconds, ratio
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.resnet import Bottleneck, resnet50
from torchvision.ops import batched_nms, clip_boxes_to_image
from torchvision.transforms.functional import pil_to_tensor

from personsearch.models import preset_names
from personsearch.models.pooling import pool_boxes

STRIDE = 16
PROPOSALS = 300
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PEERS = ("SeqNet", "NAE")


class _Float32Head(RPNHead):
    """Decodes boxes in float32 whatever the network's dtype."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward(x)
        return [t.float() for t in logits], [t.float() for t in deltas]


class NormAware(nn.Module):
    """Embedding and score of a region: projections of both levels; the length of both together is the score."""

    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Linear(1024, 128), nn.BatchNorm1d(128))
        self.high = nn.Sequential(nn.Linear(2048, 128), nn.BatchNorm1d(128))
        self.rescale = nn.BatchNorm1d(1)

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return (K, 256) unit vectors and (K,) scores of pooled conv4_x (K, 1024) and conv5_x (K, 2048)."""
        together = torch.cat([self.low(low), self.high(high)], dim=1)
        length = together.norm(dim=1, keepdim=True)
        return together / length.clamp(min=1e-12), self.rescale(length).sigmoid()[:, 0]


class Peer(nn.Module):
    """One-step person search with conv5_x on every proposal.

    Args:
        name: ``"SeqNet"`` or ``"NAE"``.
        people: boxes that are kept in each image.
    """

    def __init__(self, name: str, people: int) -> None:
        super().__init__()
        resnet = resnet50()
        stem = (resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool)
        self.name, self.people = name, people
        self.base = nn.Sequential(*stem, resnet.layer1, resnet.layer2, resnet.layer3)
        anchors = AnchorGenerator(((32, 64, 128, 256, 512),), ((0.5, 1.0, 2.0),))
        limits = {"training": 12000, "testing": 6000}, {"training": 2000, "testing": PROPOSALS}
        self.rpn = RegionProposalNetwork(anchors, _Float32Head(1024, 15), 0.7, 0.3, 256, 0.5, *limits, 0.7)
        self.conv5 = resnet.layer4
        self.box = nn.Linear(2048, 8)
        self.person = nn.Linear(2048, 2)
        self.embedding = NormAware()
        self.second = resnet50().layer4 if name == "SeqNet" else None
        self.second_box = nn.Linear(2048, 8) if name == "SeqNet" else None
        self.coder = BoxCoder((10.0, 10.0, 5.0, 5.0))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return per image the kept people's embeddings (K, 256), of normalised images (N, 3, H, W)."""
        canvas = images.shape[-2:]
        maps = self.base(images)
        proposals, _ = self.rpn(ImageList(images, [tuple(canvas)] * len(images)), {"0": maps}, None)
        if any(len(one) != PROPOSALS for one in proposals):
            raise SystemExit(f"{self.name} proposed less than {PROPOSALS} regions: the figures would not compare")
        low, high = self._levels(maps, proposals, self.conv5)
        boxes = self._decoded(self.box(high).float(), proposals, canvas)
        if self.second is None:
            embeddings, scores = self.embedding(low, high)
            return self._kept(boxes, scores.float(), embeddings, proposals)
        scores = self.person(high).float().softmax(dim=1)[:, 1]
        kept = self._kept(boxes, scores, boxes, proposals)
        low, high = self._levels(maps, kept, self.second)
        embeddings, scores = self.embedding(low, high)
        boxes = self._decoded(self.second_box(high).float(), kept, canvas)
        return self._kept(boxes, scores.float(), embeddings, kept)

    def _levels(self, maps: Tensor, boxes: list[Tensor], conv5: nn.Module) -> tuple[Tensor, Tensor]:
        pooled = pool_boxes(maps, boxes, (14, 14), STRIDE)
        return pooled.amax(dim=(2, 3)), conv5(pooled).amax(dim=(2, 3))

    def _decoded(self, deltas: Tensor, around: list[Tensor], canvas: Any) -> Tensor:
        return clip_boxes_to_image(self.coder.decode(deltas, around)[:, 1], tuple(canvas))

    def _kept(self, boxes: Tensor, scores: Tensor, values: Tensor, of: list[Tensor]) -> list[Tensor]:
        """Apply NMS as published (0.4), and then keep the forced number of people whatever it leaves."""
        image = torch.cat([torch.full((len(one),), i, device=boxes.device) for i, one in enumerate(of)])
        batched_nms(boxes, scores, image, 0.4)
        return [rows[: self.people] for rows in values.split([len(one) for one in of])]

    def work(self, width: int, height: int) -> dict[str, Work]:
        """Count the work for one image by stage; the network is on the meta device."""
        maps, base = count(lambda: self.base(torch.empty(1, 3, height, width, device="meta")), self.base)
        found = {"conv1 to conv4_x": base}
        found["RPN head"] = count(lambda: self.rpn.head([maps]), self.rpn.head)[1]
        regions = torch.empty(PROPOSALS, 1024, 14, 14, device="meta")
        found["conv5_x on proposals"] = count(lambda: self.conv5(regions), self.conv5)[1]
        if self.second is not None:
            kept = torch.empty(self.people, 1024, 14, 14, device="meta")
            found["conv5_x on people"] = count(lambda: self.second(kept), self.second)[1]
        return found


def fold(module: nn.Module) -> None:
    """Fold BatchNorms into the convolutions before them, in place."""
    for child in module.modules():
        if isinstance(child, nn.Sequential):
            for number in range(len(child) - 1):
                if isinstance(child[number], nn.Conv2d) and isinstance(child[number + 1], nn.BatchNorm2d):
                    child[number] = fuse_conv_bn_eval(child[number], child[number + 1])
                    child[number + 1] = nn.Identity()
        if isinstance(child, Bottleneck):
            for which in "123":
                conv, norm = getattr(child, f"conv{which}"), getattr(child, f"bn{which}")
                setattr(child, f"conv{which}", fuse_conv_bn_eval(conv, norm))
                setattr(child, f"bn{which}", nn.Identity())


def peer_for(name: str, cell: Cell, *, optimised: bool) -> Callable[[Tensor], list[Tensor]]:
    """Build a peer on its device; the result takes (N, 3, H, W) uint8 and ends on the host."""
    torch.manual_seed(0)
    peer = Peer(name, cell.people).eval()
    seen = pil_to_tensor(scene(320, 256, 0))[None]
    calibrate(peer, lambda: peer(_normalised(seen, torch.float32)))
    dtype = torch.float32
    peer.to(cell.device)
    if optimised:
        dtype = torch.float16 if torch.device(cell.device).type == "cuda" else torch.bfloat16
        fold(peer)
        peer.to(memory_format=torch.channels_last).to(dtype)

    def call(images: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            pixels = _normalised(images, dtype)
            if optimised:
                pixels = pixels.contiguous(memory_format=torch.channels_last)
            return [rows.cpu() for rows in peer(pixels)]

    return call


def _normalised(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Return (N, 3, H, W) uint8 as ImageNet's statistics want it."""
    mean, std = (torch.tensor(v, device=images.device, dtype=dtype).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (images.to(dtype) / 255 - mean) / std


def measure(cell: Cell, plan: Plan, peers: list[str], *, optimised: bool) -> list[dict[str, Any]]:
    """Time one cell; return its rows, ours first."""
    torch.set_num_threads(cell.threads)
    scenes, ours = scenes_for(cell), [", ".join(one) for one in plan.paths]
    height, width = scenes.batch.shape[-2:]
    calls: dict[str, Callable[[], object]] = {}
    for name, (path, dtype) in zip(ours, plan.paths, strict=True):
        calls[name] = calls_for(searcher_for(cell, path, dtype), scenes, path)["network"]
    gflop = dict.fromkeys(ours, _gflop(stages(config_for(cell), width, height, people=cell.people)))
    for peer in peers:
        with torch.device("meta"):
            counted = _gflop(Peer(peer, cell.people).eval().work(width, height))
        for fast in (False, True) if optimised else (False,):
            name = f"{peer}'s graph, {'optimised' if fast else 'as published'}"
            calls[name] = functools.partial(peer_for(peer, cell, optimised=fast), scenes.batch)
            gflop[name] = counted
    taken = interleaved(calls, torch.device(cell.device), plan.rounds)
    rows = []
    for name, samples in taken.items():
        wall, figures = [sample.wall for sample in samples], milliseconds(samples)
        rows.append(
            {
                "network": f"{cell.preset}, {name}" if name in ours else name,
                "size": cell.size,
                "threads": cell.threads,
                "batch": cell.batch,
                "people": cell.people,
                "gflop": round(gflop[name], 1),
                **figures,
                "images_per_s": round(1000 * cell.batch / figures["median_ms"], 3),
                "times": {other: str(ratio(wall, [sample.wall for sample in taken[other]])) for other in ours},
            }
        )
    return rows


def _gflop(found: dict[str, Work]) -> float:
    return sum(work.flops for work in found.values()) / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="stl-mrfp-r50", choices=preset_names())
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    parser.add_argument("--no-optimised", action="store_true", help="peers only as published")
    add_options(parser, people=[8], threads=[1])
    options = parser.parse_args()
    cells = cells_of(options, [options.preset])
    plan, told = plan_of(options, cells[0].device), hardware(torch.device(cells[0].device))
    if not options.json:
        print(f"# python benchmarks/peers.py {' '.join(sys.argv[1:])}\n")
        print(", ".join(f"{key} {value}" for key, value in told.items()))
        print("\nTimes of a batch, network only; random weights. The last columns: how many times as long as our")
        print("network takes along that path, median (quartiles) of the ratios of the rounds.\n")
        names = [", ".join(one) for one in plan.paths]
        print("| network | size | threads | batch | people | GFLOP | median ms | images/s |", " | ".join(names), "|")
        print("|" + " --- |" * (8 + len(names)))
    for cell in cells:
        for row in in_child(measure, cell, plan, options.peers, optimised=not options.no_optimised):
            if options.json:
                print(json.dumps({**row, **told}), flush=True)
                continue
            first = [row[key] for key in ("network", "size", "threads", "batch", "people")]
            figures = [f"{row['gflop']:.0f}", f"{row['median_ms']:.1f}", f"{row['images_per_s']:.2f}"]
            print("|", " | ".join(map(str, [*first, *figures, *row["times"].values()])), "|", flush=True)


if __name__ == "__main__":
    main()
