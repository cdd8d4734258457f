"""AdaBN: statistics of BatchNorm from unlabelled footage of the camera itself.

Li et al., Revisiting Batch Normalization For Practical Domain Adaptation (2016), https://arxiv.org/abs/1603.04779.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from personsearch.canvas import resized_size, to_canvas
from personsearch.models import PersonSearchNetwork
from personsearch.train.adaptation.moments import spread_frames

#: Frames of the footage that are looked at, at least, and how many at once.
FRAMES, AT_ONCE = 64, 4


def footage_canvases(path: Path, network: PersonSearchNetwork) -> list[Tensor]:
    """Return frames spread over a video on the network's canvas, (3, H, W) uint8 RGB.

    Raises:
        MissingExtraError: PyAV is not installed.
        ImageError: the video cannot be read.
    """
    rule = network.config.input

    def reduced(frame: Image.Image) -> Image.Image:
        height, width = resized_size(frame.height, frame.width, rule.min_size, rule.max_size)
        return frame.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)

    frames = spread_frames(path, FRAMES, reduced)
    return [to_canvas(np.array(frame), rule.min_size, rule.max_size).pixels for frame in frames]


@torch.no_grad()
def with_statistics_of(network: PersonSearchNetwork, canvases: list[Tensor]) -> PersonSearchNetwork:
    """Return a copy of a network whose base network has the statistics of some pictures.

    Only the base network sees whole pictures. Neck and identification network see people, of whom unlabelled footage
    has few and similar ones, so they keep theirs.

    Args:
        network: on any device, in float32; stays as it is.
        canvases: (3, H, W) uint8 RGB, at least one.
    """
    adapted = copy.deepcopy(network).eval()
    norms = [module for module in adapted.base.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
    by_size: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for canvas in canvases:
        by_size[canvas.shape].append(canvas)
    for group in by_size.values():
        for start in range(0, len(group), AT_ONCE):
            images = torch.stack(group[start : start + AT_ONCE]).to(adapted.mean.device).float() / 255
            adapted.base((images - adapted.mean) / adapted.std)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    return adapted.eval()
