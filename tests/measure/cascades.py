"""Tiny weights of step 1, and a tiny searcher that finds people, for tests of the two-step cascade."""

from __future__ import annotations

from pathlib import Path

import torch

from personsearch import PersonSearcher
from personsearch.models import ModelConfig, ReidNetwork, build
from personsearch.weights.files import BACKBONE_FILE, save_folder


def step1(folder: Path, config: ModelConfig, seed: int = 0) -> Path:
    """Write the weights folder of a re-identification network with random weights, and norms that do something."""
    torch.manual_seed(seed)
    network = ReidNetwork(config.backbone, config.feature_size)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr, operator]
                module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr, operator]
                module.weight.uniform_(0.5, 1.5)
    return save_folder(folder, config, network.state_dict(), file=BACKBONE_FILE)


def keen(config: ModelConfig, *, fast: bool = False) -> PersonSearcher:
    """Return a searcher with random weights that is sure of some of what it finds: scores of 0.6 to 0.9."""
    torch.manual_seed(0)
    network = build(config)
    with torch.no_grad():
        network.detector.head.box_predictor.cls_score.bias[1] += 1.5
    return PersonSearcher(network, device="cpu", fast=fast)
