"""The training of an adaptation: step 2 of STL, begun from whole weights, at a small rate.

The identity classifier starts from nothing, and its loss is several times the detector's, but in a trial on the same
batches the detector learnt as fast with it as without. So it keeps its full weight, and embeddings learn the light of
the place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from personsearch.models import ModelConfig
from personsearch.train.adaptation.budget import BATCH
from personsearch.train.config import (
    DataConfig,
    FinetuneConfig,
    OptimizerConfig,
    RunConfig,
    SceneAugmentConfig,
    StepsConfig,
)
from personsearch.train.schedule import ScheduleConfig

#: Half of the rate that the weights in the package learnt with.
RATE = 2e-4
#: Steps between checkpoints: as much is lost when a run is killed.
CHECKPOINT_EVERY = 40
#: Share of the steps in which the rate rises.
WARM_UP = 0.1
#: Nearer people come from zooming in; a camera's picture is seldom mirrored.
AUGMENT = SceneAugmentConfig(flip=0.2, zoom=1.6, zoom_share=0.3, jitter=0.15)


def adapting_config(
    annotations: Path,
    run: Path,
    model: ModelConfig,
    init: str,
    *,
    epochs: int,
    seed: int,
    device: torch.device,
    loaders: int,
) -> FinetuneConfig:
    """Return the recipe of an adaptation.

    Args:
        annotations: of the set to train on.
        run: folder of the run.
        model: configuration of the weights.
        init: the weights.
        epochs: passes over the set.
        seed: of everything random.
        device: to train on.
        loaders: loading processes.
    """
    # GPUs older than Ampere only imitate bfloat16, many times as slowly as they compute in float32.
    fits = device.type == "cpu" or (device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False))
    precision: Literal["bfloat16", "float32"] = "bfloat16" if fits else "float32"
    return FinetuneConfig(
        init=init,
        run=RunConfig(
            out=str(run),
            seed=seed,
            device=str(device),
            precision=precision,
            num_workers=loaders,
            log_every=10,
            checkpoint_every=CHECKPOINT_EVERY,
        ),
        model=model,
        data=DataConfig(annotations=str(annotations)),
        optimizer=OptimizerConfig(name="adamw", lr=RATE, weight_decay=1e-3),
        schedule=ScheduleConfig(epochs=epochs, kind="cosine", warmup_epochs=WARM_UP * epochs),
        steps=StepsConfig(clip_norm=10.0),
        augment=AUGMENT,
        batch_size=BATCH,
    )
